"""Ways in which a database breaks off a batch: each bet has one true answer in the end, and no money is lost."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from wallets import until

from reference_impl.domain.bets import Status
from reference_impl.domain.messages import BetAnswers, BetBatch
from reference_impl.stack.embedded import EmbeddedPostgres, Identity
from reference_impl.stack.processes import end
from reference_impl.wallet.database import prepare_shard
from reference_impl.wallet.verify import verify_shard
from reference_impl.wallet.writer import Writer

ROUND = 1 << 32 | 1
FAR = datetime(2090, 1, 1, tzinfo=UTC)
PLAYERS = list(range(1, 51))
DEPOSIT = 1_000_000


async def open_shop(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT take_table(1)")
    await connection.fetchval(
        "SELECT open_accounts($1, $2, $3)", [f"{n:032x}" for n in PLAYERS], PLAYERS, [DEPOSIT] * len(PLAYERS)
    )
    await connection.execute("SELECT open_window($1, 0, 1, 1, $2)", ROUND, FAR)
    await connection.close()


def batch(first: int, count: int) -> BetBatch:
    accounts = [PLAYERS[n % len(PLAYERS)] for n in range(count)]
    refs = [(10_000 + first + n).to_bytes(16, "big") for n in range(count)]
    return BetBatch(refs, accounts, [ROUND] * count, [0] * count, [3] * count, [10] * count, [False] * count)


@asynccontextmanager
async def writing(dsn: str) -> AsyncIterator[Writer]:
    writer = Writer(dsn, lambda: None)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def judge(dsn: str, answers: list[BetAnswers], bets: int) -> None:
    """Every bet is accepted once, as it was answered; the money is all there; the chain recomputes."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT seq, balance_after FROM journal WHERE kind = 3 AND status = 1 ORDER BY seq"
        )
        told = sorted(
            (seq, balance)
            for answer in answers
            for status, seq, balance in zip(answer.status, answer.seq, answer.balance, strict=True)
            if status == Status.ACCEPTED
        )
        assert told == [(row["seq"], row["balance_after"]) for row in rows]
        assert len(told) == bets
        assert await connection.fetchval("SELECT sum(balance)::bigint FROM account") == 0
        players = await connection.fetchval("SELECT sum(balance)::bigint FROM account WHERE id >> 56 = 0")
        assert players == len(PLAYERS) * DEPOSIT - 10 * bets
        assert (await verify_shard(connection, {})).findings == []
    finally:
        await connection.close()


class CuttingProxy:
    """Passes everything on; once armed, it lets the next request through and breaks the connection at its answer."""

    def __init__(self, dsn: str) -> None:
        self._target = urlsplit(dsn)
        self.armed = False
        self.cut = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        yield self._target._replace(netloc=f"{self._target.username}:{self._target.password}@127.0.0.1:{port}").geturl()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        lost = asyncio.Event()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    if answers and self.armed:
                        self.armed = False
                        self.cut += 1
                        break
                    sink.write(data)
                    await sink.drain()
            lost.set()

        pumps = [
            asyncio.create_task(pump(reader, up_writer, answers=False)),
            asyncio.create_task(pump(up_reader, writer, answers=True)),
        ]
        await lost.wait()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for stream in (writer, up_writer):
            stream.transport.abort()


async def test_an_answer_cut_off_after_the_commit_is_given_again(shard_dsn: str) -> None:
    await open_shop(shard_dsn)
    proxy = CuttingProxy(shard_dsn)
    async with proxy.listening() as dsn, writing(dsn) as writer:
        answers = [await writer.place(batch(0, 10))]
        for n in range(1, 9):
            proxy.armed = True
            answers.append(await asyncio.wait_for(writer.place(batch(10 * n, 10)), 20))
    assert proxy.cut == 8
    await judge(shard_dsn, answers, 90)


