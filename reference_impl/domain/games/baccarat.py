"""Baccarat (punto banco): player, banker, tie and two pairs, from a fresh shoe of eight decks.

Player and banker get two cards each. A total of 8 or 9 of either is a *natural* and ends the coup. Otherwise the player
draws on 0 to 5; the banker draws as :data:`BANKER_DRAWS` says, or, if the player stood, on 0 to 5. Player and banker
pay one to one, the banker less 5 % commission, and both are returned at a tie, which pays eight to one. A pair of equal
ranks in the first two cards pays eleven to one.

An outcome is the ranks of player's first, player's second, banker's first, banker's second, player's third and
banker's third card as digits of base 14; 0 is a card that was not drawn.

References
----------
Rules and the third-card table: https://www.livedealer.org/rules/evolution_baccarat_rules.htm. Of all orders in which
six cards can be dealt from eight decks, 2,292,252,566,437,888 are the banker's, 2,230,518,282,592,256 the player's and
475,627,426,473,216 ties: http://www.casinoexploit.com/baccarat.html; so the returns are 98.94 %, 98.76 %, 85.64 %.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from reference_impl.domain.games.cards import CARDS_A_RANK, RANK_NAMES, RANKS, SHOE_CARDS, Shoe, rank_of
from reference_impl.domain.games.game import Game, Int64s, Spot
from reference_impl.domain.games.outcome import Draws

PER = 20
"""Odds in twentieths of the stake: the commission is one of them."""

SPOTS = (
    Spot("player", pays="1:1"),
    Spot("banker", pays="0.95:1"),
    Spot("tie", pays="8:1"),
    Spot("player_pair", pays="11:1"),
    Spot("banker_pair", pays="11:1"),
)
EVEN, LESS_COMMISSION, EIGHT_TO_ONE, ELEVEN_TO_ONE = 2 * PER, 2 * PER - 1, 9 * PER, 12 * PER
RETURNED = PER

NATURAL = 8
PLAYER_DRAWS_MAX = 5
BANKER_DRAWS: dict[int, frozenset[int]] = {
    0: frozenset(range(10)),
    1: frozenset(range(10)),
    2: frozenset(range(10)),
    3: frozenset(range(10)) - {8},
    4: frozenset(range(2, 8)),
    5: frozenset(range(4, 8)),
    6: frozenset({6, 7}),
    7: frozenset(),
}
"""The banker's total, and the points of a player's third card to which the banker draws."""

ORDERS = prod(range(SHOE_CARDS - 5, SHOE_CARDS + 1))
"""In how many orders six cards can come from the shoe."""

_BASE = RANKS + 1
_CACHED_MAX = 4096


class Coup(NamedTuple):
    """The ranks that were dealt, 0 for a third card that was not drawn."""

    player_1: int
    player_2: int
    banker_1: int
    banker_2: int
    player_3: int = 0
    banker_3: int = 0

    @property
    def player_total(self) -> int:
        """The player's points."""
        return total(self.player_1, self.player_2, self.player_3)

    @property
    def banker_total(self) -> int:
        """The banker's points."""
        return total(self.banker_1, self.banker_2, self.banker_3)


def total(*ranks: int) -> int:
    """Return the points of cards: aces one, tens and pictures nothing, only the last digit counts."""
    return sum(rank for rank in ranks if rank < 10) % 10


def player_draws(player: int, banker: int) -> bool:
    """Tell whether the player takes a third card, by both totals of two cards."""
    return max(player, banker) < NATURAL and player <= PLAYER_DRAWS_MAX


def banker_draws(player: int, banker: int, player_third: int | None) -> bool:
    """Tell whether the banker takes a third card; `player_third` is the points of the player's, if it took one."""
    if max(player, banker) >= NATURAL:
        return False
    if player_third is None:
        return banker <= PLAYER_DRAWS_MAX
    return player_third in BANKER_DRAWS[banker]


def outcome_of(coup: Coup) -> int:
    """Return the outcome that stands for these cards."""
    code = 0
    for rank in coup:
        code = code * _BASE + rank
    return code


