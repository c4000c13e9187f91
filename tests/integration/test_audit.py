"""The audit: every batch written once and in order, though it and the bus are killed."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from shards import connect_as_writer

from reference_impl import bus
from reference_impl.audit.trail import Audit, follow, genesis, read_trail
from reference_impl.stack.embedded import EmbeddedNats
from reference_impl.stack.processes import end
from reference_impl.wallet.relay import Relay

BATCHES = 1200


@pytest.fixture
def nats_server(tmp_path: Path):
    server = EmbeddedNats(tmp_path)
    server.start()
    yield server
    end([(server.process, server.stop_signal)], 5)


async def audit_for(seconds: float, folder: Path, url: str) -> None:
    """Run an audit of its own connection, and cut it off in whatever it does."""
    client = await bus.connect(url, "audit")
    auditing = asyncio.create_task(Audit(folder, 1, client).run(lambda: None))
    await asyncio.sleep(seconds)
    auditing.cancel()
    await asyncio.gather(auditing, return_exceptions=True)
    await client.close()


async def test_the_trail_has_every_batch_once_though_audit_and_bus_are_cut_off(
    shard_dsn: str, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    db = await connect_as_writer(shard_dsn)
    await db.execute("SELECT take_table(1)")
    client = await bus.connect(nats_server.url, "relay")
    relaying = asyncio.create_task(Relay(0, shard_dsn, client).run(lambda: None))
    folder = tmp_path / "audit"
    folder.mkdir()

    async def write() -> None:
        for number in range(BATCHES):
            await db.execute("SELECT announce(1, 1, $1)", str(number))

    async def disturb() -> None:
        for number in range(6):
            await audit_for(0.3, folder, nats_server.url)
            with (folder / "trail-0.jsonl").open("ab") as trail:
                trail.write(b'{"batch":')  # what a SIGKILL in mid-write leaves
            if number % 2:
                os.kill(nats_server.process.pid, signal.SIGKILL)
                nats_server.process.wait()
                await asyncio.to_thread(nats_server.start)

    await asyncio.gather(write(), disturb())
    last = await db.fetchval("SELECT max(id) FROM batch")
    for _ in range(20):
        await audit_for(1.0, folder, nats_server.url)
        lines = read_trail(folder / "trail-0.jsonl")
        if lines and lines[-1].batch == last:
            break
    assert [line.batch for line in lines] == list(range(1, last + 1))
    head = genesis(0)
    for line in lines:
        head = follow(head, line)
        assert head is not None
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    await client.close()
    await db.close()
