"""A backup that was taken while rows came in is restored to exactly the point that was named, and can be written to."""

import asyncpg
import pytest

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.backup import Archive, back_up, moved, name_point, restored, start_restored
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end

STOP_S_MAX = 5.0


def stop(server):
    if server.process is not None:
        end([(server.process, server.stop_signal)], STOP_S_MAX)


async def test_what_came_before_the_point_is_there_and_nothing_that_came_after(tmp_path):
    server = EmbeddedPostgres(tmp_path)
    server.start()
    dsn = server.dsn("postgres")
    archive = Archive(dsn, tmp_path / "archive")
    try:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE kept (number int)")
        await archive.start()
        await connection.execute("INSERT INTO kept VALUES (1)")
        await back_up(dsn, tmp_path / "backup")
        await connection.execute("INSERT INTO kept VALUES (2)")
        point = await name_point(dsn, "here")
        await connection.execute("INSERT INTO kept VALUES (3)")
        await archive.holds(point)
        await connection.close()
    finally:
        stop(server)
        archive.end()
    (tmp_path / "restored").mkdir()
    again = restored(tmp_path / "backup", tmp_path / "archive", "here", tmp_path / "restored")
    try:
        await start_restored(again, moved(dsn, again))
        connection = await asyncpg.connect(moved(dsn, again))
        assert [row["number"] for row in await connection.fetch("SELECT number FROM kept")] == [1, 2]
        await connection.execute("INSERT INTO kept VALUES (4)")
        await connection.close()
    finally:
        stop(again)


async def test_a_backup_of_nobody_is_refused_in_one_line_without_the_password(tmp_path):
    with pytest.raises(OperationalError, match="pg_basebackup ended with 1: ") as raised:
        await back_up("postgresql://livetable:secret@127.0.0.1:9/postgres", tmp_path / "backup")
    assert "secret" not in str(raised.value)
