"""What a process notes of itself between two of its load reports: lag, run delay, CPU, rates.

The lag is that of a timer that rings about a hundred times a second: so much would whatever comes at a random moment
have waited, and even short hold-ups are met several times between two reports. It rings at random distances: one that
rings evenly falls into step with whatever holds the loop up evenly, always rings just after it, and never is late.

References
----------
RFC 2330, section 11.1.1: why samples are taken at random distances.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reference_impl.domain.units import NS_PER_MS, NS_PER_S

TICK_S = 0.01
LAGS_MAX = 1_000
LATER_SHARE = 50
"""One ring in so many is later than a beat's p98, and always the latest one: a hiccup is no lateness."""


class Cost(NamedTuple):
    """CPU time and time spent runnable but not running, both in ns since the start."""

    cpu_ns: int = 0
    run_delay_ns: int = 0


def cost_of(*pids: int) -> Cost:
    """Return what processes cost so far, threads included; those that are gone count as nothing.

    References
    ----------
    Linux kernel documentation, "Scheduler Statistics": the first two fields of ``/proc/<pid>/task/<tid>/schedstat``.
    """
    cpu_ns = run_delay_ns = 0
    for pid in pids:
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            try:
                cpu, delay, _slices = (thread / "schedstat").read_text().split()
            except (OSError, ValueError):
                continue
            cpu_ns += int(cpu)
            run_delay_ns += int(delay)
    return Cost(cpu_ns, run_delay_ns)


async def rings(tick_s: float) -> AsyncIterator[int]:
    """Ring at random distances of `tick_s` on average, and yield how late each ring is, ns; until cancelled."""
    while True:
        before_ns, distance_s = time.monotonic_ns(), tick_s * random.uniform(0.5, 1.5)
        await asyncio.sleep(distance_s)
        yield max(0, time.monotonic_ns() - before_ns - round(distance_s * NS_PER_S))


def p98_of(lags: Sequence[int]) -> int:
    """Return what all but one in :data:`LATER_SHARE` do not exceed, and all but the largest; 0 of fewer than two."""
    return sorted(lags)[-1 - max(1, len(lags) // LATER_SHARE)] if len(lags) > 1 else 0


class Beat(NamedTuple):
    """The time since the beat before: largest, mean and p98 lag, shares of it, and the growth of totals a second."""

    lag_ms: float
    lag_ms_mean: float
    lag_ms_p98: float
    cpu_share: float
    run_delay_share: float
    per_s: tuple[float, ...]


class Pulse:
    """One process's pulse."""

    def __init__(self) -> None:
        self._lags_ns: list[int] = []
        self._at_ns = time.monotonic_ns()
        self._cost = cost_of(os.getpid())
        self._totals: tuple[int, ...] = ()

    async def run(self) -> None:
        """Watch the loop until cancelled."""
        async for lag_ns in rings(TICK_S):
            if len(self._lags_ns) < LAGS_MAX:
                self._lags_ns.append(lag_ns)

    def beat(self, *totals: int) -> Beat:
        """Return what happened since the beat before; `totals` are counters that only grow."""
        now_ns, cost = time.monotonic_ns(), cost_of(os.getpid())
        before = self._totals or totals
        past_ns = max(1, now_ns - self._at_ns)
        beat = Beat(
            max(self._lags_ns, default=0) / NS_PER_MS,
            sum(self._lags_ns) / max(1, len(self._lags_ns)) / NS_PER_MS,
            p98_of(self._lags_ns) / NS_PER_MS,
            (cost.cpu_ns - self._cost.cpu_ns) / past_ns,
            (cost.run_delay_ns - self._cost.run_delay_ns) / past_ns,
            tuple((now - then) * NS_PER_S / past_ns for now, then in zip(totals, before, strict=True)),
        )
        self._at_ns, self._cost, self._totals, self._lags_ns = now_ns, cost, totals, []
        return beat
