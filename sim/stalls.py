"""Storage that stands still: moments in which no database call ends, on no shard, because all of them share one disk.

A stalled call is not a slow one. It keeps everybody waiting whatever the load, the calls of all shards end together
when the storage goes on, and a stage table that had it in would make one shard wait and not the other, at the load of
that moment and no other. So stalls are taken out of what stages are fitted on, as faults are, and are a condition that
a campaign meets: a database that is stopped for so long.

Which call is stalled is an assumption: one that takes :data:`TIMES` as long as the median call of its size, and no less
than :data:`STALL_NS_MIN`; what is shorter stays in the tail of its table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run
from sim.empirical import undisturbed
from sim.fault_kinds import Fault, FaultKind

TIMES = 8.0
"""How many times the median a stalled call takes. Of calls in the campaigns without a stall, one in a thousand takes
six times the median or more."""

STALL_NS_MIN = 20 * NS_PER_MS

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Bets in a call from which on it counts as of the next size."""


class Stall(NamedTuple):
    """When the storage stood still, in seconds after the load's start, and for how long."""

    at_s: float
    for_s: float


def stalls_of(runs: Sequence[Run]) -> list[tuple[Stall, ...]]:
    """Return each run's stalls, in order of time; what a usual call takes is told by all of the runs."""
    calls = [_calls(run) for run in runs]
    every = pd.concat(calls)
    usual_ns = every.groupby("size")["took_ns"].median()
    return [_stalls(own, usual_ns, int(run.manifest["load_start_ns"])) for own, run in zip(calls, runs, strict=True)]


def calmed(runs: Sequence[Run]) -> tuple[list[tuple[Stall, ...]], list[Run]]:
    """Return each run's stalls, and the runs with them :func:`apart`."""
    stalls = stalls_of(runs)
    return stalls, [apart(run, stood) for run, stood in zip(runs, stalls, strict=True)]


def as_faults(stalls: Sequence[Stall]) -> tuple[Fault, ...]:
    """Return what a simulation does to stand still in the same moments."""
    return tuple(Fault(kind=FaultKind.STOP, target="postgres", at_s=stall.at_s, for_s=stall.for_s) for stall in stalls)


def apart(run: Run, stalls: Sequence[Stall]) -> Run:
    """Return a run whose stalls stand among its faults, so that nothing is fitted on what they held up."""
    if not stalls:
        return run
    start_ns = int(run.manifest["load_start_ns"])
    began_ns = start_ns + np.array([round(stall.at_s * NS_PER_S) for stall in stalls], dtype=np.int64)
    ended_ns = began_ns + np.array([round(stall.for_s * NS_PER_S) for stall in stalls], dtype=np.int64)
    told = {"kind": FaultKind.STOP.value, "target": "postgres", "detected_ns": 0}
    rows = pd.DataFrame({"t_ns": began_ns, "ended_ns": ended_ns, "recovered_ns": ended_ns, **told})
    faults = pd.concat([run.faults, rows.reindex(columns=run.faults.columns)], ignore_index=True)
    return run.with_table("faults", faults)


def _calls(run: Run) -> pd.DataFrame:
    """Return a run's database calls: when they began and ended, how long they took, and of what size they are."""
    bets = undisturbed(run.ops[(run.ops["kind"] == int(OpKind.BET)) & (run.ops["committed_ns"] > 0)], run.faults)
    calls = bets.drop_duplicates(["shard", "batch_started_ns"])
    began_ns, ended_ns = calls["batch_started_ns"], calls["committed_ns"]
    size = np.searchsorted(SIZES, calls["batch_size"].to_numpy(), "right")
    return pd.DataFrame({"began_ns": began_ns, "ended_ns": ended_ns, "took_ns": ended_ns - began_ns, "size": size})


def _stalls(calls: pd.DataFrame, usual_ns: "pd.Series[float]", start_ns: int) -> tuple[Stall, ...]:
    least_ns = np.maximum(TIMES * calls["size"].map(usual_ns), STALL_NS_MIN)
    stuck = calls[calls["took_ns"] >= least_ns].sort_values("began_ns")
    found = _together(stuck["began_ns"].to_numpy(), stuck["ended_ns"].to_numpy())
    return tuple(
        Stall(round(max(0, began_ns - start_ns) / NS_PER_S, 4), round((ended_ns - began_ns) / NS_PER_S, 4))
        for began_ns, ended_ns in found
    )


def _together(began_ns: npt.NDArray[np.int64], ended_ns: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the times in which one or more of these calls were under way."""
    found: list[tuple[int, int]] = []
    for began, ended in zip(began_ns.tolist(), ended_ns.tolist(), strict=True):
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((began, ended))
    return found
