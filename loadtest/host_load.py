"""How busy the whole machine was: what processes that leave no records, such as the database's, took of its cores.

Each sample is an instant and two totals since the machine started: CPU time of all its cores, and how long some task
waited for a core (Linux's pressure stall information). Differences of two samples are what happened between them.

References
----------
``man 5 proc_stat``; https://docs.kernel.org/accounting/psi.html (read 2026-11).
"""

import os
import time
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_STAT, _PRESSURE = Path("/proc/stat"), Path("/proc/pressure/cpu")
_IDLE, _IOWAIT, _COUNTED = 3, 4, 8
"""Places of a core's idle times in its line of /proc/stat; guests' times after the eighth are in those before."""


def host_sample() -> tuple[int, int, int]:
    """Return CLOCK_MONOTONIC ns, the cores' busy ns, and ns in which some task waited for one; 0 where not told."""
    return time.monotonic_ns(), _busy_ns(), _waited_ns()


def _busy_ns() -> int:
    first = _STAT.read_text(encoding="ascii").splitlines()[0]
    ticks = list(map(int, first.split()[1 : 1 + _COUNTED]))
    return (sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]) * _TICK_NS


def _waited_ns() -> int:
    try:
        some = _PRESSURE.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return 0
    return int(some.rpartition("total=")[2]) * 1_000
