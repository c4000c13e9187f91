"""Intervals and warm-up for simulation output: Student's t without further libraries, and MSER-5.

A replication is the unit. Intervals are never computed from the operations of one run: those depend on each other.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.kernels import Floats

BATCH = 5
"""MSER-5 works on means of five observations."""


class Interval(NamedTuple):
    """A mean with the half-width of its confidence interval; the half-width of one value is infinite."""

    mean: float
    half: float
    n: int

    @property
    def relative(self) -> float:
        """Half-width relative to the mean."""
        return self.half / abs(self.mean) if self.mean else math.inf if self.half else 0.0


def t_quantile(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t above the median, to 1e-9.

    Parameters
    ----------
    probability : float
        In [0.5, 1).
    degrees : int
        Degrees of freedom, at least 1.

    References
    ----------
    Abramowitz and Stegun, 26.7.3 and 26.7.4: the distribution in closed form for whole degrees of freedom.
    """
    low, high = 0.0, 1.0
    while _t_below(high, degrees) < probability:
        high *= 2.0
    while high - low > 1e-10 * max(1.0, high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _t_below(middle, degrees) < probability else (low, middle)
    return (low + high) / 2.0


def _t_below(t: float, degrees: int) -> float:
    theta = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    if degrees % 2:
        term, total = cosine, cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        between = 2.0 / math.pi * (theta + (sine * total if degrees > 1 else 0.0))
    else:
        term = total = 1.0
        for k in range(2, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        between = sine * total
    return 0.5 + between / 2.0


def interval(values: Sequence[float] | Floats, confidence: float = 0.95) -> Interval:
    """Return the mean of replications with its Student interval."""
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n < 2:
        return Interval(float(array.mean()) if n else math.nan, math.inf, n)
    half = t_quantile((1.0 + confidence) / 2.0, n - 1) * float(array.std(ddof=1)) / math.sqrt(n)
    return Interval(float(array.mean()), half, n)


def prediction_limit(values: Sequence[float] | Floats, probability: float) -> float:
    """Return what the next replication stays below with this probability; infinite for one value."""
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n < 2:
        return math.inf
    spread = float(array.std(ddof=1)) * math.sqrt(1.0 + 1.0 / n)
    return float(array.mean()) + t_quantile(probability, n - 1) * spread


def mser5(series: Sequence[float] | Floats) -> int:
    """Return how many observations of a series to drop as warm-up.

    Parameters
    ----------
    series : sequence of float
        Observations in the order of time.

    Returns
    -------
    int
        A multiple of five, at most half of the series; the series is too short if it is more than that.

    References
    ----------
    White: "An effective truncation heuristic for bias reduction in simulation output", Simulation 69 (1997).
    """
    means = np.asarray(series, dtype=np.float64)
    means = means[: len(means) // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    n = len(means)
    if n < 4:
        return 0
    scores = [float(means[d:].var()) / (n - d) for d in range(n // 2 + 1)]
    return BATCH * int(np.argmin(scores))
