"""European roulette: one zero, 37 pockets, the standard inside, outside and announced bets.

A bet names a *spot* by its code. ``GROSS[spot, pocket]`` is the gross return per unit staked, stake included, so a
payout is one multiplication. A spot that covers ``n`` numbers returns ``36 / n``; for all of them the expected return
is 36/37, the published 97.30 %. An announced bet is several chips on standard spots, nothing else.

References
----------
Payouts: the standard European table, 35:1 straight to 1:1 even chances; the published return to player is 97.30 %.
Announced bets: https://beatablegames.com/roulette/regole-della-roulette-1 lists where their chips lie.
"""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from reference_impl.domain.games.game import Game, Int64s, Spot
from reference_impl.domain.games.outcome import seeded_outcome

POCKETS = 37
RED = frozenset({1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36})
WHEEL = (
    0, 32, 15, 19, 4, 21, 2, 25, 17, 34, 6, 27, 13, 36, 11, 30, 8, 23, 10,
    5, 24, 16, 33, 1, 20, 14, 31, 9, 22, 18, 29, 7, 28, 12, 35, 3, 26,
)  # fmt: skip
"""Pockets in their order around a single-zero wheel."""


def _layout() -> tuple[Spot, ...]:
    def spot(name: str, *numbers: int) -> Spot:
        return Spot(name, numbers, 36 // len(numbers), f"{36 // len(numbers) - 1}:1")

    inside = [spot(f"straight:{n}", n) for n in range(POCKETS)]
    streets = [tuple(range(first, first + 3)) for first in range(1, 37, 3)]
    splits = [(0, n) for n in (1, 2, 3)]
    splits += [(a, a + 1) for street in streets for a in street[:2]]
    splits += [(n, n + 3) for n in range(1, 34)]
    inside += [spot(f"split:{a}-{b}", a, b) for a, b in splits]
    inside += [spot(f"street:{s[0]}", *s) for s in streets]
    inside += [spot("trio:0-1-2", 0, 1, 2), spot("trio:0-2-3", 0, 2, 3)]
    corners = [a for street in streets[:-1] for a in street[:2]]
    inside += [spot(f"corner:{a}", a, a + 1, a + 3, a + 4) for a in corners]
    inside += [spot("first_four", 0, 1, 2, 3)]
    inside += [spot(f"line:{s[0]}", *s, *t) for s, t in itertools.pairwise(streets)]
    numbers = range(1, POCKETS)
    outside = [spot(f"dozen:{d}", *range(12 * d - 11, 12 * d + 1)) for d in (1, 2, 3)]
    outside += [spot(f"column:{c}", *range(c, POCKETS, 3)) for c in (1, 2, 3)]
    outside += [
        spot("red", *sorted(RED)),
        spot("black", *(n for n in numbers if n not in RED)),
        spot("even", *(n for n in numbers if n % 2 == 0)),
        spot("odd", *(n for n in numbers if n % 2)),
        spot("low", *range(1, 19)),
        spot("high", *range(19, 37)),
    ]
    return tuple(inside + outside)


SPOTS = _layout()
"""All spots; a bet's selection is an index into this tuple."""

SPOT_CODE = {spot.name: code for code, spot in enumerate(SPOTS)}

GROSS: Int64s = np.array(
    [[spot.gross if pocket in spot.numbers else 0 for pocket in range(POCKETS)] for spot in SPOTS],
    dtype=np.int64,
)
"""Gross return per unit staked, shape ``(len(SPOTS), POCKETS)``."""

ANNOUNCED: dict[str, tuple[tuple[str, int], ...]] = {
    "voisins": (
        ("trio:0-2-3", 2), ("split:4-7", 1), ("split:12-15", 1), ("split:18-21", 1), ("split:19-22", 1),
        ("corner:25", 2), ("split:32-35", 1),
    ),
    "tiers": tuple((f"split:{pair}", 1) for pair in ("5-8", "10-11", "13-16", "23-24", "27-30", "33-36")),
    "orphelins": (("straight:1", 1), *((f"split:{pair}", 1) for pair in ("6-9", "14-17", "17-20", "31-34"))),
    "jeu_zero": (("split:0-3", 1), ("split:12-15", 1), ("split:32-35", 1), ("straight:26", 1)),
}  # fmt: skip
"""Announced bets: the spots that they cover, and how many chips lie on each."""

NEIGHBOURS = 2
"""A neighbours bet covers a number and so many pockets of the wheel on either side."""


def announced(name: str, chip_minor: int) -> list[tuple[int, int]]:
    """Return an announced bet as ``(selection, stake)`` of the standard bets that it is made of.

    Parameters
    ----------
    name : str
        A key of :data:`ANNOUNCED`, or ``neighbours:N`` for a pocket `N` and its neighbours on the wheel.
    chip_minor : int
        What one chip is worth, in minor units.

    Raises
    ------
    KeyError
        If there is no such announced bet.
    """
    return [(SPOT_CODE[spot], chips * chip_minor) for spot, chips in _chips(name)]


def _chips(name: str) -> Sequence[tuple[str, int]]:
    kind, _, number = name.partition(":")
    if kind != "neighbours":
        return ANNOUNCED[name]
    if number not in map(str, range(POCKETS)):
        raise KeyError(f"{name!r} names no pocket; pockets are 0 to {POCKETS - 1}")
    middle = WHEEL.index(int(number))
    places = range(middle - NEIGHBOURS, middle + NEIGHBOURS + 1)
    return [(f"straight:{WHEEL[place % POCKETS]}", 1) for place in places]


def draw(seed: bytes, heads: Sequence[bytes]) -> int:
    """Return the winning pocket."""
    return seeded_outcome(seed, heads, POCKETS)


def odds(outcome: int) -> Int64s:
    """Return the gross odds of every spot for the winning pocket."""
    if not 0 <= outcome < POCKETS:
        raise ValueError(f"roulette has pockets 0 to {POCKETS - 1}, got {outcome}")
    column: Int64s = GROSS[:, outcome]
    return column


def describe(outcome: int) -> str:
    """Return the pocket and its colour."""
    return f"{outcome} {'green' if outcome == 0 else 'red' if outcome in RED else 'black'}"


def chances() -> Iterator[tuple[int, Fraction]]:
    """Yield every pocket."""
    for pocket in range(POCKETS):
        yield pocket, Fraction(1, POCKETS)


ROULETTE = Game("roulette", SPOTS, 1, draw, odds, describe, chances)
