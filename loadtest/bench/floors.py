"""What the wallet's bench could reach at most: the wallet's design stripped of what makes it safe, and less still."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, TypeAlias

import asyncpg

from loadtest.bench.bets import DEPOSIT_MINOR, PLAYERS, Crowd
from reference_impl.domain.wallet_messages import BetBatch
from reference_impl.stack.ledgers import Ledgers

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Floors:
    """Both floors, in a database of their own for each shard.

    Parameters
    ----------
    ledgers : Ledgers
        Whose server they use.
    """

    def __init__(self, ledgers: Ledgers) -> None:
        self._ledgers = ledgers
        self._connections: list[Connection] = []

    async def open(self) -> None:
        """Create them."""
        for number in range(self._ledgers.shards):
            connection = await asyncpg.connect(await self._ledgers.create_shard(f"floor_{number}", number))
            await connection.execute(files("loadtest.bench").joinpath("floor.sql").read_text())
            for table, columns in (("account", "id, balance, currency"), ("bare_account", "id, balance")):
                values = "g, $1::bigint, 978" if "currency" in columns else "g, $1::bigint"
                query = f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, $2::integer) g"  # noqa: S608
                await connection.execute(query, DEPOSIT_MINOR, PLAYERS)
            await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
            self._connections.append(connection)

    async def stripped(self, crowd: Crowd, batches: int, batch_bets: int) -> float:
        """Return durable bets a second of the stripped design: same rows, same answers."""
        query = "SELECT status, balance, version, seq FROM floor_place($1, $2, $3, $4, $5, $6)"

        def place(connection: Connection, one: BetBatch) -> Awaitable[Any]:
            columns = one.refs, one.accounts, one.rounds, one.windows, one.selections, one.amounts
            return connection.fetchrow(query, *columns)

        return await self._rate(place, crowd, batches, batch_bets)

    async def bare(self, crowd: Crowd, batches: int, batch_bets: int) -> float:
        """Return durable bets a second of a debit and a short row."""
        query = "SELECT bare_place($1, $2, $3, $4, $5)"

        def place(connection: Connection, one: BetBatch) -> Awaitable[Any]:
            return connection.fetchval(query, one.refs, one.accounts, one.rounds, one.selections, one.amounts)

        return await self._rate(place, crowd, batches, batch_bets)

    async def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            await connection.close()

    async def _rate(
        self, place: Callable[[Connection, BetBatch], Awaitable[Any]], crowd: Crowd, batches: int, batch_bets: int
    ) -> float:
        ready = [[crowd.batch(1, batch_bets) for _ in range(batches)] for _ in self._connections]
        started_s = time.perf_counter()

        async def lane(connection: Connection, waiting: list[BetBatch]) -> None:
            for one in waiting:
                await place(connection, one)

        await asyncio.gather(*map(lane, self._connections, ready))
        return batches * batch_bets * len(self._connections) / (time.perf_counter() - started_s)
