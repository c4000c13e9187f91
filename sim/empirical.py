"""Empirical tables from observed times: what the calibration of bets and that of the video share."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.units import NS_PER_S
from sim.faults import strikes
from sim.parameters import LEVELS, Table

TAIL_FROM = 0.95
"""Share of the values that a generalised Pareto tail leaves to the empirical body."""
TAIL_SAMPLES_MIN = 30
"""Values beyond :data:`TAIL_FROM` below which a table has no fitted tail."""
TABLE_BODY = 0.99
"""Entries of a table up to this level are empirical whatever the tail."""
SHAPES = (-0.5, 0.5)
"""Bounds of a tail's shape: moments tell nothing reliable beyond the upper one, where variance has no bound."""
BEFORE_NS = NS_PER_S
"""A round's opening is asked for so long before it, at most."""

SAMPLES_MIN = 20
"""Observations below which a stage keeps its assumed table."""


class Tail(NamedTuple):
    """A generalised Pareto tail: values beyond `threshold` exceed it by ``scale * ((1 - p)**-shape - 1) / shape``."""

    threshold: float
    scale: float
    shape: float

    def quantile(self, level: float) -> float:
        """Return the quantile at a level of all values, which must not be below :data:`TAIL_FROM`."""
        beyond = (1.0 - level) / (1.0 - TAIL_FROM)
        if abs(self.shape) < 1e-9:
            return self.threshold - self.scale * math.log(beyond)
        return self.threshold + self.scale * (float(beyond**-self.shape) - 1.0) / self.shape

    def mean_beyond(self, level: float) -> float:
        """Return the mean of the values beyond a quantile, which must not be below :data:`TAIL_FROM`."""
        reached = self.quantile(level)
        return reached + (self.scale + self.shape * (reached - self.threshold)) / (1.0 - self.shape)


def tail_of(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None) -> Tail | None:
    """Return the tail of some values by probability-weighted moments; None if too few lie there.

    Parameters
    ----------
    values : array of float, shape (n,)
        The values.
    weights : array of float, shape (n,), optional
        How much each counts; all alike without them.

    References
    ----------
    J. R. M. Hosking, J. R. Wallis, Parameter and quantile estimation for the generalized Pareto distribution,
    Technometrics 29 (1987).
    """
    weights = np.ones(len(values)) if weights is None else weights
    threshold = float(weighted_quantiles(values, weights, (TAIL_FROM,))[0]) if len(values) else 0.0
    rare = values > threshold
    order = np.argsort(values[rare])
    beyond, share = values[rare][order] - threshold, weights[rare][order]
    if len(beyond) < TAIL_SAMPLES_MIN:
        return None
    share = share / share.sum()
    below = np.cumsum(share) - 0.35 * share
    first, second = float(share @ beyond), float(share @ (beyond * (1.0 - below)))
    shape = float(np.clip(2.0 - first / (first - 2.0 * second), *SHAPES))
    return Tail(threshold, first * (1.0 - shape), shape)


def weighted_quantiles(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], levels: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Return quantiles of values that weigh differently; of equal weights, those that NumPy interpolates."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) - weights[order]
    found: npt.NDArray[np.float64] = np.interp(levels, reached / max(reached[-1], 1e-300), values[order])
    return found


def entries(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], levels: Sequence[float] = LEVELS
) -> npt.NDArray[np.float64]:
    """Return a table's entries: quantiles of values that weigh differently, but for the last one.

    Draws lie evenly between two entries, and values beyond the last quantile but one do not: most lie near it. Were the
    last entry the largest value, so long a time would be drawn far too often. It is such that draws have the mean that
    values have there, and the largest at most.
    """
    table = weighted_quantiles(values, weights, levels)
    beyond = values > table[-2]
    if beyond.any():
        mean = float(np.average(values[beyond], weights=weights[beyond]))
        table[-1] = min(table[-1], _end_of_even(table[-2], mean))
    return table


def _end_of_even(begin: float, mean: float) -> float:
    """Return the last of values that lie evenly from their first on and have this mean."""
    return 2.0 * mean - begin


def table_of(
    values_ns: Any,
    default: Table,
    *,
    few: bool = False,
    largest_of: int = 1,
    tail: bool = False,
    weights: npt.NDArray[np.float64] | None = None,
    signed: bool = False,
) -> Table:
    """Return the empirical table of some times, or the default if there are too few of them.

    Parameters
    ----------
    values_ns : array of int
        Times; what is negative by clock error counts as 0.
    default : tuple of int
        Used when there are fewer than :data:`SAMPLES_MIN` values.
    few : bool
        Accept as few as two values, for what happens once a round.
    largest_of : int
        Each value is the largest of so many times that passed side by side; the table is that of a single one.
    tail : bool
        Beyond the 99 % quantile, take a fitted generalised Pareto tail instead of the few values that lie there.
    weights : array of float, optional
        How much each value counts; all alike without them.
    signed : bool
        Keep what is negative: something may happen too early.

    Notes
    -----
    The largest of `n` independent times is below `t` with probability ``F(t)**n``.
    """
    values = np.asarray(values_ns, dtype=np.float64)
    values = values if signed else np.maximum(values, 0.0)
    if len(values) < (2 if few else SAMPLES_MIN):
        return default
    counts = np.ones(len(values)) if weights is None else weights
    table = entries(values, counts, (np.array(LEVELS) ** largest_of).tolist())
    if tail and largest_of == 1 and (fitted := tail_of(values, counts)):
        beyond = [fitted.quantile(level) for level in LEVELS[:-1] if level > TABLE_BODY]
        beyond.append(_end_of_even(beyond[-1], fitted.mean_beyond(LEVELS[-2])))
        table[-len(beyond) :] = np.maximum(beyond, table[-len(beyond) - 1])
    return tuple(np.maximum.accumulate(table).round().astype(np.int64).tolist())


def undisturbed(bets: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Return the bets that were not under way while something was broken that the model breaks itself.

    Their waiting is the fault's: a stage that was fitted on it would make everybody wait, and the fault once more.
    """
    modelled = [strikes(kind, target) for kind, target in zip(faults["kind"], faults["target"], strict=True)]
    return _apart(bets, bets["received_ns"], bets["written_ns"], faults[np.array(modelled, dtype=bool)])


def undisturbed_rounds(rounds: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Return the rounds that no fault of any kind met, from a little before their opening on."""
    instants = [name for name in rounds if str(name).endswith("_ns") and rounds[name].dtype.kind == "i"]
    return _apart(rounds, rounds["opens_ns"] - BEFORE_NS, rounds[instants].max(axis=1), faults)


def _apart(rows: pd.DataFrame, since_ns: pd.Series, until_ns: pd.Series, faults: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose time none of these faults meets."""
    calm = np.ones(len(rows), dtype=bool)
    over_ns = faults[["t_ns", "ended_ns", "recovered_ns"]].max(axis=1)
    for struck_ns, healed_ns in zip(faults["t_ns"], over_ns, strict=True):
        calm &= ((since_ns > healed_ns) | (until_ns < struck_ns)).to_numpy()
    return rows[calm]


def since_fault(faults: pd.DataFrame, column: str, default: Table) -> Table:
    """Return, as a constant, the median time from a fault to what `column` says; the default without any."""
    known = faults[faults[column] > 0]
    if known.empty:
        return default
    return (max(0, round(float((known[column] - known["t_ns"]).median()))),)
