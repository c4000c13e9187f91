"""Blackjack: hands, decisions, seats that nobody plays, and returns against published figures."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_table as table
from reference_impl.domain.games.blackjack import Decision, Hand
from reference_impl.domain.games.blackjack_return import best_return

points = st.integers(1, 10)
TWENTY = Hand((10, 10))
DEALER_19 = Hand((10, 9))


@pytest.mark.parametrize(
    ("cards", "total", "soft"),
    [((1, 10), 21, True), ((1, 1), 12, True), ((1, 1, 10), 12, False), ((10, 6, 1), 17, False), ((1, 6), 17, True),
     ((10, 10, 2), bj.BUST, False), ((1, 5, 5), 21, True), ((9, 9, 9), bj.BUST, False)],
)  # fmt: skip
def test_an_ace_counts_eleven_as_long_as_that_fits(cards: tuple[int, ...], total: int, soft: bool) -> None:
    assert bj.value(cards) == (total, soft)


def test_only_the_first_two_cards_make_a_blackjack() -> None:
    assert Hand((1, 10)).total == bj.BLACKJACK
    assert Hand((1, 10), split=True).total == 21
    assert Hand((5, 6, 10)).total == 21


def test_pictures_count_ten() -> None:
    assert [bj.points(rank) for rank in (1, 2, 9, 10, 11, 12, 13)] == [1, 2, 9, 10, 10, 10, 10]


def test_the_dealer_stands_on_every_seventeen() -> None:
    assert [bj.dealer_draws(cards) for cards in ((10, 6), (10, 7), (1, 6), (1, 5))] == [True, False, False, True]


def test_every_pair_of_totals_pays_by_the_table() -> None:
    players = (*range(4, 22), bj.BUST, bj.BLACKJACK)
    dealers = (*range(17, 22), bj.BUST, bj.BLACKJACK)
    for player, dealer in itertools.product(players, dealers):
        if player == bj.BUST:
            expected = 0
        elif player == bj.BLACKJACK:
            expected = 2 if dealer == bj.BLACKJACK else 5
        elif dealer == bj.BUST:
            expected = 4
        else:
            expected = 4 if player > dealer else 2 if player == dealer else 0
        assert bj.gross(player, dealer) == expected


def test_twenty_one_in_three_cards_loses_to_a_blackjack() -> None:
    assert bj.payout_minor(100, [Hand((7, 7, 7))], Hand((1, 10))) == 0


def test_three_to_two_is_rounded_down() -> None:
    assert bj.payout_minor(15, [Hand((1, 10))], DEALER_19) == 37
    assert bj.payout_minor(1, [Hand((1, 10))], DEALER_19) == 2


def test_a_double_takes_one_card_and_two_stakes() -> None:
    (hand,) = bj.decide(bj.deal((5, 6)), [Decision.DOUBLE], (9, 9))
    assert (hand.cards, hand.stakes, hand.done) == ((5, 6, 9), 2, True)
    assert bj.payout_minor(100, [hand], DEALER_19) == 400


def test_a_split_makes_two_hands_of_which_each_gets_a_card_of_its_own() -> None:
    hands = bj.decide(bj.deal((8, 8)), [Decision.SPLIT], (3, 10))
    assert [hand.cards for hand in hands] == [(8, 3), (8, 10)]
    assert [bj.allowed(hands, which) for which in (0, 1)] == [{Decision.STAND, Decision.HIT}] * 2
    hands = bj.decide(hands, [Decision.HIT, Decision.STAND], (10, 5))
    assert bj.payout_minor(100, hands, DEALER_19) == 200  # 21 wins, 18 loses


def test_split_aces_get_one_card_each_and_are_no_blackjack() -> None:
    hands = bj.decide(bj.deal((1, 1)), [Decision.SPLIT], (10, 5))
    assert all(hand.done for hand in hands)
    assert bj.payout_minor(100, hands, DEALER_19) == 200


def test_a_decision_that_is_not_allowed_is_played_as_if_none_had_come() -> None:
    unequal = bj.deal((8, 9))
    assert bj.decide(unequal, [Decision.SPLIT], (3, 3)) == bj.decide(unequal, [None], (3, 3))
    three = bj.decide(bj.deal((2, 3)), [Decision.HIT], (4, 4))
    assert bj.decide(three, [Decision.DOUBLE], (4, 4))[0].stakes == 1


def test_a_hand_that_is_done_takes_no_more_cards() -> None:
    stood = bj.decide(bj.deal((10, 4)), [Decision.STAND], (5, 5))
    assert bj.decide(stood, [Decision.HIT], (5, 5)) == stood
    assert bj.allowed(stood, 0) == frozenset()
    assert bj.deal((1, 10))[0].done


def test_six_cards_that_are_no_bust_win_whatever_the_dealer_has() -> None:
    charlie = Hand((2, 2, 2, 3, 3, 3))
    assert bj.payout_minor(100, [charlie], Hand((10, 1), split=True)) == 200
    assert bj.payout_minor(100, [Hand((2, 2, 2, 3, 3, 10))], Hand((10, 6, 10))) == 0


def test_all_seats_start_alike_and_end_as_each_decides() -> None:
    start = bj.deal((10, 2))
    ends = {decision: bj.decide(start, [decision], (9, 9))[0].total for decision in (Decision.STAND, Decision.HIT)}
    assert ends == {Decision.STAND: 12, Decision.HIT: 21}


def test_a_bet_behind_shares_the_fate_of_the_hand_without_further_stakes() -> None:
    doubled = bj.decide(bj.deal((5, 6)), [Decision.DOUBLE], (9, 9))
    assert bj.behind_minor(100, doubled, DEALER_19) == 200
    split = bj.decide(bj.deal((8, 8)), [Decision.SPLIT], (3, 10))
    assert bj.behind_minor(100, split, DEALER_19) == 0
    assert bj.behind_minor(100, bj.deal((1, 10)), DEALER_19) == 250


commons = st.lists(st.tuples(points, points), min_size=bj.DECISION_WINDOWS, max_size=bj.DECISION_WINDOWS)
choices = st.lists(st.sampled_from([None, *Decision]), min_size=bj.DECISION_WINDOWS, max_size=bj.DECISION_WINDOWS)


@given(st.tuples(points, points), commons)
def test_an_absent_player_never_busts_and_puts_up_no_more_money(
    first: tuple[int, int], cards: list[tuple[int, int]]
) -> None:
    (hand,) = bj.complete(bj.deal(first), cards)
    assert hand.done
    assert hand.total != bj.BUST
    assert hand.stakes == 1


@given(st.tuples(points, points), commons, choices)
def test_whoever_leaves_in_mid_round_is_played_to_the_end(
    first: tuple[int, int], cards: list[tuple[int, int]], decisions: list[Decision | None]
) -> None:
    hands = bj.deal(first)
    for window, decision in enumerate(decisions):
        hands = bj.decide(hands, [decision] * len(hands), cards[window])
    assert len(hands) <= 2
    assert sum(hand.stakes for hand in hands) <= 2
    assert all(hand.done and len(hand.cards) <= bj.CHARLIE_CARDS for hand in hands)
    assert bj.payout_minor(100, hands, DEALER_19) <= 400


def test_the_dealer_ends_as_published() -> None:
    """https://www.casinocitytimes.com/alan-krigman/article/how-confident-are-you-of-winning-at-blackjack-with-a-20-5518
    and https://www.gamingtoday.com/poker/article/4179-Winning_hands (per cent)."""
    totals: Counter[int] = Counter()
    for outcome, chance in table.chances():
        totals[table.totals_of(outcome)[1]] += chance
    published = {20: 18.0, 21: 7.3, bj.BLACKJACK: 4.7, bj.BUST: 28.2}
    assert {total: round(100 * float(totals[total]), 1) for total in published} == published


