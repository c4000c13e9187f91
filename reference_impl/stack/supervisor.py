"""Keeps processes running: starts them, says when one died, and starts it again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import end, last_line, spawn

READY_S_MAX = 60.0
STOP_S_MAX = 2.0
BACKOFF_S_MIN = 0.05
BACKOFF_S_MAX = 2.0
STABLE_S = 5.0
"""A process that ran for so long starts again at once; one that dies sooner waits ever longer."""


class Event(NamedTuple):
    """What the supervisor saw: CLOCK_MONOTONIC ns, the process, and ``started``, ``ready``, ``died`` or ``left``.

    A process that drained has ended by itself and without an error: it left.
    """

    t_ns: int
    node: str
    what: str


class Unit(Protocol):
    """Something that can be started and ended: a child of ours or an embedded server."""

    name: str
    process: subprocess.Popen[bytes] | None
    stop_signal: signal.Signals

    def launch(self) -> None:
        """Start it; :meth:`came_up` tells when it serves."""

    async def came_up(self) -> bool:
        """Wait until it serves; False if it ended before."""

    def last_words(self) -> str:
        """Return the last line that it wrote."""


class Child:
    """One of our own processes.

    Parameters
    ----------
    name : str
        Its name in the plan.
    wiring_path : Path
        The file that tells it everything.
    log_path : Path
        Where its output goes.
    environment : mapping of str to str, optional
        What is added to our environment.
    before : sequence of str
        The command that it is an argument of, such as one that moves it to another host.
    """

    stop_signal = signal.SIGTERM

    def __init__(
        self, name: str, wiring_path: Path, log_path: Path, environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self._environment = environment
        self._before = before
        self.process: subprocess.Popen[bytes] | None = None
        self._wiring_path = wiring_path
        self._log_path = log_path
        self._ready_fd = -1

    def launch(self) -> None:
        """Start it; :meth:`came_up` tells when it serves."""
        self._ready_fd, theirs = os.pipe()
        try:
            command = [
                *self._before,
                sys.executable,
                "-m",
                "reference_impl.stack.child",
                self.name,
                str(self._wiring_path),
                str(theirs),
            ]
            self.process = spawn(command, self._log_path, environment=self._environment, pass_fds=(theirs,))
        finally:
            os.close(theirs)

    async def came_up(self) -> bool:
        """Wait until it serves; False if it ended before."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._ready_fd, readable.set)
        try:
            await readable.wait()
            return os.read(self._ready_fd, 1) == b"1"
        finally:
            loop.remove_reader(self._ready_fd)
            os.close(self._ready_fd)

    def last_words(self) -> str:
        """Return the last line that it wrote."""
        return last_line(self._log_path)


class Supervisor:
    """Starts units in order, watches them, starts again what dies.

    Parameters
    ----------
    say : callable
        Told in plain words what happens.
    noted : callable, optional
        Told of each event and of the unit that it happened to.
    """

    def __init__(
        self, say: Callable[[str], None], noted: Callable[[Event, Unit], None] = lambda _event, _unit: None
    ) -> None:
        self.events: list[Event] = []
        self._say = say
        self._noted = noted
        self._units: dict[str, Unit] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> list[str]:
        """The units, in the order in which they were started."""
        return list(self._units)

    @property
    def stop_signals(self) -> dict[str, signal.Signals]:
        """How each unit is asked to end."""
        return {name: unit.stop_signal for name, unit in self._units.items()}

    def runs(self, name: str) -> bool:
        """Tell whether a unit's process runs now."""
        unit = self._units.get(name)
        return unit is not None and unit.process is not None and unit.process.poll() is None

    def pid(self, name: str) -> int:
        """Return a unit's process id.

        Raises
        ------
        OperationalError
            If it does not run.
        """
        process = self._units[name].process if self.runs(name) else None
        if process is None:
            raise OperationalError(f"{name} does not run; known are {', '.join(self._units)}")
        return process.pid

    async def start(self, *units: Unit) -> None:
        """Start units together and wait until all of them serve.

        Raises
        ------
        OperationalError
            If one does not; its last words are in the message.
        """
        for unit in units:
            self._units[unit.name] = unit
            self._start(unit)
        try:
            async with asyncio.timeout(READY_S_MAX):
                for unit in units:
                    if not await unit.came_up():
                        raise OperationalError(f"{unit.name} did not start: {unit.last_words()}")
                    self._note(unit.name, "ready")
        except TimeoutError:
            raise OperationalError(f"{units[-1].name} was not ready within {READY_S_MAX} s") from None
        for unit in units:
            self._watchers[unit.name] = asyncio.create_task(self._watch(unit))

    async def stop(self) -> None:
        """End everything: first our own processes, then the servers that they use."""
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        for ours in (True, False):
            group = [unit for unit in self._units.values() if isinstance(unit, Child) is ours]
            end([(unit.process, unit.stop_signal) for unit in group if unit.process is not None], STOP_S_MAX)

    def _start(self, unit: Unit) -> None:
        unit.launch()
        self._note(unit.name, "started")

    def _note(self, name: str, what: str) -> None:
        self.events.append(Event(time.monotonic_ns(), name, what))
        self._noted(self.events[-1], self._units[name])

    async def _watch(self, unit: Unit) -> None:
        backoff_s = BACKOFF_S_MIN
        while True:
            started_s = time.monotonic()
            code = await _ended(unit)
            self._note(unit.name, "died" if code else "left")
            backoff_s = BACKOFF_S_MIN if time.monotonic() - started_s > STABLE_S else min(2 * backoff_s, BACKOFF_S_MAX)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            self._say(f"{unit.name} {how}; starting it again in {backoff_s:.2g} s")
            await asyncio.sleep(backoff_s)
            await self._start_again(unit)

    async def _start_again(self, unit: Unit) -> None:
        try:
            self._start(unit)
        except OperationalError as error:
            self._say(str(error))
            return
        if not await unit.came_up():
            return
        self._note(unit.name, "ready")
        self._say(f"{unit.name} is back")


async def _ended(unit: Unit) -> int:
    """Wait for a unit's process to end; return its exit code."""
    if unit.process is None:
        return 0
    code = unit.process.poll()
    if code is not None:
        return code
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    handle = os.pidfd_open(unit.process.pid)
    loop.add_reader(handle, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return unit.process.wait()
