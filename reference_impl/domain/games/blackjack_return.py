"""What blackjack returns: to who decides as well as can be, or by any rule, in a fresh shoe of eight decks.

Computed by backward induction over the cards that a hand can consist of, with every probability taken from the cards
that are left: no total stands for its hands, and the shoe is not endless. What is averaged is the gross return on first
stakes, with what a double adds won or lost on top. All that is rounded are floats, by less than 1e-9.

The rules are those of :mod:`.blackjack`. Two things hold the method, and are tested: with :func:`.blackjack.auto` for a
rule it gives the figure that :func:`.blackjack_table.chances` enumerates in fractions, by another way of counting; and
what a long run of dealt rounds returns lies around it.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from math import perm
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.blackjack import Decision
from reference_impl.domain.games.blackjack_table import bags
from reference_impl.domain.games.cards import CARDS_A_RANK, SHOE_CARDS

Floats: TypeAlias = npt.NDArray[np.float64]
Cards: TypeAlias = tuple[int, ...]
Rule: TypeAlias = Callable[[Sequence[int], int], Decision]
"""What to do with a hand against the dealer's first card, by points."""

POINTS = range(bj.ACE, bj.TEN + 1)
FULL = np.array([0, *[CARDS_A_RANK] * 9, 4 * CARDS_A_RANK])
"""Cards of 0 to 10 points in a fresh shoe."""
TOTALS = range(bj.CHARLIE + 1)


def return_of(rule: Rule | None) -> float:
    """Return the expected gross return per first stake; without a rule, that of the best decision for each hand."""
    total = 0.0
    for up in POINTS:
        values = _Against(up, rule)
        for first, second in itertools.product(POINTS, POINTS):
            total += _chance_of((first, second, up)) * values.first_two(tuple(sorted((first, second))))
    return 1 + total


def _chance_of(cards: Cards) -> float:
    """Return how likely these cards come in this order from a fresh shoe."""
    left, chance = FULL.copy(), 1.0
    for number, card in enumerate(cards):
        chance *= left[card] / (SHOE_CARDS - number)
        left[card] -= 1
    return chance


class _Against:
    """What hands win on average against one first card of the dealer's.

    Parameters
    ----------
    up : int
        Its points.
    rule : callable or None
        How hands are played.
    """

    def __init__(self, up: int, rule: Rule | None) -> None:
        self._up = up
        self._rule = rule
        self._stand = dict(zip(_hands(), _stand_values(up), strict=True))
        self._best: dict[Cards, float] = {}
        # Points of the card that would make a blackjack of the dealer's first; none that there is, if none would.
        self._natural = {bj.ACE: bj.TEN, bj.TEN: bj.ACE}.get(up, 0)

    def first_two(self, hand: Cards) -> float:
        """Return what two cards win, the dealer's blackjack included."""
        left = self._left(hand)
        natural = left[self._natural] / left.sum()
        beaten = bj.gross(bj.total(hand), bj.BLACKJACK) / bj.PER - 1
        return float(natural * beaten + (1 - natural) * self._played(hand))

    def _left(self, hand: Cards) -> npt.NDArray[np.int64]:
        left: npt.NDArray[np.int64] = FULL - np.bincount((*hand, self._up), minlength=len(FULL))
        return left

    def _played(self, hand: Cards) -> float:
        """Return what a hand wins once it is known that the dealer has no blackjack."""
        if hand not in self._best:
            self._best[hand] = self._decided(hand)
        return self._best[hand]

    def _decided(self, hand: Cards) -> float:
        if bj.total(hand) == bj.BUST:
            return -1.0
        if not bj.may_draw(hand):
            return self._stand[hand]
        if self._rule is not None:
            return self._by(self._rule(hand, self._up), hand)
        doubles = [Decision.DOUBLE] if len(hand) == bj.FIRST_CARDS else []
        return max(self._by(decision, hand) for decision in (Decision.STAND, Decision.HIT, *doubles))

    def _by(self, decision: Decision, hand: Cards) -> float:
        if decision is Decision.STAND:
            return self._stand[hand]
        if decision is Decision.HIT:
            return self._drawn(hand, self._played)
        return 2 * self._drawn(hand, self._stood)

    def _stood(self, hand: Cards) -> float:
        return self._stand[hand] if bj.total(hand) != bj.BUST else -1.0

    def _drawn(self, hand: Cards, then: Callable[[Cards], float]) -> float:
        left = self._left(hand)
        n = left.sum()
        # The next card, given that the dealer's second is not the one that makes a blackjack.
        naturals = left[self._natural] - (np.arange(len(FULL)) == self._natural)
        chance = left * (n - 1 - np.where(self._natural, naturals, 0)) / (n * (n - 1))
        chance /= chance.sum()
        return float(sum(chance[card] * then(tuple(sorted((*hand, card)))) for card in POINTS))


@cache
def _hands() -> list[Cards]:
    """Return all hands that are no bust, as bags of cards."""
    return [
        hand
        for n in range(bj.FIRST_CARDS, bj.CHARLIE_CARDS + 1)
        for hand in itertools.combinations_with_replacement(POINTS, n)
        if bj.total(hand) != bj.BUST
    ]


def _stand_values(up: int) -> list[float]:
    """Return what each hand wins by standing, given that the dealer has no blackjack."""
    ends = [(total, bag, orders) for (total, bag), orders in bags(dealer=True, first=(up,)).items()]
    ends = [end for end in ends if end[0] != bj.BLACKJACK]
    counts = np.array([bag for _, bag, _ in ends])
    orders = np.array([number for _, _, number in ends], dtype=np.float64)
    ways = np.array([[perm(n, k) for k in range(counts.max() + 1)] for n in range(FULL.max() + 1)], dtype=np.float64)
    left = np.array([FULL - np.bincount((*hand, up), minlength=len(FULL)) for hand in _hands()])
    chance: Floats = np.broadcast_to(orders, (len(left), len(ends))).copy()
    for card in POINTS:
        chance *= ways[left[:, card, None], counts[None, :, card]]
    drawn = counts.sum(axis=1)
    n = left.sum(axis=1)
    chance /= np.array([[float(perm(int(m), int(k))) for k in range(drawn.max() + 1)] for m in n])[:, drawn]
    players = [bj.total(hand) for hand in _hands()]
    won = np.array([[bj.gross(player, dealer) / bj.PER - 1 for dealer in TOTALS] for player in TOTALS])
    wins = won[np.ix_(players, [total for total, _, _ in ends])]
    values: list[float] = ((chance * wins).sum(axis=1) / chance.sum(axis=1)).tolist()
    return values