def test_the_best_play_returns_the_published_share() -> None:
    assert round(100 * best_return(), 2) == 99.47


def test_a_table_without_decisions_plays_every_seat_as_absent_players_are() -> None:
    for k in range(200):
        hand, dealer = table.cards_of(k.to_bytes(32), [b"h"])
        outcome = table.draw(k.to_bytes(32), [b"h"])
        paid = bj.payout_minor(100, [hand], dealer)
        assert table.odds(outcome).tolist() == [paid // 50] * 2
        assert bj.behind_minor(100, [hand], dealer) == paid


def test_absent_players_get_back_what_never_busting_is_known_to_give() -> None:
    """Never busting costs "nearly 4 %" (https://casinogametip.com/never-bust-blackjack.php) with doubles and splits,
    which are worth 1.6 and 0.4 % (gamingtoday.com, as above) and which nobody makes for somebody else."""
    seat, behind = table.BLACKJACK.returns()
    assert seat == behind
    assert 100 * float(seat) == pytest.approx(100 - 4.0 - 2.0, abs=0.1)


def test_an_outcome_names_both_totals() -> None:
    assert table.describe(table.outcome_of(19, bj.BUST)) == "players 19, dealer bust"
    assert table.describe(table.outcome_of(table.CHARLIE, 20)) == "players six-card Charlie, dealer 20"
