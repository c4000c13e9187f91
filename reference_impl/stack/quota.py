"""A share of a core for a process: by its own control group where we may make one, by stopping it in turn otherwise."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from reference_impl.stack.telemetry import family_of

CPU_GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 100_000
TURN_S = 0.1
"""Length of a turn where a process is stopped in turn, as the kernel's own period is."""


def can_group() -> bool:
    """Tell whether control groups of the CPU can be made (version 1, as root)."""
    trial = _home() / f"livetable-trial-{os.getpid()}"
    try:
        trial.mkdir()
        there = (trial / "cpu.cfs_quota_us").exists()
        trial.rmdir()
    except OSError:
        return False
    return there


def _home() -> Path:
    """Return the group that we are in ourselves."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return CPU_GROUPS / path.lstrip("/")
    return CPU_GROUPS


@asynccontextmanager
async def limited(pid: int, cpu_share: float, name: str) -> AsyncIterator[str]:
    """Leave a process and its children this share of a core; yield how."""
    if can_group():
        with _group(pid, cpu_share, name):
            yield f"control group, {cpu_share:g} of a core"
        return
    turns = asyncio.create_task(_in_turn(pid, cpu_share))
    try:
        yield f"stopped and continued in turns of {TURN_S:g} s, {cpu_share:g} of the time"
    finally:
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)


@contextlib.contextmanager
def _group(pid: int, cpu_share: float, name: str) -> Iterator[None]:
    group = _home() / f"livetable-{os.getpid()}-{name}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(max(round(PERIOD_US * cpu_share), 1000)))
        _move(family_of(pid), group)
        yield
    finally:
        _move(map(int, (group / "cgroup.procs").read_text().split()), _home())
        group.rmdir()


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))


async def _in_turn(pid: int, cpu_share: float) -> None:
    try:
        while True:
            send(family_of(pid), signal.SIGSTOP)
            await asyncio.sleep(TURN_S * (1 - cpu_share))
            send(reversed(family_of(pid)), signal.SIGCONT)
            await asyncio.sleep(TURN_S * cpu_share)
    finally:
        send(reversed(family_of(pid)), signal.SIGCONT)


def send(pids: Iterable[int], signal_number: signal.Signals) -> None:
    """Send a signal to processes; those that are gone are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
