"""Ledgers alone: an embedded PostgreSQL and a writer a shard, without bus, gateways or relays. What benches drive."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import asyncpg

from reference_impl.domain.wallet_messages import BetAnswers, BetBatch, ControlReply, ControlRequest
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end
from reference_impl.wallet.database import prepare_shard
from reference_impl.wallet.service import step_of
from reference_impl.wallet.writer import Writer

STOP_S = 10.0


class Ledgers:
    """Shards with their writers; an async context manager.

    Parameters
    ----------
    shards : int
        How many.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.server: EmbeddedPostgres
        self._writers: list[Writer] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="livetable-ledgers-"))
        self.server = EmbeddedPostgres(Path(folder))
        self.server.start()
        if self.server.process is not None:
            self._stack.callback(end, [(self.server.process, self.server.stop_signal)], STOP_S)
        for shard in range(self.shards):
            await self.create_shard(f"shard_{shard}", shard)
            self._writers.append(Writer(self.dsn(shard), lambda: None))
        running = [asyncio.ensure_future(writer.run()) for writer in self._writers]
        self._stack.callback(lambda: [task.cancel() for task in running])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def dsn(self, shard: int) -> str:
        """Return the address of a shard's database."""
        return self.server.dsn(f"shard_{shard}")

    async def create_database(self, name: str) -> str:
        """Create a database beside the shards; return its address."""
        connection = await asyncpg.connect(self.server.dsn("postgres"))
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.server.dsn(name)

    async def create_shard(self, name: str, shard: int) -> str:
        """Create a database that is a shard; return its address."""
        dsn = await self.create_database(name)
        await prepare_shard(dsn, shard)
        return dsn

    def place(self, shard: int, batch: BetBatch) -> "asyncio.Future[BetAnswers]":
        """Hand bets to a shard's writer; the future is their durable answer."""
        return self._writers[shard].place(batch)

    def control(self, shard: int, ask: ControlRequest) -> "asyncio.Future[ControlReply]":
        """Hand a writing request to a shard's writer."""
        return self._writers[shard].control(step_of(ask))
