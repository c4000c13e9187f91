"""What European roulette pays, from its published odds: written a second time, on purpose.

The lab writes no rule twice. This is the exception: a check that computes payouts with the table by which they were
paid can never find that table wrong. So nothing here looks at the product's numbers or payouts. From the product comes
only what a bet *is*, the name of its spot, and the name says which numbers are meant, as the layout in any casino does.

References
----------
Odds: 35, 17, 11, 8, 5, 2 and 1 to 1 for 1, 2, 3, 4, 6, 12 and 18 numbers, https://wizardofodds.com/games/roulette/basics/.
Colours: red are the odd numbers of 1-10 and 19-28 and the even ones of 11-18 and 29-36, as on the wheel.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

ODDS_TO_ONE = {1: 35, 2: 17, 3: 11, 4: 8, 6: 5, 12: 2, 18: 1}
NUMBERS = 37


def covered(spot: str) -> frozenset[int]:
    """Return the numbers that a spot of this name covers.

    Raises
    ------
    KeyError
        If there is no such spot.
    """
    name, _, place = spot.partition(":")
    return frozenset(_LAYOUT[name](place))


def gross_return(spot: str) -> list[int]:
    """Return what one unit on a spot returns, stake included, for each of the 37 numbers."""
    numbers = covered(spot)
    return [(ODDS_TO_ONE[len(numbers)] + 1) * (number in numbers) for number in range(NUMBERS)]


def table_of_returns(spots: list[str]) -> npt.NDArray[np.int64]:
    """Return what one unit returns, shape ``(len(spots), 37)``."""
    return np.array([gross_return(spot) for spot in spots], dtype=np.int64)


def _red(number: int) -> bool:
    return number > 0 and (number % 2 == 1) == (number <= 10 or 19 <= number <= 28)


def _run(first: str, count: int) -> range:
    return range(int(first), int(first) + count)


def _where(wanted: Callable[[int], bool]) -> Callable[[str], list[int]]:
    return lambda _place: [number for number in range(1, NUMBERS) if wanted(number)]


def _listed(place: str) -> list[int]:
    return [int(number) for number in place.split("-")]


_LAYOUT: dict[str, Callable[[str], list[int] | range]] = {
    "straight": _listed,
    "split": _listed,
    "trio": _listed,
    "street": lambda first: _run(first, 3),
    "corner": lambda first: [int(first), int(first) + 1, int(first) + 3, int(first) + 4],
    "first_four": lambda _place: _run("0", 4),
    "line": lambda first: _run(first, 6),
    "dozen": lambda which: _run(str(12 * (int(which) - 1) + 1), 12),
    "column": lambda which: range(int(which), NUMBERS, 3),
    "red": _where(_red),
    "black": _where(lambda number: not _red(number)),
    "even": _where(lambda number: number % 2 == 0),
    "odd": _where(lambda number: number % 2 == 1),
    "low": _where(lambda number: number < 19),
    "high": _where(lambda number: number > 18),
}
