"""What the supervisor sees, for a process beside the roles to see too: a line an event, with whom it happened to.

The file outlives every role, so whoever reads it can tell which processes run while the bus or the database is away.
"""

import os
import signal
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.recording import LineFile
from reference_impl.stack.supervisor import Event, Unit

SIGHTINGS: Final = "sightings.jsonl"
EVENTS_KEPT: Final = 1_000
_RUNNING: Final = ("started", "ready")


class _Sighting(Struct, frozen=True, array_like=True):
    t_ns: int
    node: str
    what: str
    pid: int
    stop_signal: int


def new_sightings(path: Path) -> LineFile:
    """Begin the file anew: who was seen by an earlier supervisor is no business of ours."""
    path.unlink(missing_ok=True)
    return LineFile(path)


def line_of(event: Event, unit: Unit) -> bytes:
    """Return the line that tells an event."""
    pid = unit.process.pid if unit.process else 0
    return msgspec.json.encode(_Sighting(*event, pid, unit.stop_signal)) + b"\n"


class SeenProcesses:
    """The processes of the system beside us, as the supervisor last saw them.

    Parameters
    ----------
    path : Path
        The supervisor's file of lines.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._last: dict[str, _Sighting] = {}

    @property
    def names(self) -> list[str]:
        """Everybody who was seen, in the order in which they were started."""
        return list(self._look())

    @property
    def events(self) -> list[Event]:
        """What happened, the last :data:`EVENTS_KEPT`."""
        self._look()
        return list(self._events)

    @property
    def stop_signals(self) -> dict[str, signal.Signals]:
        """How each process is asked to end."""
        return {name: signal.Signals(seen.stop_signal) for name, seen in self._look().items()}

    def runs(self, name: str) -> bool:
        """Tell whether a process runs now."""
        seen = self._look().get(name)
        return seen is not None and seen.what in _RUNNING

    def pid(self, name: str) -> int:
        """Return a process's id.

        Raises
        ------
        OperationalError
            If it does not run.
        """
        if not self.runs(name):
            raise OperationalError(f"{name} does not run; known are {', '.join(self._last)}")
        return self._last[name].pid

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to a process, SIGKILL unless said otherwise."""
        os.kill(self.pid(name), signal_number)

    def _look(self) -> dict[str, _Sighting]:
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            lines = file.read()  # each line is one write, so there are whole ones only
        self._read_bytes += len(lines)
        for line in lines.splitlines():
            seen = msgspec.json.decode(line, type=_Sighting)
            self._last[seen.node] = seen
            self._events.append(Event(seen.t_ns, seen.node, seen.what))
        return self._last