def coup_of(outcome: int) -> Coup:
    """Return the cards of an outcome; the reverse of :func:`outcome_of`.

    Raises
    ------
    ValueError
        If these are no cards, or more or fewer than the rules let be drawn.
    """
    coup = Coup(*(outcome // _BASE**place % _BASE for place in range(5, -1, -1)))
    if not 0 <= outcome < _BASE**6 or 0 in coup[:4] or not _is_legal(coup):
        raise ValueError(f"{outcome} is no outcome of baccarat")
    return coup


def draw(seed: bytes, heads: Sequence[bytes]) -> int:
    """Deal a coup."""
    shoe = Shoe(Draws.of_round(seed, heads))

    def deal() -> int:
        return rank_of(shoe.deal())

    player_1, banker_1, player_2, banker_2 = (deal() for _ in range(4))
    player, banker = total(player_1, player_2), total(banker_1, banker_2)
    player_3 = deal() if player_draws(player, banker) else 0
    banker_3 = deal() if banker_draws(player, banker, total(player_3) if player_3 else None) else 0
    return outcome_of(Coup(player_1, player_2, banker_1, banker_2, player_3, banker_3))


@lru_cache(_CACHED_MAX)
def odds(outcome: int) -> Int64s:
    """Return the gross odds of every spot, in twentieths of the stake."""
    coup = coup_of(outcome)
    player, banker = coup.player_total, coup.banker_total
    tie = player == banker
    return np.array(
        [
            RETURNED if tie else EVEN * (player > banker),
            RETURNED if tie else LESS_COMMISSION * (banker > player),
            EIGHT_TO_ONE * tie,
            ELEVEN_TO_ONE * (coup.player_1 == coup.player_2),
            ELEVEN_TO_ONE * (coup.banker_1 == coup.banker_2),
        ],
        dtype=np.int64,
    )


def describe(outcome: int) -> str:
    """Return who won, both totals and the cards."""
    coup = coup_of(outcome)
    player, banker = coup.player_total, coup.banker_total
    winner = "tie" if player == banker else "player" if player > banker else "banker"
    hands = [(coup.player_1, coup.player_2, coup.player_3), (coup.banker_1, coup.banker_2, coup.banker_3)]
    cards = [" ".join(RANK_NAMES[rank] for rank in hand if rank) for hand in hands]
    return f"{winner}, player {player} ({cards[0]}), banker {banker} ({cards[1]})"


@cache
def _classes() -> dict[tuple[bool, ...], tuple[Coup, int]]:
    """Return, for each class of coups that pay alike, one of them, and in how many orders six cards make it.

    Cards are told apart by points only; what depends on ranks is whether two cards of no points are a pair.
    """
    classes: dict[tuple[bool, ...], tuple[Coup, int]] = {}
    for points, orders in _points():
        coup = Coup(*(0 if point is None else point or 10 for point in points))
        player, banker = coup.player_total, coup.banker_total
        alike = (
            player > banker, player < banker, coup.player_1 == coup.player_2, coup.banker_1 == coup.banker_2,
            coup.player_1 == coup.player_2 == 10, coup.banker_1 == coup.banker_2 == 10,
        )  # fmt: skip
        classes[alike] = (coup, classes.get(alike, (coup, 0))[1] + orders)
    return classes


def chances() -> Iterator[tuple[int, Fraction]]:
    """Yield one coup for each class of coups that pay alike."""
    for coup, orders in _classes().values():
        for player_2, player_share in _second_ranks(coup.player_1, coup.player_2):
            for banker_2, banker_share in _second_ranks(coup.banker_1, coup.banker_2):
                dealt = coup._replace(player_2=player_2, banker_2=banker_2)
                yield outcome_of(dealt), Fraction(orders, ORDERS) * player_share * banker_share


def _is_legal(coup: Coup) -> bool:
    player, banker = total(coup.player_1, coup.player_2), total(coup.banker_1, coup.banker_2)
    drew = player_draws(player, banker)
    third = total(coup.player_3) if drew else None
    return drew == (coup.player_3 > 0) and banker_draws(player, banker, third) == (coup.banker_3 > 0)


def _points() -> Iterator[tuple[tuple[int | None, ...], int]]:
    """Yield the points of every coup, and in how many of :data:`ORDERS` six cards make it."""
    left = [4 * CARDS_A_RANK, *[CARDS_A_RANK] * 9]

    def card(orders: int) -> Iterator[tuple[int, int]]:
        for point in range(10):
            ways = left[point]
            left[point] -= 1
            yield point, orders * ways
            left[point] += 1

    def third(orders: int, left_over: int, *, drawn: bool) -> Iterator[tuple[int | None, int]]:
        return card(orders) if drawn else iter([(None, orders * left_over)])

    for p1, n1 in card(1):
        for p2, n2 in card(n1):
            for b1, n3 in card(n2):
                for b2, n4 in card(n3):
                    player, banker = total(p1, p2), total(b1, b2)
                    for p3, n5 in third(n4, SHOE_CARDS - 5, drawn=player_draws(player, banker)):
                        undrawn = SHOE_CARDS - (4 if p3 is None else 5)
                        for b3, n6 in third(n5, undrawn, drawn=banker_draws(player, banker, p3)):
                            yield (p1, p2, b1, b2, p3, b3), n6


def _second_ranks(first: int, second: int) -> list[tuple[int, Fraction]]:
    """Return which rank a hand's second card may have, given the points of both, and how likely."""
    if not first == second == 10:
        return [(second, Fraction(1))]
    pair = Fraction(CARDS_A_RANK - 1, 4 * CARDS_A_RANK - 1)
    return [(10, pair), (11, 1 - pair)]


BACCARAT = Game("baccarat", SPOTS, PER, draw, odds, describe, chances)
