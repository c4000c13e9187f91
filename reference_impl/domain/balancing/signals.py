"""What a report is worth: how fast a place is, how far it is believed, and whether it runs hot.

Theory: a place that slows down needs longer for each unit of its own work long before its queue is felt, since waiting
grows with 1/(1 - utilisation). So *speed*, usual cost of a unit of work over the present one, is the early signal, and
its trend says where it will be when a move has taken effect.
"""

from typing import Final

SPEED_MIN: Final = 0.05
"""A place is never believed to be slower than this: it keeps a trickle, by which its recovery is seen."""

FALL_SHARE: Final = 0.6
RISE_SHARE: Final = 0.1
"""How much of a report's speed counts at once: bad news quickly, good news slowly."""

SLOPE_SHARE: Final = 0.2
HORIZON_S: Final = 8.0
AHEAD_MIN: Final = 0.5
"""How far a falling speed is extrapolated: a report, a decision, and some of the seconds in which players wait for a
moment between rounds. A sudden step is no trend, so at most half of the speed is taken off for what may come."""

SLOW_START_S: Final = 15.0
SLOW_START_MIN: Final = 0.1
"""A new place begins with so little of its weight: cold caches and code. [assumed]"""

REPORT_S_FRESH: Final = 1.5
REPORT_S_MAX: Final = 3.0
"""Reports come once a second. One that is older than the first loses trust, one older than the second has none."""

ERROR_SHARE: Final = 0.5
ERROR_HALF: Final = 0.25
"""Trust is one half when reports differ from one's own books by this share, and falls steeply beyond."""

TRUST_MIN: Final = 0.5
"""Who is trusted less is not listened to, and takes no moved sessions."""

USUAL_COST_MAX: Final = 1.15
"""A cost of up to so many times the usual says nothing: reports are noisy."""

HOT_ON: Final = 1.10
HOT_OFF: Final = 1.06
"""A place is hot from so many times the mean cost on, until it is below the second."""


def speed_of(own_cost: float, usual_cost: float) -> float:
    """Return a place's speed: the usual cost of a unit of work over its own, from :data:`SPEED_MIN` to 1."""
    if own_cost <= USUAL_COST_MAX * usual_cost:
        return 1.0
    return min(1.0, max(SPEED_MIN, usual_cost / own_cost))


def speed_next(known: float, told: float) -> float:
    """Return the smoothed speed after a report: it falls fast and rises slowly."""
    return known + (FALL_SHARE if told < known else RISE_SHARE) * (told - known)


def slope_next(slope: float, known: float, after: float, passed_s: float) -> float:
    """Return the smoothed change of a speed, a second."""
    return slope + SLOPE_SHARE * ((after - known) / max(passed_s, 1e-3) - slope)


def speed_ahead(speed: float, slope: float) -> float:
    """Return the speed that is expected :data:`HORIZON_S` from now; rising speeds are not believed in advance."""
    return min(1.0, max(SPEED_MIN, AHEAD_MIN * speed, speed + HORIZON_S * min(0.0, slope)))


def slow_start(age_s: float) -> float:
    """Return the share of its weight that a place has, so long after it was first heard of."""
    return min(1.0, SLOW_START_MIN + (1.0 - SLOW_START_MIN) * max(0.0, age_s) / SLOW_START_S)


def error_next(error: float, told: float, expected: float) -> float:
    """Return the smoothed relative difference between what a place told and what it should carry."""
    return error + ERROR_SHARE * (abs(told - expected) / max(expected, told, 20.0) - error)


def trust_of(error: float, age_s: float) -> float:
    """Return how far a place is believed, 0 to 1: less the more its reports differ and the older the last one is."""
    honest = 1.0 / (1.0 + (error / ERROR_HALF) ** 4)
    if age_s <= REPORT_S_FRESH:
        return honest
    return honest * max(0.0, (REPORT_S_MAX - age_s) / (REPORT_S_MAX - REPORT_S_FRESH))


def believed(told: float, expected: float, trust: float) -> float:
    """Return the load that is counted with: the report as far as it is trusted, one's own books for the rest.

    Who is hardly trusted is not listened to at all: little by little, each report would be believed in the end.
    """
    if trust < TRUST_MIN:
        return expected
    return trust * told + (1.0 - trust) * expected


def peak_next(known: float, told: float) -> float:
    """Return the smoothed latency after a report: a peak counts whole at once and is forgotten slowly."""
    return told if told > known else known + RISE_SHARE * (told - known)


def hot_next(hot: bool, ratio: float) -> bool:  # noqa: FBT001 - a state, not a switch
    """Return whether a place is hot, given its cost over the mean; with hysteresis, so that it does not flap."""
    return ratio > HOT_OFF if hot else ratio > HOT_ON
