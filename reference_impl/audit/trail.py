"""The audit trail: every batch of every shard's hash chain, written outside PostgreSQL as it happens.

One append-only file a shard holds the batches to the letter; recomputing the chain over it needs nothing else. Every
ten seconds the chain heads go to ``anchors.log``, so that a later rewrite of the database *and* of a trail would still
contradict them.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

STREAM = "EVENTS"
FETCH_BATCHES_MAX = 200
FETCH_S = 1.0
ANCHOR_S = 10.0
STREAM_WAIT_S = 0.2

log = logging.getLogger(__name__)


class Line(msgspec.Struct, frozen=True):
    """One line of a trail: a batch of the chain and the hash after it."""

    batch: int
    subject: str
    hash: str
    payload: str


class Head(NamedTuple):
    """The end of a shard's chain as far as the trail knows it."""

    batch: int
    hash: bytes


def genesis(shard: int) -> Head:
    """Return the head of an empty chain."""
    return Head(0, hashlib.sha256(shard.to_bytes(4, "big")).digest())


def follow(head: Head, line: Line) -> Head | None:
    """Return the head after a line, or None if the line does not continue the chain."""
    link = hashlib.sha256(head.hash + line.payload.encode()).digest()
    return Head(line.batch, link) if line.batch == head.batch + 1 and link.hex() == line.hash else None


def read_trail(path: Path) -> list[Line]:
    """Return a trail's lines; a torn last line is left out."""
    if not path.exists():
        return []
    whole, _, _torn = path.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(row, type=Line) for row in whole.splitlines()]


class Audit:
    """The audit role: all shards.

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
        self.broken: list[str] = []

    async def run(self, ready: Callable[[], None]) -> None:
        """Write until cancelled."""
        self._folder.mkdir(parents=True, exist_ok=True)
        ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._consume())
            group.create_task(self._anchor())

    async def _consume(self) -> None:
        stream = self._bus.jetstream()
        while True:
            try:
                consumer = await stream.pull_subscribe(
                    "", durable="audit", stream=STREAM, config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
                )
                while True:
                    try:
                        batch = await consumer.fetch(FETCH_BATCHES_MAX, timeout=FETCH_S)
                    except TimeoutError:  # nats raises its own and asyncio's, of which its own is one
                        continue
                    self._write(batch)
                    for msg in batch:
                        await msg.ack()
            except (nats.errors.Error, NotFoundError) as error:
                log.info("audit waits for the event stream: %s", error)
                await asyncio.sleep(STREAM_WAIT_S)

    def _write(self, batch: list[Msg]) -> None:
        lines: dict[int, list[bytes]] = {}
        for msg in batch:
            headers = msg.headers or {}
            shard, number = (int(part) for part in headers["Nats-Msg-Id"].split("-"))
            head = self._heads[shard]
            if number <= head.batch:
                continue  # delivered again
            line = Line(number, msg.subject, headers["Hash"], msg.data.decode())
            after = follow(head, line)
            if after is None:
                self.broken.append(f"shard {shard}: batch {number} does not continue batch {head.batch}")
                log.error("audit: %s", self.broken[-1])
                after = Head(number, bytes.fromhex(line.hash))
            self._heads[shard] = after
            lines.setdefault(shard, []).append(msgspec.json.encode(line) + b"\n")
        for shard, rows in lines.items():
            with self._trail(shard).open("ab") as trail:
                trail.writelines(rows)

    async def _anchor(self) -> None:
        while True:
            await asyncio.sleep(ANCHOR_S)
            with (self._folder / "anchors.log").open("a") as anchors:
                for shard, head in self._heads.items():
                    anchors.write(f"{time.time_ns()} {shard} {head.batch} {head.hash.hex()}\n")

    def _resume(self, shard: int) -> Head:
        lines = read_trail(self._trail(shard))
        return Head(lines[-1].batch, bytes.fromhex(lines[-1].hash)) if lines else genesis(shard)

    def _trail(self, shard: int) -> Path:
        return self._folder / f"trail-{shard}.jsonl"
