"""A money wheel: 54 segments, of which 52 carry a number to bet on and two multiply the next win.

A bet on ``n`` wins ``n`` to one. When the wheel stops on a multiplier, bets stay as they are, the wheel is spun again,
and the odds are multiplied; multipliers in a row multiply each other. After :data:`MULTIPLIERS_MAX` of them the wheel
is spun among the numbers only, so that the largest win is bounded.

An outcome is the segment on which the wheel came to rest, plus :data:`SEGMENTS` times a code of how often each
multiplier came before.

References
----------
Segments, odds and the return of each number (95.34, 95.51, 91.24, 96.58, 92.74, 90.81 %):
https://www.newcasinogamereviews.com/dream-catcher/. Multipliers in a row: https://bitcoincasino.news/games/dream-catcher/.
For a number ``n`` on ``k`` segments that is ``n k / 45 + k / 52`` without a bound on multipliers; ours costs less than
0.001 %.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from math import comb

import numpy as np

from reference_impl.domain.games.game import Game, Int64s, Spot
from reference_impl.domain.games.outcome import Draws

NUMBERS = {1: 23, 2: 15, 5: 7, 10: 4, 20: 2, 40: 1}
"""The numbers, and on how many segments each of them is."""

MULTIPLIERS = (2, 7)
MULTIPLIERS_MAX = 6
"""More multipliers than this in a row do not count: 40 · 7⁶ is the largest win, and fits any stake into 63 bits."""

LABELS = tuple(number for number, count in NUMBERS.items() for _ in range(count))
"""The number on each segment; the multipliers' segments follow."""

SEGMENTS = len(LABELS) + len(MULTIPLIERS)
SPOTS = tuple(Spot(str(number), pays=f"{number}:1") for number in NUMBERS)
_CODES = (MULTIPLIERS_MAX + 1) ** len(MULTIPLIERS)


def outcome_of(segment: int, came: Sequence[int]) -> int:
    """Return the outcome for a number's segment after each of :data:`MULTIPLIERS` came so often."""
    code = 0
    for count in reversed(came):
        code = code * (MULTIPLIERS_MAX + 1) + count
    return segment + SEGMENTS * code


def parts_of(outcome: int) -> tuple[int, tuple[int, ...]]:
    """Return the segment and how often each multiplier came before; the reverse of :func:`outcome_of`.

    Raises
    ------
    ValueError
        If it is no outcome.
    """
    code, segment = divmod(outcome, SEGMENTS)
    came = tuple(code // (MULTIPLIERS_MAX + 1) ** place % (MULTIPLIERS_MAX + 1) for place in range(len(MULTIPLIERS)))
    if not (0 <= code < _CODES and segment < len(LABELS) and sum(came) <= MULTIPLIERS_MAX):
        raise ValueError(f"{outcome} is no outcome of the money wheel")
    return segment, came


def draw(seed: bytes, heads: Sequence[bytes]) -> int:
    """Return where the wheel came to rest, and which multipliers came before."""
    draws = Draws.of_round(seed, heads)
    came = [0] * len(MULTIPLIERS)
    segment = draws.below(SEGMENTS)
    while segment >= len(LABELS):
        came[segment - len(LABELS)] += 1
        segment = draws.below(SEGMENTS if sum(came) < MULTIPLIERS_MAX else len(LABELS))
    return outcome_of(segment, came)


@cache
def odds(outcome: int) -> Int64s:
    """Return the gross odds of every number."""
    segment, came = parts_of(outcome)
    times = _times(came)
    return np.array([1 + number * times if number == LABELS[segment] else 0 for number in NUMBERS], dtype=np.int64)


def describe(outcome: int) -> str:
    """Return the number, after the multipliers that came before it."""
    segment, came = parts_of(outcome)
    return "×".join([*(str(m) for m, count in zip(MULTIPLIERS, came, strict=True) for _ in range(count)),
                     str(LABELS[segment])])  # fmt: skip


def chances() -> Iterator[tuple[int, Fraction]]:
    """Yield every number after every count of multipliers, at the number's first segment."""
    for twos in range(MULTIPLIERS_MAX + 1):
        for sevens in range(MULTIPLIERS_MAX + 1 - twos):
            before = comb(twos + sevens, twos) * Fraction(1, SEGMENTS) ** (twos + sevens)
            pockets = SEGMENTS if twos + sevens < MULTIPLIERS_MAX else len(LABELS)
            for number, count in NUMBERS.items():
                yield outcome_of(LABELS.index(number), (twos, sevens)), before * Fraction(count, pockets)


def _times(came: Sequence[int]) -> int:
    times = 1
    for multiplier, count in zip(MULTIPLIERS, came, strict=True):
        times *= multiplier**count
    return times


MONEY_WHEEL = Game("money_wheel", SPOTS, 1, draw, odds, describe, chances)
