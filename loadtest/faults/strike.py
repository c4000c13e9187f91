"""When a scenario's faults strike: at their instants, or at their distances from the next cut-off."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from reference_impl.domain.errors import LabError, OperationalError
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.fault_kinds import KINDS, Fault

CutOffs = Callable[[], Awaitable[Sequence[int]]]
"""Asks for the tables' announced cut-offs, CLOCK_MONOTONIC ns."""

CarryOut = Callable[[Fault], AbstractAsyncContextManager[str]]
"""Strikes on entry, undoes it on exit, and says how it was done."""

ASK_AGAIN_S = 0.1
AIM_S_MAX = 120.0
"""A fault that finds no cut-off to aim at for so long does not strike."""


class Struck(NamedTuple):
    """A fault that was carried out, CLOCK_MONOTONIC ns; it was undone at `ended_ns`, 0 if it undoes itself."""

    t_ns: int
    ended_ns: int
    kind: str
    target: str
    how: str


async def strike(
    carry_out: CarryOut, faults: Sequence[Fault], start_ns: int, cut_offs: CutOffs, say: Callable[[str], None]
) -> list[Struck]:
    """Carry out every fault when it is due and undo it when it is over; those that last may overlap.

    Returns
    -------
    list of Struck
        In order of time. A fault that could not be carried out is told to `say` and is not in it.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_strike_one(carry_out, fault, start_ns, cut_offs, say)) for fault in faults]
    return sorted(struck for task in tasks if (struck := task.result()) is not None)


async def _strike_one(
    carry_out: CarryOut, fault: Fault, start_ns: int, cut_offs: CutOffs, say: Callable[[str], None]
) -> Struck | None:
    await _sleep_until(start_ns + round(fault.at_s * NS_PER_S))
    after_ms = fault.after_cut_off_ms
    try:
        if after_ms is not None:
            async with asyncio.timeout(AIM_S_MAX):
                await _sleep_until(await _aimed(after_ms * NS_PER_MS, cut_offs))
        t_ns = time.monotonic_ns()
        async with carry_out(fault) as how:
            if KINDS[fault.kind].lasts:
                await _sleep_until(t_ns + round(fault.for_s * NS_PER_S))
        ended_ns = time.monotonic_ns() if KINDS[fault.kind].lasts else 0
        return Struck(t_ns, ended_ns, fault.kind, fault.target, how)
    except TimeoutError:
        say(f"{fault} did not strike: no cut-off came within {AIM_S_MAX:g} s")
    except (OperationalError, OSError) as error:
        say(f"{fault} did not strike: {error}")
    return None


async def _sleep_until(due_ns: int) -> None:
    await asyncio.sleep(max(due_ns - time.monotonic_ns(), 0) / NS_PER_S)


async def _aimed(after_ns: int, cut_offs: CutOffs) -> int:
    """Return the next moment that lies so long after a cut-off, or before it, as soon as there is one."""
    while True:
        try:
            moments = [closes_ns + after_ns for closes_ns in await cut_offs()]
        except (LabError, OSError):  # the API is away, perhaps because of another fault
            moments = []
        if coming := [moment_ns for moment_ns in moments if moment_ns > time.monotonic_ns()]:
            return min(coming)
        await asyncio.sleep(ASK_AGAIN_S)