async def test_a_batch_that_a_deadlock_broke_off_is_placed_again(
    shard_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    await open_shop(shard_dsn)
    rival = await asyncpg.connect(shard_dsn)
    await rival.execute("SET deadlock_timeout = '30s'")  # the writer notices first, so that it is the one to lose
    owner = await asyncpg.connect(shard_dsn)
    await owner.execute("ALTER ROLE CURRENT_USER SET deadlock_timeout = '50ms'")
    try:
        async with writing(shard_dsn) as writer:
            trade = rival.transaction()
            await trade.start()
            await rival.execute("UPDATE account SET version = version WHERE id = 1")
            waiting = writer.place(batch(0, 10))
            await until(lambda: is_waiting(owner))
            await rival.execute("SELECT FROM head FOR UPDATE")  # returns once the writer was broken off
            await trade.rollback()
            answers = [await asyncio.wait_for(waiting, 20)]
        assert "DeadlockDetectedError" in caplog.text
    finally:
        await owner.execute("ALTER ROLE CURRENT_USER RESET deadlock_timeout")
        await rival.close()
        await owner.close()
    await judge(shard_dsn, answers, 10)


async def test_a_batch_that_could_not_be_serialised_is_placed_again(
    shard_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    await open_shop(shard_dsn)
    rival = await asyncpg.connect(shard_dsn)
    name = await rival.fetchval("SELECT current_database()")
    await rival.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    async with writing(shard_dsn) as writer:
        answers = [await writer.place(batch(0, 5))]
        trade = rival.transaction()
        await trade.start()
        await rival.execute("UPDATE head SET seq = seq")
        waiting = writer.place(batch(5, 5))
        await until(lambda: is_waiting(rival))
        await trade.commit()
        answers.append(await asyncio.wait_for(waiting, 20))
    await rival.close()
    assert "SerializationError" in caplog.text
    await judge(shard_dsn, answers, 10)


async def is_waiting(connection: asyncpg.Connection) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await connection.fetchval(query))


class OnSmallDisk(EmbeddedPostgres):
    """A server with one folder on a file system of a few megabytes, which only it sees."""

    def __init__(self, folder: Path, size: str) -> None:
        super().__init__(folder)
        self.small = folder / "small"
        self.small.mkdir()
        mount = f'mount -t tmpfs -o size={size},mode=777 none "{self.small}" && exec "$@"'
        become = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        self._identity = Identity(("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *become))

    @property
    def reason_why_not(self) -> str:
        """Why this machine cannot do it; empty if it can."""
        done = subprocess.run((*self._identity.prefix, "true"), capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else f"no file system of our own here: {done.stderr.strip()}"


async def test_bets_wait_for_a_full_disk_and_are_all_placed_once_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = OnSmallDisk(tmp_path, "36m")
    if why := server.reason_why_not:
        pytest.skip(why)
    server.start()
    try:
        owner = await asyncpg.connect(server.dsn("postgres"))
        await owner.execute(f"CREATE TABLESPACE small LOCATION '{server.small}'")
        await owner.execute("CREATE DATABASE shard_0 TABLESPACE small TEMPLATE template0")
        await owner.close()
        dsn = server.dsn("shard_0")
        await prepare_shard(dsn, 0)
        await open_shop(dsn)
        owner = await asyncpg.connect(dsn)
        await owner.execute("CREATE TABLE ballast AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 25000)")
        async with writing(dsn) as writer:
            placing = [writer.place(batch(1000 * n, 1000)) for n in range(20)]
            async with asyncio.timeout(60):
                while "DiskFullError" not in caplog.text:
                    await asyncio.sleep(0.05)
                    assert not all(future.done() for future in placing), "the disk never was full"
            await owner.execute("DROP TABLE ballast")
            answers = await asyncio.wait_for(asyncio.gather(*placing), 60)
        await owner.close()
        await judge(dsn, answers, 20_000)
    finally:
        end([(server.process, server.stop_signal)], 10)
