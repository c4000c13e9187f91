"""Empirical tables from observed times: what the calibration of bets and that of the video share."""

from typing import Any

import numpy as np
import pandas as pd

from reference_impl.domain.units import NS_PER_S
from sim.faults import strikes
from sim.parameters import LEVELS, Table

BEFORE_NS = NS_PER_S
"""A round's opening is asked for so long before it, at most."""

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
