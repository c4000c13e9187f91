"""Empirical tables from observed times: what the calibration of bets and that of the video share."""

from typing import Any

import numpy as np
import pandas as pd

from sim.faults import strikes
from sim.parameters import LEVELS, Table

SAMPLES_MIN = 20
"""Observations below which a stage keeps its assumed table."""


def table_of(values_ns: Any, default: Table, *, few: bool = False, largest_of: int = 1) -> Table:
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

    Notes
    -----
    The largest of `n` independent times is below `t` with probability ``F(t)**n``.
    """
    values = np.maximum(np.asarray(values_ns, dtype=np.float64), 0.0)
    if len(values) < (2 if few else SAMPLES_MIN):
        return default
    return tuple(np.quantile(values, np.array(LEVELS) ** largest_of).round().astype(np.int64).tolist())


def undisturbed(bets: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Return the bets that were not under way while something was broken that the model breaks itself.

    Their waiting is the fault's: a stage that was fitted on it would make everybody wait, and the fault once more.
    """
    calm = np.ones(len(bets), dtype=bool)
    over_ns = faults[["t_ns", "ended_ns", "recovered_ns"]].max(axis=1)
    for kind, target, since_ns, until_ns in zip(faults["kind"], faults["target"], faults["t_ns"], over_ns, strict=True):
        if strikes(kind, target):
            calm &= ((bets["received_ns"] > until_ns) | (bets["written_ns"] < since_ns)).to_numpy()
    return bets[calm]


def since_fault(faults: pd.DataFrame, column: str, default: Table) -> Table:
    """Return, as a constant, the median time from a fault to what `column` says; the default without any."""
    known = faults[faults[column] > 0]
    if known.empty:
        return default
    return (max(0, round(float((known[column] - known["t_ns"]).median()))),)
