"""Ways in which a database breaks off a batch: each bet has one true answer in the end, and no money is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest
from shop import batch, judge, open_shop, writing
from wallets import until


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
