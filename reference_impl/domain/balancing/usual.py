"""What a place is usually late, learned from its own reports, and what a unit of work costs it beside that.

How late a loop usually is depends on its machine: 1 ms when it has one to itself, 10 ms where it shares one. So a
place is held against itself: it has slowed down when it is later than it ever usually is, by a share of the time that
its bets take anyway. What all places of a kind have in common cancels out, since speeds are held against each other.
"""

from collections.abc import Sequence
from statistics import median, median_low
from typing import Final, NamedTuple

MEANS_KEPT: Final = 3
KEPT: Final = 30
"""Reports that count. A median of so many takes no notice of the few in which a place slows down."""
KNOWN: Final = 3
"""With fewer reports nothing is said of a place."""
SPREADS: Final = 3.0
"""What is usual at most: the median, and so many times the median distance from it."""
SUDDEN_SPREADS: Final = 6.0
"""What a report says beyond so many more is believed at once, the rest when the next one says so, too."""
WORK_MS_MIN: Final = 10.0
"""Lateness is held against what a bet takes, or against this if it takes less: a tenth of a ms more is no
deterioration, however little is usual. [assumed]"""
LATE_FROM: Final = 1.5
LATE_EVERY: Final = 10
"""Who costs so many times what its kind does is late, and of its reports only one in so many is learned. So a place
does not get used to being slow within minutes, and one whose machine has changed for good does in the end."""
KIND_MAX: Final = 2.0
"""Who was slow when it was first heard is not excused for ever: no more than so many times what its kind takes is
usual."""


class Usual(NamedTuple):
    """What is remembered of a place's reports, oldest first: how late it was and how long its bets took, ms."""

    lags_ms: tuple[float, ...] = ()
    works_ms: tuple[float, ...] = ()
    took_ms: float = WORK_MS_MIN
    """What a bet takes there when the place is as late as it usually is at most."""
    means_ms: tuple[float, ...] = ()
    """The means of the last reports, whether these were learned or not."""
    late: int = 0
    """Reports in which it was late."""
    last_ms: float = 0.0
    """How late it was in the last report, whether that was learned or not."""


def spread_of(seen: Sequence[float]) -> float:
    """Return the median distance from the median; 0 of nothing."""
    if not seen:
        return 0.0
    middle = median(seen)
    return median([abs(one - middle) for one in seen])


def most_usual(seen: Sequence[float]) -> float:
    """Return the most that is usual of what was seen; 0 of nothing."""
    return median(seen) + SPREADS * spread_of(seen) if seen else 0.0


def work_of(usual: Usual) -> float:
    """Return what a bet usually takes at a place, ms, without its being late."""
    return max(WORK_MS_MIN, median(usual.works_ms)) if usual.works_ms else WORK_MS_MIN


def lateness(usual: Usual, high_ms: float, mean_ms: float) -> float:
    """Return how late a report says that a place is.

    Its p98 speaks at once, since a loop that is held up again and again is felt by many. Of the means the middle one of
    three counts: they tell of long hold-ups, and a single one is no trend.
    """
    return max(high_ms, median((*usual.means_ms, mean_ms)[-MEANS_KEPT:]))


def usual_cost(usual: Usual, others: Sequence[float], lag_ms: float) -> float:
    """Return what a unit of work costs a place that is so late, the most that is usual there being 1; never less.

    Parameters
    ----------
    usual : Usual
        The place.
    others : sequence of float
        What bets usually take at those of its kind that are known (:attr:`Usual.took_ms`).
    lag_ms : float
        How late it is now.
    """
    if len(usual.lags_ms) < KNOWN:
        return 1.0
    own = min(usual.took_ms, KIND_MAX * median_low(others)) if others else usual.took_ms
    certain_ms = max(min(usual.last_ms, lag_ms), lag_ms - SUDDEN_SPREADS * spread_of(usual.lags_ms))
    return max(1.0, (work_of(usual) + certain_ms) / own)


def is_late(cost: float, costs: Sequence[float]) -> bool:
    """Return whether a place costs far more than its kind does now, given the costs of all of them."""
    return cost > LATE_FROM * median_low(costs)


def learned(usual: Usual, lag_ms: float, mean_ms: float, work_ms: float, *, late: bool) -> Usual:
    """Return what is known after a report; `work_ms` is 0 if there was none."""
    means_ms = (*usual.means_ms, mean_ms)[-MEANS_KEPT:]
    after = usual._replace(means_ms=means_ms, late=usual.late + late, last_ms=lag_ms)
    if late and len(usual.lags_ms) >= KNOWN and after.late % LATE_EVERY:
        return after
    works_ms = (*usual.works_ms, work_ms)[-KEPT:] if work_ms > 0.0 else usual.works_ms
    after = after._replace(lags_ms=(*usual.lags_ms, lag_ms)[-KEPT:], works_ms=works_ms)
    return after._replace(took_ms=work_of(after) + most_usual(after.lags_ms))
