"""One timeline for a load from several machines: workers' records are moved to the clock of their master.

Theory
------
A worker asks for the master's time at its own instant *a* and hears *m* at its own *b*. Whatever the two ways took, the
master's clock was ahead by ``m - (a + b) / 2``, at most ``(b - a) / 2`` off. The shortest round trip of every
:data:`BLOCK_NS` is believed, and straight lines between those follow drift. The error that is stated is half the
longest of these round trips plus the largest change from one block to the next: what drift may have hidden between.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from loadtest.machines import records_complete
from reference_impl.domain.records import CLIPS, CLOCKS, GENERATOR, OPS, PUSHES, SESSIONS, VIDEO, Layout
from reference_impl.domain.units import NS_PER_S
from reports.convert import Records, record_dtype

BLOCK_NS: Final = 10 * NS_PER_S

INSTANTS: Final[dict[Layout, tuple[str, ...]]] = {
    OPS: ("due_ns", "invoke_ns", "return_ns", "kernel_ns"),
    PUSHES: ("kernel_ns", "app_ns"),
    SESSIONS: ("opened_ns", "closed_ns"),
    VIDEO: ("due_ns", "start_ns", "first_byte_ns", "end_ns", "media_ns"),
    CLIPS: ("arrived_ns", "shown_ns"),
    GENERATOR: ("t_ns",),
}
"""What is CLOCK_MONOTONIC in a load worker's records; everything else in them is a duration or no time at all."""


class Timeline(NamedTuple):
    """How a worker's clock is moved to its master's.

    Parameters
    ----------
    at_ns, ahead_ns : ndarray of int64, shape (blocks,)
        At which of the worker's instants the master's clock was ahead by how much.
    error_ns : int
        How far off that may be.
    """

    at_ns: npt.NDArray[np.int64]
    ahead_ns: npt.NDArray[np.int64]
    error_ns: int

    def to_master(self, instants: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return a worker's instants on its master's clock; 0, which did not happen, stays 0."""
        ahead = np.rint(np.interp(instants, self.at_ns, self.ahead_ns - self.ahead_ns[0])).astype(np.int64)
        return np.where(instants == 0, 0, instants + ahead + self.ahead_ns[0])


def timeline(samples: Records) -> Timeline:
    """Return the timeline that round trips tell, :data:`~reference_impl.domain.records.CLOCKS`; at least one."""
    block = (samples["t_ns"] - samples["t_ns"][0]) // BLOCK_NS
    order = np.lexsort((samples["trip_ns"], block))
    best = samples[order[np.unique(block[order], return_index=True)[1]]]
    step_ns = np.abs(np.diff(best["ahead_ns"])).max(initial=0)
    error_ns = int(best["trip_ns"].max() + 1) // 2 + int(step_ns)
    return Timeline(best["t_ns"].astype(np.int64), best["ahead_ns"].astype(np.int64), error_ns)


def unify(record_dir: Path, workers: int) -> list[dict[str, Any]]:
    """Move all records of workers 0 to ``workers - 1`` to the master's clock; return what a Run says of each.

    Returns
    -------
    list of dict
        ``worker``; ``ahead_ns``, how far the master's clock was ahead at first, and ``error_ns``, how far off that may
        be (both None if the worker never learnt it); ``complete``, whether all of its records came.
    """
    return [_unified(record_dir, worker) for worker in range(workers)]


def _unified(record_dir: Path, worker: int) -> dict[str, Any]:
    samples = _read(record_dir, CLOCKS, worker)
    said: dict[str, Any] = {"worker": worker, "complete": records_complete(record_dir, worker)}
    if not len(samples):
        return {**said, "ahead_ns": None, "error_ns": None}
    line = timeline(samples)
    for layout, names in INSTANTS.items():
        rows = _read(record_dir, layout, worker)
        for name in names:
            rows[name] = line.to_master(rows[name].astype(np.int64))
        if len(rows):
            rows.tofile(_file(record_dir, layout, worker))
    return {**said, "ahead_ns": int(line.ahead_ns[0]), "error_ns": line.error_ns}


def _read(record_dir: Path, layout: Layout, worker: int) -> Records:
    file, dtype = _file(record_dir, layout, worker), record_dtype(layout)
    if not file.exists():
        return np.empty(0, dtype=dtype)
    return np.fromfile(file, dtype=dtype, count=file.stat().st_size // dtype.itemsize)


def _file(record_dir: Path, layout: Layout, worker: int) -> Path:
    return record_dir / f"{layout.name}-w{worker}.bin"
