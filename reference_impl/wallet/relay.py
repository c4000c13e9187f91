"""From a shard's outbox to JetStream: in order, at least once, from any point.

A batch's number is its message id, so a batch that is published twice is stored once. Everything that a consumer needs
to check the hash chain travels with it: the payload to the letter, and the hash in a header. So does the batch's own
time, Unix µs, by which what a player did is counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
import nats.errors
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

from reference_impl.bus import STREAM
from reference_impl.domain.units import KIB
from reference_impl.wallet.database import connect
from reference_impl.wallet.writer import SEND_AGAIN

SUBJECTS = ["table.*", "ledger.*", "paid.*"]
STREAM_BYTES_MAX = 1024 * 1024 * KIB
READ_BATCHES_MAX = 100
ACK_S_MAX = 2.0
POLL_S = 0.2
RETRY_S = 0.5

log = logging.getLogger(__name__)

_READ = """
    SELECT id, topic, payload, hash, (extract(epoch FROM at) * 1000000)::bigint AS at_us
    FROM batch WHERE id > $1 ORDER BY id LIMIT $2
"""
_MOVE = "UPDATE relay_cursor SET batch = $1"


async def ensure_stream(bus: Client) -> None:
    """Create the stream that keeps all events, if it is not there."""
    await bus.jetstream().add_stream(
        StreamConfig(name=STREAM, subjects=SUBJECTS, storage=StorageType.FILE, max_bytes=STREAM_BYTES_MAX)
    )


@dataclass
class Relay:
    """The relay of one shard.

    Parameters
    ----------
    shard : int
        Its number.
    dsn : str
        Its database.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    shard: int
    dsn: str
    bus: Client

    def __post_init__(self) -> None:
        self._nudged = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Relay until cancelled."""

        async def nudged(_msg: object) -> None:
            self._nudged.set()

        await ensure_stream(self.bus)
        await self.bus.subscribe(f"nudge.{self.shard}", cb=nudged)
        ready()
        while True:
            try:
                await self._follow()
            except (*SEND_AGAIN, nats.errors.Error) as error:
                log.warning("relay of shard %d interrupted (%s: %s)", self.shard, type(error).__name__, error)
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        # The cursor may lag after a crash, never lead: batches are then published again under the same message ids.
        connection = await connect(self.dsn, synchronous_commit="off")
        try:
            cursor = await connection.fetchval("SELECT batch FROM relay_cursor")
            while True:
                self._nudged.clear()
                rows = await connection.fetch(_READ, cursor, READ_BATCHES_MAX)
                if rows:
                    await self._publish(rows)
                    cursor = rows[-1]["id"]
                    await connection.execute(_MOVE, cursor)
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._nudged.wait(), POLL_S)
        finally:
            connection.terminate()

    async def _publish(self, rows: list[asyncpg.Record]) -> None:
        # One at a time: of several on their way when the bus breaks, a later one could be stored before an earlier one.
        stream = self.bus.jetstream()
        for row in rows:
            subject = row["topic"] if "." in row["topic"] else f"{row['topic']}.{self.shard}"
            headers = {
                "Nats-Msg-Id": f"{self.shard}-{row['id']}", "Shard": str(self.shard), "Hash": row["hash"].hex(),
                "Committed-Us": str(row["at_us"]),
            }  # fmt: skip
            await stream.publish(subject, row["payload"].encode(), headers=headers, timeout=ACK_S_MAX)
