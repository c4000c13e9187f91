"""The audit trail: every batch of every shard's hash chain, written outside PostgreSQL as it happens.

One append-only file a shard holds the batches to the letter; recomputing the chain over it needs nothing else. Every
ten seconds the chain heads go to ``anchors.log``, so that a later rewrite of the database *and* of a trail would still
contradict them.
"""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from reference_impl.bus import fetch, read_after
from reference_impl.domain.errors import ConfigError

ANCHOR_S = 10.0
STREAM_WAIT_S = 0.2

log = logging.getLogger(__name__)


class Line(msgspec.Struct, frozen=True):
    """One line of a trail: a batch of the chain, the hash after it, and its place in the event stream."""

    batch: int
    subject: str
    hash: str
    payload: str
    place: int = 0


class Head(NamedTuple):
    """The end of a shard's chain as far as the trail knows it, and its place in the event stream."""

    batch: int
    hash: bytes
    place: int = 0


def genesis(shard: int) -> Head:
    """Return the head of an empty chain."""
    return Head(0, hashlib.sha256(shard.to_bytes(4, "big")).digest())


def follow(head: Head, line: Line) -> Head | None:
    """Return the head after a line, or None if the line does not continue the chain."""
    link = hashlib.sha256(head.hash + line.payload.encode()).digest()
    return Head(line.batch, link, line.place) if line.batch == head.batch + 1 and link.hex() == line.hash else None


def read_trail(path: Path) -> list[Line]:
    """Return a trail's lines; a torn last line is left out."""
    if not path.exists():
        return []
    whole, _, _torn = path.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(row, type=Line) for row in whole.splitlines()]


def trail_files(folder: Path) -> dict[int, Path]:
    """Return the trails of a folder by shard.

    Raises
    ------
    ConfigError
        If it holds none.
    """
    files = {int(file.stem.removeprefix("trail-")): file for file in folder.glob("trail-*.jsonl")}
    if not files:
        raise ConfigError(f"{folder} holds no trail: no file trail-<shard>.jsonl is there")
    return dict(sorted(files.items()))


class Audit:
    """The audit role: all shards.

    It keeps its own place in the event stream, in the trail itself, and acknowledges nothing: what a broken connection
    swallowed is read again from there. So nothing is written out of order, and nothing twice.

    Parameters
    ----------
    folder : Path
        Where the trails and the anchors are.
    shards : int
        Number of shards.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(self, folder: Path, shards: int, bus: Client) -> None:
        self._folder = folder
        self._bus = bus
        self._heads = {shard: self._resume(shard) for shard in range(shards)}
        self._missing: tuple[int, int] | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Write until cancelled."""
        self._folder.mkdir(parents=True, exist_ok=True)
        ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._consume())
            group.create_task(self._anchor())

    async def _consume(self) -> None:
        while True:
            place = min(head.place for head in self._heads.values())
            try:
                consumer = await read_after(self._bus, place)
                while self._write(await fetch(consumer)):
                    pass
                await consumer.unsubscribe()
            except (nats.errors.Error, NotFoundError) as error:
                log.info("audit waits for the event stream: %s", error)
                await asyncio.sleep(STREAM_WAIT_S)

    def _write(self, batch: list[Msg]) -> bool:
        """Write what continues the trails; False if something is missing before it, which must be read again."""
        lines: dict[int, list[bytes]] = {}
        whole = True
        for msg in batch:
            headers = msg.headers or {}
            shard, number = (int(part) for part in headers["Nats-Msg-Id"].split("-"))
            head, place = self._heads[shard], msg.metadata.sequence.stream
            if number <= head.batch:
                self._heads[shard] = head._replace(place=place)
                continue
            if number > head.batch + 1 and self._missing != (shard, head.batch + 1):
                self._missing = (shard, head.batch + 1)
                whole = False
                break
            line = Line(number, msg.subject, headers["Hash"], msg.data.decode(), place)
            self._heads[shard] = follow(head, line) or self._note_break(shard, head, line)
            lines.setdefault(shard, []).append(msgspec.json.encode(line) + b"\n")
        for shard, rows in lines.items():
            with self._trail(shard).open("ab") as trail:
                trail.writelines(rows)
        return whole

    @staticmethod
    def _note_break(shard: int, head: Head, line: Line) -> Head:
        log.error("audit: shard %d: batch %d does not continue batch %d", shard, line.batch, head.batch)
        return Head(line.batch, bytes.fromhex(line.hash), line.place)

    async def _anchor(self) -> None:
        while True:
            await asyncio.sleep(ANCHOR_S)
            with (self._folder / "anchors.log").open("a") as anchors:
                for shard, head in self._heads.items():
                    anchors.write(f"{time.time_ns()} {shard} {head.batch} {head.hash.hex()}\n")

    def _resume(self, shard: int) -> Head:
        path = self._trail(shard)
        lines = read_trail(path)
        if path.exists():
            # A torn last line is cut off before anything is written behind it.
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        return Head(lines[-1].batch, bytes.fromhex(lines[-1].hash), lines[-1].place) if lines else genesis(shard)

    def _trail(self, shard: int) -> Path:
        return self._folder / f"trail-{shard}.jsonl"
