"""Carrying a scenario's faults out on time, and telling afterwards how the system took them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import pandas as pd

from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import frame_of
from sim.scenario import Fault

CutOffs = Callable[[], Awaitable[Sequence[int]]]
"""Asks for the tables' announced cut-offs, CLOCK_MONOTONIC ns."""

ASK_AGAIN_S = 0.1
CRASH = "crash"
"""Kind of a fault that the campaign did not order."""


class Breakable(Protocol):
    """A system whose processes can be killed."""

    def kill(self, name: str) -> None:
        """Send SIGKILL to a process."""


class Struck(NamedTuple):
    """A fault that was carried out, CLOCK_MONOTONIC ns."""

    t_ns: int
    kind: str
    target: str


async def strike(system: Breakable, faults: Sequence[Fault], start_ns: int, cut_offs: CutOffs) -> list[Struck]:
    """Carry out every fault at its instant after the load's start, or at its distance from the next cut-off."""
    struck = []
    for fault in sorted(faults, key=lambda fault: fault.at_s):
        due_ns = start_ns + round(fault.at_s * NS_PER_S)
        await _sleep_until(due_ns)
        if fault.before_close_ms:
            await _sleep_until(await _before_a_cut_off(fault.before_close_ms * NS_PER_MS, cut_offs))
        now_ns = time.monotonic_ns()
        system.kill(fault.target)
        struck.append(Struck(now_ns, fault.kind, fault.target))
    return struck


async def _sleep_until(due_ns: int) -> None:
    await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / NS_PER_S)


async def _before_a_cut_off(distance_ns: int, cut_offs: CutOffs) -> int:
    """Return the next moment that lies so long before a cut-off, as soon as there is one."""
    while True:
        moments = [closes_ns - distance_ns for closes_ns in await cut_offs()]
        if coming := [moment_ns for moment_ns in moments if moment_ns > time.monotonic_ns()]:
            return min(coming)
        await asyncio.sleep(ASK_AGAIN_S)


def fault_rows(struck: Sequence[Struck], events: Iterable[tuple[int, str, str]]) -> pd.DataFrame:
    """Return the Run's ``faults`` table: what was broken on purpose, and as ``crash`` what broke by itself.

    Parameters
    ----------
    struck : sequence of Struck
        What was done.
    events : iterable of (t_ns, node, what)
        What the supervisor saw: "died" and "ready" count here.
    """
    seen = sorted(events)
    rows = [(*fault, _first(seen, fault.target, "died", fault.t_ns)) for fault in struck]
    expected = {(target, died_ns) for _, _, target, died_ns in rows}
    rows += [(t_ns, CRASH, node, t_ns) for t_ns, node, what in seen if what == "died" and (node, t_ns) not in expected]
    rows.sort()
    columns = {
        "t_ns": [t_ns for t_ns, _, _, _ in rows],
        "kind": [kind for _, kind, _, _ in rows],
        "target": [target for _, _, target, _ in rows],
        "detected_ns": [died_ns for _, _, _, died_ns in rows],
        "recovered_ns": [_first(seen, target, "ready", died_ns) if died_ns else 0 for _, _, target, died_ns in rows],
    }
    return frame_of("faults", columns)


def crashes(faults: pd.DataFrame) -> str:
    """Return which processes died though nobody broke them, as a few words; empty if none did."""
    counts = faults.loc[faults["kind"] == CRASH, "target"].value_counts(sort=False)
    return ", ".join(f"{target} {count} ×" for target, count in counts.items())


def _first(events: Sequence[tuple[int, str, str]], node: str, what: str, since_ns: int) -> int:
    return next((t_ns for t_ns, name, kind in events if t_ns >= since_ns and (name, kind) == (node, what)), 0)
