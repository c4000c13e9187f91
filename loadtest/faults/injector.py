"""How each kind of fault is carried out: an asynchronous context that strikes on entry and undoes it on exit.

What it yields says how it was done. :data:`CARRIED_OUT` has every kind of :data:`sim.fault_kinds.KINDS`.
"""

import asyncio
import errno
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.levers import Weakness
from reference_impl.stack.links import Condition
from reference_impl.stack.quota import limited, send
from reference_impl.stack.shim import Told
from reference_impl.stack.stack import Stack
from reference_impl.stack.telemetry import family_of
from sim.fault_kinds import KINDS, Fault, FaultKind, Need

ALIVE_S_MAX = 20.0
"""A process that is still coming back from the last fault is waited for so long."""
DRAIN_S_MAX = 15.0
"""Players of a gateway that drains have so long for a moment between rounds."""
_LOOK_S = 0.02

Carried = AbstractAsyncContextManager[str]


class Processes(Protocol):
    """Processes that signals reach: those of our own system, or of one that runs beside us."""

    def runs(self, name: str) -> bool:
        """Tell whether a process runs now."""

    def pid(self, name: str) -> int:
        """Return a process's id, or raise OperationalError if it does not run."""

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to a process."""

    @property
    def stop_signals(self) -> Mapping[str, signal.Signals]:
        """How each process is asked to end."""


def weakness_for(faults: Iterable[Fault]) -> Weakness:
    """Return what a system must be started with so that these faults can strike it."""
    faults = list(faults)
    needs = {KINDS[fault.kind].needs for fault in faults}
    apart = sorted({fault.target for fault in faults if KINDS[fault.kind].needs is Need.HOSTS})
    return Weakness(Need.LINKS in needs, Need.SHIM in needs, Need.SMALL_DISK in needs, tuple(apart))


@asynccontextmanager
async def carry_out(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    """Strike on entry, undo on exit; yield how.

    Raises
    ------
    OperationalError
        If the process does not run within :data:`ALIVE_S_MAX`.
    """
    await _alive(stack, fault.target)
    async with CARRIED_OUT[fault.kind](stack, fault) as how:
        yield how


@asynccontextmanager
async def signalled(processes: Processes, fault: Fault) -> AsyncIterator[str]:
    """As :func:`carry_out`, for the kinds of :data:`BY_SIGNAL` and any processes."""
    await _alive(processes, fault.target)
    async with BY_SIGNAL[fault.kind](processes, fault) as how:
        yield how


async def _alive(stack: Processes, name: str) -> None:
    deadline_s = time.monotonic() + ALIVE_S_MAX
    while not stack.runs(name):
        if time.monotonic() > deadline_s:
            raise OperationalError(f"{name} did not run for {ALIVE_S_MAX:g} s")
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _kill(stack: Processes, fault: Fault) -> AsyncIterator[str]:
    stack.kill(fault.target)
    yield "SIGKILL"


@asynccontextmanager
async def _restart(stack: Processes, fault: Fault) -> AsyncIterator[str]:
    number = stack.stop_signals[fault.target]
    stack.kill(fault.target, number)
    yield number.name


@asynccontextmanager
async def _drain(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    yield f"{await stack.drain(fault.target, DRAIN_S_MAX, 'a fault of the campaign')} players to move"


@asynccontextmanager
async def _stop(stack: Processes, fault: Fault) -> AsyncIterator[str]:
    family = family_of(stack.pid(fault.target))
    send(family, signal.SIGSTOP)
    try:
        yield f"SIGSTOP to {len(family)} processes"
    finally:
        send(reversed(family), signal.SIGCONT)


def _quota(stack: Stack, fault: Fault) -> Carried:
    return limited(stack.pid(fault.target), fault.cpu_share, fault.target)


@asynccontextmanager
async def _cut(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    count = sum(link.cut() for link in stack.levers.links.of(fault.target))
    if not count:
        raise OperationalError(f"{fault.target} has no connection to cut")
    yield f"{count} connections reset"


@asynccontextmanager
async def _bend(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    links = stack.levers.links.of(fault.target)
    condition = Condition(fault.latency_ms, fault.jitter_ms, blackhole=fault.kind == FaultKind.BLACKHOLE)
    for link in links:
        link.set(condition)
    try:
        yield f"{len(links)} links"
    finally:
        for link in links:
            link.set(Condition())


@asynccontextmanager
async def _unplug(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    hosts = stack.levers.hosts
    if hosts is None:
        raise OperationalError(f"{fault.target} has no host of its own")
    hosts.plug(fault.target, plugged=False)
    try:
        yield "its host's cable"
    finally:
        hosts.plug(fault.target, plugged=True)


@asynccontextmanager
async def _tell(stack: Stack, fault: Fault, told: Told) -> AsyncIterator[str]:
    shims = stack.levers.shims
    if shims is None:
        raise OperationalError(f"{fault.target} was started without the shim")
    shims.tell(fault.target, told)
    try:
        yield "preloaded library"
    finally:
        shims.tell(fault.target, Told())


def _fsync(stack: Stack, fault: Fault) -> Carried:
    failing = fault.kind == FaultKind.FAILING_FSYNC
    return _tell(stack, fault, Told(fsync_ms=fault.latency_ms, fsync_errno=errno.EIO if failing else 0))


def _jump(stack: Stack, fault: Fault) -> Carried:
    return _tell(stack, fault, Told(shift_ms=fault.shift_ms))


@asynccontextmanager
async def _fill(stack: Stack, _fault: Fault) -> AsyncIterator[str]:
    disk = stack.levers.disk
    if disk is None:
        raise OperationalError("postgres has no small disk")
    filled = disk.fill()
    try:
        yield f"{filled:,} bytes of ballast"
    finally:
        disk.clear()


@asynccontextmanager
async def _double(stack: Stack, fault: Fault) -> AsyncIterator[str]:
    await stack.start_double(fault.target)
    try:
        yield "a second process"
    finally:
        stack.end_double(fault.target)


BY_SIGNAL: Final[dict[FaultKind, Callable[[Processes, Fault], Carried]]] = {
    FaultKind.KILL: _kill,
    FaultKind.RESTART: _restart,
    FaultKind.STOP: _stop,
}
"""How the kinds are carried out that take nothing but a signal."""

CARRIED_OUT: Final[dict[FaultKind, Callable[[Stack, Fault], Carried]]] = {
    **BY_SIGNAL,
    FaultKind.DRAIN: _drain,
    FaultKind.CPU_QUOTA: _quota,
    FaultKind.CUT: _cut,
    FaultKind.LATENCY: _bend,
    FaultKind.BLACKHOLE: _bend,
    FaultKind.PARTITION: _unplug,
    FaultKind.SLOW_FSYNC: _fsync,
    FaultKind.FAILING_FSYNC: _fsync,
    FaultKind.DISK_FULL: _fill,
    FaultKind.CLOCK_JUMP: _jump,
    FaultKind.DOUBLE: _double,
}
"""How each kind is carried out."""
