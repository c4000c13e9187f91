"""Baccarat against the published number of combinations and the drawing rules."""

import itertools
from collections import Counter

import numpy as np
import pytest

from reference_impl.domain.games import baccarat as b
from reference_impl.domain.games.cards import SHOE_CARDS, Shoe
from reference_impl.domain.games.outcome import Draws

PUBLISHED_ORDERS = {"banker": 2_292_252_566_437_888, "player": 2_230_518_282_592_256, "tie": 475_627_426_473_216}
PUBLISHED_RETURNS = {"player": 98.76, "banker": 98.94, "tie": 85.64, "player_pair": 89.64, "banker_pair": 89.64}


def test_eight_decks_give_the_published_numbers_of_orders_exactly() -> None:
    orders: Counter[str] = Counter()
    for points, count in b._points():
        coup = b.Coup(*(point or 0 for point in points))
        names = {True: "player", False: "banker"}
        tie = coup.player_total == coup.banker_total
        orders["tie" if tie else names[coup.player_total > coup.banker_total]] += count
    assert orders == PUBLISHED_ORDERS


def test_every_bet_returns_the_published_share() -> None:
    returns = [round(100 * float(share), 2) for share in b.BACCARAT.returns()]
    assert dict(zip((spot.name for spot in b.SPOTS), returns, strict=True)) == PUBLISHED_RETURNS


def by_the_book(player_1: int, player_2: int, banker_1: int, banker_2: int, third: int, fourth: int) -> tuple[int, int]:
    """The rules once more, as a casino prints them: points of six cards to both totals."""
    player, banker = (player_1 + player_2) % 10, (banker_1 + banker_2) % 10
    if player in (8, 9) or banker in (8, 9):
        return player, banker
    if player in (6, 7):
        return player, (banker + third) % 10 if banker <= 5 else banker
    final = (player + third) % 10
    draws = {
        0: "0123456789", 1: "0123456789", 2: "0123456789", 3: "012345679", 4: "234567", 5: "4567", 6: "67", 7: "",
    }[banker]  # fmt: skip
    return final, (banker + fourth) % 10 if str(third) in draws else banker


def test_every_deal_of_points_follows_the_printed_table() -> None:
    """All 10⁴ first deals with all third cards, against a second reading of the rules."""
    for first in itertools.product(range(10), repeat=4):
        player, banker = b.total(*first[:2]), b.total(*first[2:])
        drew = b.player_draws(player, banker)
        for third in range(10) if drew else (0,):
            more = b.banker_draws(player, banker, third if drew else None)
            cards = [point or 10 for point in first] + [(third or 10) if drew else 0]
            for fourth in (0, 7):
                last = (fourth or 10) if more else 0
                coup = b.Coup(*cards, last)
                book = by_the_book(*first, third, fourth) if drew else by_the_book(*first, fourth, 0)
                assert (coup.player_total, coup.banker_total) == book
                assert b.coup_of(b.outcome_of(coup)) == coup


def paid(coup: b.Coup, stake: int = 100) -> list[int]:
    spots = np.arange(len(b.SPOTS))
    return b.BACCARAT.payouts_minor(spots, np.full(len(spots), stake), b.outcome_of(coup)).tolist()


def test_a_win_of_the_banker_pays_less_commission() -> None:
    assert paid(b.Coup(2, 5, 4, 4)) == [0, 195, 0, 0, 1200]
    assert paid(b.Coup(2, 5, 3, 5)) == [0, 195, 0, 0, 0]


def test_the_commission_is_rounded_up_to_the_minor_unit() -> None:
    assert paid(b.Coup(2, 5, 3, 5), stake=1)[1] == 1
    assert paid(b.Coup(2, 5, 3, 5), stake=19)[1] == 37  # 19 + 18.05


def test_a_tie_pays_eight_to_one_and_returns_both_sides() -> None:
    assert paid(b.Coup(3, 6, 4, 5)) == [100, 100, 900, 0, 0]


def test_a_pair_is_two_cards_of_one_rank_not_of_equal_points() -> None:
    assert paid(b.Coup(13, 13, 12, 9)) == [0, 195, 0, 1200, 0]
    assert paid(b.Coup(13, 12, 12, 9)) == [0, 195, 0, 0, 0]
    assert paid(b.Coup(4, 5, 11, 11)) == [200, 0, 0, 0, 1200]


@pytest.mark.parametrize(
    "coup",
    [
        b.Coup(4, 5, 2, 3, 1, 0),  # a third card after a natural
        b.Coup(1, 1, 2, 3, 0, 0),  # no third card on two
        b.Coup(1, 1, 10, 7, 5, 5),  # the banker draws on seven
        b.Coup(0, 1, 10, 7, 5, 0),  # a first card is missing
        b.Coup(3, 4, 1, 1, 0, 0),  # the banker must draw on two
    ],
)
def test_cards_that_the_rules_do_not_deal_are_no_outcome(coup: b.Coup) -> None:
    with pytest.raises(ValueError, match=f"{b.outcome_of(coup)} is no outcome"):
        b.odds(b.outcome_of(coup))


def test_a_shoe_deals_every_card_once() -> None:
    shoe = Shoe(Draws(b"key"))
    dealt = Counter(shoe.deal() for _ in range(SHOE_CARDS))
    assert dealt == dict.fromkeys(range(52), 8)


def test_an_outcome_names_winner_totals_and_cards() -> None:
    coup = b.Coup(13, 1, 5, 10, 2, 0)
    assert b.describe(b.outcome_of(coup)) == "banker, player 3 (K A 2), banker 5 (5 10)"
