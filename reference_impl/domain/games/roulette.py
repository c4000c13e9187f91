"""European roulette: one zero, 37 pockets, the standard inside and outside bets.

A bet names a *spot* by its code. ``GROSS[spot, pocket]`` is the gross return per unit staked, stake included, so a
payout is one multiplication. A spot that covers ``n`` numbers returns ``36 / n``; for all of them the expected return
is 36/37, the published 97.30 %.

References
----------
Payouts: the standard European table, 35:1 straight to 1:1 even chances; the published return to player is 97.30 %.
"""

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

POCKETS = 37
RED = frozenset({1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36})
WHEEL = (
    0, 32, 15, 19, 4, 21, 2, 25, 17, 34, 6, 27, 13, 36, 11, 30, 8, 23, 10,
    5, 24, 16, 33, 1, 20, 14, 31, 9, 22, 18, 29, 7, 28, 12, 35, 3, 26,
)  # fmt: skip
"""Pockets in their order around a single-zero wheel."""


class Spot(NamedTuple):
    """A place on the layout: its name and the pockets that it covers."""

    name: str
    numbers: frozenset[int]

    @property
    def gross(self) -> int:
        """Gross return per unit staked when the spot wins."""
        return 36 // len(self.numbers)


def _layout() -> tuple[Spot, ...]:
    def spot(name: str, *numbers: int) -> Spot:
        return Spot(name, frozenset(numbers))

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
        spot("red", *RED),
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

GROSS: npt.NDArray[np.int64] = np.array(
    [[spot.gross if pocket in spot.numbers else 0 for pocket in range(POCKETS)] for spot in SPOTS],
    dtype=np.int64,
)
"""Gross return per unit staked, shape ``(len(SPOTS), POCKETS)``."""


def payouts_minor(
    selections: npt.NDArray[np.int64], stakes_minor: npt.NDArray[np.int64], outcome: int
) -> npt.NDArray[np.int64]:
    """Return the gross payout of each bet for the winning pocket.

    Parameters
    ----------
    selections : array of int, shape (n,)
        Spot codes, indices into :data:`SPOTS`.
    stakes_minor : array of int, shape (n,)
        Stakes in minor units.
    outcome : int
        The winning pocket, 0 to 36.

    Returns
    -------
    array of int64, shape (n,)
        Payouts in minor units, stake included; 0 for losing bets.

    Raises
    ------
    IndexError
        If a selection or the outcome is not on the layout.
    """
    gross: npt.NDArray[np.int64] = GROSS[selections, outcome]
    return gross * stakes_minor


def return_to_player(selection: int) -> float:
    """Return the expected gross return per unit staked on a spot, in [0, 1]."""
    return float(GROSS[selection].sum()) / POCKETS
