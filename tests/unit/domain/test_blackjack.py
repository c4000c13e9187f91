"""Blackjack: hands, decisions, and seats that nobody plays."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.blackjack import Decision, Line

points = st.integers(1, 10)
hands = st.lists(points, min_size=bj.CHARLIE_CARDS, max_size=bj.CHARLIE_CARDS)


@pytest.mark.parametrize(
    ("cards", "total", "soft"),
    [((1, 10), 21, True), ((1, 1), 12, True), ((1, 1, 10), 12, False), ((10, 6, 1), 17, False), ((1, 6), 17, True),
     ((10, 10, 2), bj.BUST, False), ((1, 5, 5), 21, True), ((9, 9, 9), bj.BUST, False)],
)  # fmt: skip
def test_an_ace_counts_eleven_as_long_as_that_fits(cards: tuple[int, ...], total: int, soft: bool) -> None:
    assert bj.value(cards) == (total, soft)


def test_only_the_first_two_cards_make_a_blackjack() -> None:
    assert bj.total((1, 10)) == bj.BLACKJACK
    assert bj.total((5, 6, 10)) == 21


def test_six_cards_that_are_no_bust_win_whatever_the_dealer_has() -> None:
    assert bj.total((2, 2, 2, 3, 3, 3)) == bj.CHARLIE
    assert bj.total((2, 2, 2, 3, 3, 10)) == bj.BUST
    assert bj.gross(bj.CHARLIE, 21) == 2 * bj.PER
    assert bj.dealer_total((2, 2, 2, 3, 3, 5)) == 17  # the dealer has no Charlie


def test_pictures_count_ten() -> None:
    assert [bj.points(rank) for rank in (1, 2, 9, 10, 11, 12, 13)] == [1, 2, 9, 10, 10, 10, 10]


def test_the_dealer_stands_on_every_seventeen() -> None:
    assert [bj.dealer_draws(cards) for cards in ((10, 6), (10, 7), (1, 6), (1, 5))] == [True, False, False, True]


def test_every_pair_of_totals_pays_by_the_table() -> None:
    players = (*range(4, 22), bj.BUST, bj.BLACKJACK, bj.CHARLIE)
    dealers = (*range(17, 22), bj.BUST, bj.BLACKJACK)
    for player, dealer in itertools.product(players, dealers):
        if player == bj.BUST:
            expected = 0
        elif player == bj.BLACKJACK:
            expected = 2 if dealer == bj.BLACKJACK else 5
        elif bj.BUST in (player, dealer) or player == bj.CHARLIE:
            expected = 4
        else:
            expected = 4 if player > dealer else 2 if player == dealer else 0
        assert bj.gross(player, dealer) == expected


def test_all_seats_hold_one_hand_and_leave_it_as_each_decides() -> None:
    shared = (10, 2, 3, 9)
    assert bj.line(shared, {1: Decision.STAND}, 2) == Line(0, still_in=False)
    assert bj.line(shared, {1: Decision.HIT, 2: Decision.STAND}, 2) == Line(1, still_in=False)
    assert bj.line(shared, {1: Decision.HIT, 2: Decision.HIT}, 2) == Line(2, still_in=False)
    assert bj.line(shared, {1: Decision.DOUBLE, 2: Decision.HIT}, 2) == Line(1, still_in=False, doubled=True)
    assert bj.line(shared, {1: Decision.HIT}, 1) == Line(1, still_in=True)


def test_whoever_left_a_hand_cannot_come_back_to_it() -> None:
    assert bj.line((2, 3, 4, 5), {1: Decision.STAND, 2: Decision.HIT}, 2).taken == 0


def test_who_decides_in_some_windows_only_is_played_in_the_others() -> None:
    assert bj.line((2, 3, 4, 10), {2: Decision.STAND}, 2).taken == 1  # 5 draws by itself, 9 is stood on
    assert bj.line((2, 3, 4, 10), {2: Decision.HIT}, 2).taken == 2


@given(hands)
def test_an_absent_player_never_busts_and_puts_up_no_more_money(shared: list[int]) -> None:
    line = bj.line(shared, {}, bj.DECISION_WINDOWS)
    assert bj.total(shared[: bj.FIRST_CARDS + line.taken]) != bj.BUST
    assert not line.doubled
    assert not line.still_in


@given(hands, st.dictionaries(st.integers(1, 4), st.sampled_from(Decision)), st.integers(0, 4))
def test_every_line_follows_the_decisions_window_by_window(
    shared: list[int], decisions: dict[int, Decision], windows: int
) -> None:
    line = bj.line(shared, decisions, windows)
    assert line.taken <= windows
    for window in range(1, line.taken + 1):
        hand = shared[: bj.FIRST_CARDS + window - 1]
        assert bj.may_draw(hand)
        assert decisions.get(window, bj.auto(hand)) is not Decision.STAND
    if line.still_in:
        assert line.taken == windows
    if windows and not line.still_in:
        assert bj.line(shared, decisions, bj.DECISION_WINDOWS) == line
