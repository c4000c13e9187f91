"""The relay: every batch once and in order, whatever happens to the bus."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from shards import connect_as_writer

from reference_impl import bus
from reference_impl.bus import STREAM
from reference_impl.stack.embedded import EmbeddedNats
from reference_impl.stack.processes import end
from reference_impl.wallet.relay import Relay, ensure_stream

BATCHES = 1500


@pytest.fixture
def nats_server(tmp_path: Path):
    server = EmbeddedNats(tmp_path)
    server.start()
    yield server
    end([(server.process, server.stop_signal)], 5)


async def test_batches_arrive_once_and_in_order_though_the_bus_is_killed(
    shard_dsn: str, nats_server: EmbeddedNats
) -> None:
    db = await connect_as_writer(shard_dsn)
    await db.execute("SELECT take_table(1)")
    client = await bus.connect(nats_server.url, "test")
    relay = Relay(0, shard_dsn, client)
    relaying = asyncio.create_task(relay.run(lambda: None))

    async def write() -> None:
        for number in range(BATCHES):
            await db.execute("SELECT announce(1, 1, $1)", str(number))

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(0.4)
            os.kill(nats_server.process.pid, signal.SIGKILL)
            nats_server.process.wait()
            await asyncio.to_thread(nats_server.start)

    await asyncio.gather(write(), kill())
    last = await db.fetchval("SELECT max(id) FROM batch")
    seen = await read_stream(client, int(last))
    assert seen == [f"0-{number}" for number in range(1, last + 1)]
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    await client.close()
    await db.close()


async def read_stream(client: object, last: int) -> list[str]:
    """Return the message ids in the stream's order, once the last batch is in it."""
    consumer = await client.jetstream().pull_subscribe("", durable="test", stream=STREAM)
    seen: list[str] = []
    async with asyncio.timeout(30):
        while f"0-{last}" not in seen:
            try:
                messages = await consumer.fetch(500, timeout=1)
            except TimeoutError:
                continue
            for message in messages:
                seen.append(message.headers["Nats-Msg-Id"])
                await message.ack()
    return seen


@pytest.mark.parametrize("point", [0, 3, 9])
async def test_the_outbox_is_replayed_from_any_point(shard_dsn: str, nats_server: EmbeddedNats, point: int) -> None:
    db = await connect_as_writer(shard_dsn)
    await db.execute("SELECT take_table(1)")
    for number in range(9):
        await db.execute("SELECT announce(1, 1, $1)", str(number))
    await db.execute("UPDATE relay_cursor SET batch = $1", point)
    client = await bus.connect(nats_server.url, "test")
    await ensure_stream(client)
    relaying = asyncio.create_task(Relay(0, shard_dsn, client).run(lambda: None))
    await db.execute("SELECT announce(1, 1, '9')")
    assert await read_stream(client, 10) == [f"0-{number}" for number in range(point + 1, 11)]
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    await client.close()
    await db.close()
