"""Intervals and warm-up for simulation output: Student's t, and MSER-5.

A replication is the unit. Intervals are never computed from the operations of one run: those depend on each other.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.student import t_quantile
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
