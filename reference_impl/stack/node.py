"""What a process has besides its roles: its name, the wiring, the bus, its record files, its load, its metrics."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from nats.aio.client import Client

from reference_impl.domain.records import Layout
from reference_impl.metrics import Family
from reference_impl.stack.config import Wiring
from reference_impl.stack.recording import LineFile, RecordFile
from reference_impl.stack.telemetry import Load


class Role(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Run; call `ready` once it serves."""


class Node:
    """One process of the system.

    Parameters
    ----------
    name : str
        The process's name in the plan.
    wiring : Wiring
        Addresses and secrets.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(self, name: str, wiring: Wiring, bus: Client) -> None:
        self.name = name
        self.wiring = wiring
        self.bus = bus
        self.load: Callable[[], Load] = lambda: (0, 0, 0, 0)
        self.families: Callable[[], list[Family]] = list
        self._files: list[RecordFile] = []

    @property
    def number(self) -> int:
        """The number in the name: a shard, a table, a gateway or an edge."""
        return int(self.name.partition("-")[2])

    def records(self, layout: Layout, look: Callable[[memoryview], None] | None = None) -> RecordFile:
        """Open this process's record file of a layout; `look` as in :class:`RecordFile`."""
        file = RecordFile(Path(self.wiring.record_dir) / f"{layout.name}-{self.name}.bin", layout, look=look)
        self._files.append(file)
        return file

    def lines(self, name: str) -> LineFile:
        """Open this process's file of lines of a name."""
        return LineFile(Path(self.wiring.record_dir) / f"{name}-{self.name}.jsonl")

    def flush(self) -> None:
        """Hand all records to the kernel."""
        for file in self._files:
            file.flush()
