"""Faults of the real servers: what they do to a supervised PostgreSQL, and that it is back."""

import asyncio
import errno
from pathlib import Path

import asyncpg
import pytest

from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end
from reference_impl.stack.shim import Shims, Told, compiler
from reference_impl.stack.supervisor import Supervisor


async def first_answer(server: EmbeddedPostgres, limit_s: float) -> int:
    """Wait until the server answers; return how many rows it has."""
    async with asyncio.timeout(limit_s):
        while True:
            try:
                connection = await asyncpg.connect(server.dsn("postgres"), timeout=1)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            rows = await connection.fetchval("SELECT count(*) FROM kept")
            await connection.close()
            return int(rows)


@pytest.mark.skipif(compiler() is None, reason="no C compiler")
async def test_a_database_whose_disk_fails_for_a_while_is_back_with_everything_that_was_committed(
    tmp_path: Path,
) -> None:
    shims = Shims(tmp_path)
    server = EmbeddedPostgres(tmp_path, environment=shims.environment("postgres"))
    supervisor = Supervisor(lambda _: None)
    await supervisor.start(server)
    try:
        connection = await asyncpg.connect(server.dsn("postgres"))
        await connection.execute("CREATE TABLE kept (x int); INSERT INTO kept SELECT generate_series(1, 1000)")
        shims.tell("postgres", Told(fsync_errno=errno.EIO))
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await connection.execute("INSERT INTO kept VALUES (0)")
        await asyncio.sleep(0.5)
        shims.tell("postgres", Told())
        assert await first_answer(server, limit_s=8.0) in {1000, 1001}, "the last row was written, but not acknowledged"
        assert [event.what for event in supervisor.events][-1] == "ready"
    finally:
        await supervisor.stop()


async def test_a_killed_database_is_not_called_ready_for_what_the_dead_one_wrote(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        await asyncio.sleep(0.5)  # its children see that it is gone
        server.launch()
        assert not server.ready()
        assert await asyncio.wait_for(server.came_up(), 10)
    finally:
        end([(server.process, server.stop_signal)], 5)
