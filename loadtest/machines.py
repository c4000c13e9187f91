"""Load from several machines: what a load worker elsewhere and its master tell each other, and what becomes of records.

Both speak over Locust's own channel. A worker elsewhere shares neither folder nor clock with its master, so

1. it asks for the plan (``hello``), and measures the master's clock against its own (``ping``) before the load starts
   and once a second while it runs;
2. it asks for the next people to play (``claim``), so that everybody is played once, whoever has a user to spare;
3. it appends its records to files of its own, in its own time, and sends what they have grown by (``records``), a piece
   at a time: the next goes out when the last is acknowledged. So one piece a worker is under way, a lost link costs
   no record that arrived before, and one that comes back goes on where it stopped.

When everybody has left, the master says ``finish``; a worker sends the rest, and last of all the file :data:`LAST`,
which holds the sizes of the others. Whose last file is not there, or names more than there is, has records missing.

Nothing here knows Locust, sockets or clocks: :class:`Outbox` reads what a worker has to send, :class:`Inbox` writes it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from reference_impl.domain.errors import ConfigError, RemoteProtocolError
from reference_impl.domain.units import KIB

HELLO: Final = "livetable.hello"
PLAN: Final = "livetable.plan"
PING: Final = "livetable.ping"
PONG: Final = "livetable.pong"
READY: Final = "livetable.ready"
START: Final = "livetable.start"
CLAIM: Final = "livetable.claim"
CLAIMED: Final = "livetable.claimed"
RECORDS: Final = "livetable.records"
RECEIVED: Final = "livetable.received"
FINISH: Final = "livetable.finish"

MASTER_PORT: Final = 5557
"""Locust's own."""

PIECE_BYTES_MAX: Final = 256 * KIB
PIECE_S_MAX: Final = 5.0
"""A piece that is not acknowledged within this time is sent again; where it belongs is said with it."""

WORKERS_S_MAX: Final = 600.0
"""How long a master waits for its workers to be started."""

DELIVERY_S_MAX: Final = 20.0
"""How long a master waits for the rest of the records when the load is over."""

CLOCK_PINGS: Final = 8
CLOCK_S_MAX: Final = 10.0
"""So many round trips tell the master's time before a load starts, and so long they may take."""

LAST: Final = "delivered"

REFUSED: Final = "refused.txt"
"""The file in which a worker says why it does not take its master's plan."""

_FILE_NAME: Final = re.compile(r"[a-z]+-[A-Za-z0-9.-]{1,80}")
"""Names of files of records, such as ``ops-w0.bin``. They lead nowhere else."""


LEFTOVERS: Final = "w*"
"""Workers' own folders (:func:`own_folder`), as a pattern."""


class Machines(NamedTuple):
    """Where a master waits for workers of other machines, and for how many.

    Parameters
    ----------
    expected : int
        Worker processes; the load starts when so many are there.
    bind : str
        The address that it listens on. Locust's channel knows no password: beyond loopback, a network of one's own.
    port : int
        Its port.
    """

    expected: int
    bind: str = "127.0.0.1"
    port: int = MASTER_PORT


class Piece(NamedTuple):
    """A part of a file, and where in it the part begins."""

    name: str
    at_bytes: int
    data: bytes


class Outbox:
    """What a worker has to send: every file in a folder that holds records, from where the master has it.

    Parameters
    ----------
    folder : Path
        The worker's own. Files only grow.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._received: dict[str, int] = {}

    def pieces(self) -> Iterator[Piece]:
        """Return a piece of each file that has grown; what is left of it comes with the next call."""
        for name, size_bytes in self._sizes().items():
            at_bytes = self._received.get(name, 0)
            if size_bytes > at_bytes:
                with (self._folder / name).open("rb") as file:
                    file.seek(at_bytes)
                    yield Piece(name, at_bytes, file.read(PIECE_BYTES_MAX))

    def received(self, name: str, size_bytes: int) -> None:
        """Note how much of a file the master has."""
        self._received[name] = size_bytes

    def seal(self, worker: int) -> str:
        """Write the last file, which names the sizes of all others, when they grow no more; return its name."""
        name = last_file(worker)
        (self._folder / name).write_bytes(msgspec.json.encode(self._sizes()))
        return name

    def is_empty(self) -> bool:
        """Tell whether the master has everything."""
        return all(self._received.get(name, 0) >= size_bytes for name, size_bytes in self._sizes().items())

    def _sizes(self) -> dict[str, int]:
        entries = [entry for entry in os.scandir(self._folder) if _FILE_NAME.fullmatch(entry.name)]
        sizes = {entry.name: entry.stat().st_size for entry in entries}
        return {name: size_bytes for name, size_bytes in sizes.items() if size_bytes}


class Inbox:
    """Where a master puts what workers send.

    Parameters
    ----------
    folder : Path
        The campaign's records.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, piece: Piece) -> int:
        """Write a piece; return how large its file is now. One that came before changes nothing.

        Raises
        ------
        RemoteProtocolError
            If the name is none of a record file, the piece is too large, or what precedes it is not there.
        """
        name, at_bytes, data = piece
        if not _FILE_NAME.fullmatch(name) or len(data) > PIECE_BYTES_MAX:
            raise RemoteProtocolError(
                f"'{name[:80]}': {len(data)} bytes, limit {PIECE_BYTES_MAX}, or no name of records"
            )
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size_bytes = os.fstat(file).st_size
            if at_bytes > size_bytes:
                raise RemoteProtocolError(f"{name}: a piece from byte {at_bytes} on, only {size_bytes} are here")
            return max(size_bytes, at_bytes + os.pwrite(file, data, at_bytes))
        finally:
            os.close(file)

    def is_complete(self, worker: int) -> bool:
        """Tell whether everything that a worker recorded is here."""
        return records_complete(self._folder, worker)


def own_folder(folder: Path, worker: int) -> Path:
    """Return where a worker writes; it is gone again when its master has everything."""
    return folder / f"w{worker}"


def last_file(worker: int) -> str:
    """Return the name of the file that a worker sends last."""
    return f"{LAST}-w{worker}.json"


def records_complete(folder: Path, worker: int) -> bool:
    """Tell whether a folder holds all that a worker recorded: the last file, and every file at the size it names."""
    try:
        sizes = msgspec.json.decode((folder / last_file(worker)).read_bytes(), type=dict[str, int])
        return all((folder / name).stat().st_size >= size_bytes for name, size_bytes in sizes.items())
    except (OSError, msgspec.MsgspecError):  # it is not there, or not yet there as a whole
        return False


def machines_wanted(expected: int | None, bind: str, port: int, target: str) -> Machines:
    """Return where a master is to wait.

    Raises
    ------
    ConfigError
        If the number of workers or the target is not named: neither has a sensible default.
    """
    if not target:
        raise ConfigError("--master needs --target: a system that workers on other machines can reach")
    if expected is None:
        raise ConfigError("--master needs --expect-workers N: the load starts when so many are there")
    return Machines(expected, bind, port)
