"""Blackjack at a table: cards between windows, outcomes, and returns by enumeration."""

from collections import Counter

import pytest

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_table as table
from reference_impl.domain.games.game import OUTCOME_MAX

SEED = b"s" * 32
FIRST, SECOND, THIRD = [b"a" * 32, b"b" * 32], [b"c" * 32, b"d" * 32], [b"e" * 32, b"f" * 32]


def live_seed(windows: int) -> bytes:
    """Return a seed with which players decide in so many windows at least."""
    for k in range(1000):
        seed, heads = k.to_bytes(32), list(FIRST)
        for more in (SECOND, THIRD)[: windows - 1]:
            heads += [table.DREW, *more]
        if table.on_table(seed, heads).goes_on:
            return seed
    raise AssertionError


def test_cards_that_lie_on_the_table_stay_whatever_comes_later() -> None:
    seed = live_seed(2)
    first = table.on_table(seed, FIRST)
    second = table.on_table(seed, [*FIRST, table.DREW, *SECOND])
    assert (len(first.hand), len(second.hand), len(first.dealer)) == (2, 3, 1)
    assert second.hand[:2] == first.hand
    assert second.dealer == first.dealer
    result = table.shown(seed, [*FIRST, table.DREW, *SECOND, table.DREW, *THIRD])
    assert result.hand[:3] == second.hand
    assert result.dealer[:1] == first.dealer
    assert not result.goes_on


def test_a_card_depends_on_the_heads_at_which_its_window_was_closed_and_on_what_was_voted() -> None:
    seed = live_seed(1)
    cards = {
        table.on_table(seed, [*FIRST, verdict, *heads]).hand[2]
        for verdict in (table.STOOD, table.DREW)
        for heads in ([bytes([k]) * 32, b"x" * 32] for k in range(2, 12))
    }
    assert len(cards) > 10


def test_nobody_decides_against_a_blackjack() -> None:
    found = 0
    for k in range(400):
        seed = k.to_bytes(32)
        dealer = [bj.points(card % 13 + 1) for card in table.shown(seed, FIRST).dealer]
        hand = [bj.points(card % 13 + 1) for card in table.on_table(seed, FIRST).hand]
        if bj.BLACKJACK in (bj.dealer_total(dealer), bj.total(hand)):
            found += 1
            assert not table.on_table(seed, FIRST).goes_on
            assert len(table.outcome_of(table.draw(seed, FIRST)).hand) == 2
        else:
            assert table.on_table(seed, FIRST).goes_on
    assert found > 10


def test_bets_behind_take_what_the_seats_voted_for() -> None:
    seed = live_seed(2)
    drew = table.outcome_of(table.draw(seed, [*FIRST, table.DREW, *SECOND, table.STOOD, *THIRD]))
    stood = table.outcome_of(table.draw(seed, [*FIRST, table.STOOD, *SECOND, table.DREW, *THIRD]))
    assert (drew.behind, stood.behind) == (1, 0)


@pytest.mark.parametrize(
    ("hand", "drew", "stood", "verdict"),
    [((9, 8), 3, 2, table.DREW), ((9, 8), 2, 3, table.STOOD), ((9, 8), 2, 2, table.STOOD), ((0, 1), 2, 2, table.DREW),
     ((0, 1), 0, 0, table.DREW), ((9, 1), 0, 0, table.STOOD)],
)  # fmt: skip
def test_the_majority_decides_for_bets_behind_and_the_rule_for_absent_players_when_there_is_none(
    hand: tuple[int, ...], drew: int, stood: int, verdict: bytes
) -> None:
    assert table.verdict(hand, drew, stood) == verdict


def test_every_outcome_reads_back_as_what_it_stands_for() -> None:
    for k in range(300):
        outcome = table.outcome_of(table.draw(k.to_bytes(32), FIRST))
        assert outcome.code <= OUTCOME_MAX
        assert table.outcome_of(outcome.code) == outcome


@pytest.mark.parametrize(
    "outcome",
    [table.Outcome((10,), 0, 17), table.Outcome((10, 9, 2, 3), 0, 17), table.Outcome((10, 5), 1, 17),
     table.Outcome((1, 10, 5), 0, 17)],
)  # fmt: skip
def test_hands_that_nobody_can_hold_are_no_outcomes(outcome: table.Outcome) -> None:
    assert not table.BLACKJACK.is_outcome(outcome.code)


def test_the_dealer_ends_as_published() -> None:
    """https://www.casinocitytimes.com/alan-krigman/article/how-confident-are-you-of-winning-at-blackjack-with-a-20-5518
    and https://www.gamingtoday.com/poker/article/4179-Winning_hands (per cent)."""
    totals: Counter[int] = Counter()
    for code, chance in table.chances():
        totals[table.outcome_of(code).dealer] += chance
    published = {20: 18.0, 21: 7.3, bj.BLACKJACK: 4.7, bj.BUST: 28.2}
    assert {total: round(100 * float(totals[total]), 1) for total in published} == published


def test_absent_players_get_back_what_never_busting_is_known_to_give() -> None:
    """Never busting costs "nearly 4 %" (https://casinogametip.com/never-bust-blackjack.php) with doubles and splits,
    which are worth 1.6 and 0.4 % (gamingtoday.com, as above) and which nobody makes for somebody else."""
    seat, behind = table.BLACKJACK.returns()
    assert seat == behind
    assert 100 * float(seat) == pytest.approx(100 - 4.0 - 2.0, abs=0.1)


def test_an_outcome_in_words_names_the_dealers_total_and_the_cards_that_all_share() -> None:
    assert table.describe(table.Outcome((9, 10), 0, bj.BUST).code) == "dealer bust, players' cards 9 10"
    assert table.describe(table.Outcome((1, 5, 10), 1, 19).code) == "dealer 19, players' cards A 5 10"
