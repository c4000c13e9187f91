"""Disks that fill up under a shard, of its tables or its WAL: nothing acknowledged is lost; room is all it takes."""

import asyncio
import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from shop import batch, judge, open_shop, writing

from reference_impl.domain.errors import OperationalError
from reference_impl.stack.embedded import EmbeddedPostgres, Identity
from reference_impl.stack.processes import end
from reference_impl.wallet.database import prepare_shard

BATCHES = 12

log = logging.getLogger(__name__)
_ENTER = ("nsenter", "--preserve-credentials", "--user", "--mount")


class SmallDisk:
    """A file system that only those see who enter; it lasts as long as its holder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "small"
        self.path.mkdir()
        mount = f'mount -t tmpfs -o size=200m,mode=777 none "{self.path}" && echo mounted && exec sleep infinity'
        self.holder = subprocess.Popen(
            ("unshare", "--user", "--map-root-user", "--mount", "--kill-child", "sh", "-c", mount),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no file system of our own here: {self.holder.communicate()[1].strip()}")
        self.enter = (*_ENTER, f"--target={self.holder.pid}")

    def leave(self, free_mib: int) -> None:
        """Make it so large that this much is free."""
        said = subprocess.run((*self.enter, "df", "-m", "--output=used", self.path), capture_output=True, check=True)
        size = int(said.stdout.split()[-1]) + free_mib
        subprocess.run((*self.enter, "mount", "-o", f"remount,size={size}m", str(self.path)), check=True)


@contextmanager
def on_small_disk(folder: Path) -> Iterator[tuple[EmbeddedPostgres, SmallDisk]]:
    """A server that sees the small disk; it has not begun."""
    disk = SmallDisk(folder)
    server = EmbeddedPostgres(folder)
    server._identity = Identity((*disk.enter, "unshare", "--user", "--map-user=1000", "--map-group=1000"))
    try:
        yield server, disk
    finally:
        if server.process is not None:
            end([(server.process, server.stop_signal)], 10)
        disk.holder.kill()
        disk.holder.communicate()


async def make_shard(server: EmbeddedPostgres, options: str = "") -> str:
    owner = await asyncpg.connect(server.dsn("postgres"))
    await owner.execute(f"CREATE DATABASE shard_0 TEMPLATE template0 {options}")
    await owner.close()
    dsn = server.dsn("shard_0")
    await prepare_shard(dsn, 0)
    await open_shop(dsn)
    return dsn


async def test_bets_wait_for_a_full_disk_and_are_all_placed_once_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with on_small_disk(tmp_path) as (server, disk):
        server.start()
        owner = await asyncpg.connect(server.dsn("postgres"))
        await owner.execute(f"CREATE TABLESPACE small LOCATION '{disk.path}'")
        await owner.close()
        dsn = await make_shard(server, "TABLESPACE small")
        disk.leave(1)
        async with writing(dsn) as writer:
            placing = [writer.place(batch(1000 * n, 1000)) for n in range(BATCHES)]
            async with asyncio.timeout(60):
                while "DiskFullError" not in caplog.text:
                    await asyncio.sleep(0.05)
                    assert not all(future.done() for future in placing), "the disk never was full"
            disk.leave(100)
            answers = await asyncio.wait_for(asyncio.gather(*placing), 60)
        await judge(dsn, answers, 1000 * BATCHES)


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.soak)])
async def test_a_server_whose_wal_has_no_room_loses_nothing_and_comes_back_when_it_has(
    tmp_path: Path, times: int
) -> None:
    with on_small_disk(tmp_path) as (server, disk):
        put_wal_on(disk, server)
        server.start()
        dsn = await make_shard(server)
        owner = await asyncpg.connect(dsn)
        await owner.execute("SELECT pg_switch_wal()")  # what an old segment has left would be room, too
        await owner.close()
        disk.leave(1)
        async with writing(dsn) as writer:
            placing = [writer.place(batch(1000 * n, 1000)) for n in range(BATCHES)]
            panics = 0
            async with asyncio.timeout(60):
                while panics < times:
                    panics = server._log.read_text().count("PANIC")
                    await keep_up(server)
                    assert not all(future.done() for future in placing), "the disk never was full"
            before = sum(future.done() for future in placing)
            disk.leave(100)
            async with asyncio.timeout(60):
                while not all(future.done() for future in placing):
                    await keep_up(server)
            answers = await asyncio.gather(*placing)
        assert "No space left on device" in server._log.read_text()
        log.info("%d of %d batches were acknowledged before %d panics", before, BATCHES, panics)
        await judge(dsn, answers, 1000 * BATCHES)


def put_wal_on(disk: SmallDisk, server: EmbeddedPostgres) -> None:
    """Create the cluster with its WAL on the small disk."""
    server._create()
    wal, there = server._data / "pg_wal", disk.path / "pg_wal"
    subprocess.run(server._as_somebody("sh", "-c", f'mv "{wal}" "{there}" && ln -s "{there}" "{wal}"'), check=True)


async def keep_up(server: EmbeddedPostgres) -> None:
    """Start a server again that gave up, as a supervisor would; most of the time it recovers, and panics, by itself."""
    if server.process.poll() is not None:
        with suppress(OperationalError):
            await asyncio.to_thread(server.start)
    await asyncio.sleep(0.05)
