"""Two shards with their wallets on a real bus, without gateways, for tests that kill what lies between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import asyncpg
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl import bus
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import AccountKind
from reference_impl.stack.embedded import EmbeddedNats, EmbeddedPostgres
from reference_impl.stack.processes import end
from reference_impl.stack.verification import verify
from reference_impl.wallet.database import prepare_shard
from reference_impl.wallet.service import Wallet

EUR = 978
_decode = msgspec.msgpack.Decoder(m.ControlRequest).decode
_bets_of = msgspec.msgpack.Decoder(m.BetAnswers).decode
_encode = msgspec.msgpack.Encoder().encode


class Wallets:
    """An async context manager; wallets are started and stopped one by one, stopped as if killed."""

    def __init__(self, dsns: list[str], nats_url: str) -> None:
        self.dsns = dsns
        self._nats_url = nats_url
        self._serving: dict[int, tuple[asyncio.Task[None], Client]] = {}
        self.client: Client
        self._number = 0

    async def __aenter__(self) -> Self:
        self.client = await self.connect()
        for shard, dsn in enumerate(self.dsns):
            await prepare_shard(dsn, shard)
            await self.start(shard)
        return self

    async def __aexit__(self, *_: object) -> None:
        for shard in list(self._serving):
            await self.stop(shard)
        await self.client.close()

    async def connect(self) -> Client:
        return await bus.connect(self._nats_url, "test")

    async def start(self, shard: int) -> None:
        client, ready = await self.connect(), asyncio.Event()
        wallet = Wallet(shard, self.dsns[shard], client, len(self.dsns))
        self._serving[shard] = asyncio.create_task(wallet.run(ready.set)), client
        await ready.wait()

    async def stop(self, shard: int) -> None:
        """End a wallet wherever it is: its connections break, its subscriptions are gone."""
        task, client = self._serving.pop(shard)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
        await asyncio.sleep(0.05)  # transports close behind their connections

    async def ask(self, shard: int, ask: m.ControlRequest, expected: type = m.Answers) -> Any:
        reply = await bus.ask_wallet_until_answered(self.client, shard, ask, expected)
        assert isinstance(reply, expected), reply
        return reply

    async def place(self, shard: int, accounts: list[int], known: int, amount: int = 100) -> list[bytes]:
        """Place a bet of each account; all must be accepted."""
        refs = [self.ref() for _ in accounts]
        n = len(accounts)
        batch = m.BetBatch(refs, accounts, [known] * n, [0] * n, [i % 157 for i in range(n)], [amount] * n, [False] * n)
        answer = await self.client.request(f"wallet.{shard}.bets", _encode(batch), timeout=5)
        assert set(_bets_of(answer.data).status) == {Status.ACCEPTED}
        return refs

    def ref(self) -> bytes:
        self._number += 1
        return self._number.to_bytes(16, "big")

    async def open_accounts(self, shard: int, accounts: list[int], amount: int) -> None:
        refs = [self.ref() for _ in accounts]
        await self.ask(shard, m.MoveCash([1] * len(accounts), refs, accounts, [amount] * len(accounts), 0))

    async def rows(self, shard: int, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsns[shard])
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def require_sound_books(self) -> None:
        """All balances of each shard sum to zero, nothing is in escrow, the chains recompute."""
        for shard in range(len(self.dsns)):
            assert [r["s"] for r in await self.rows(shard, "SELECT sum(balance)::bigint AS s FROM account")] == [0]
            kept = "SELECT id FROM account WHERE id >> 56 = $1 AND balance <> 0"
            assert await self.rows(shard, kept, int(AccountKind.ESCROW)) == []
        assert [verified.findings for verified in await verify(self.dsns, None)] == [[] for _ in self.dsns]


class HaltingBus:
    """A bus that answers only so many requests, counted from the first that `counts`; after that nothing returns.

    For whoever holds it this is the instant of its death: it does nothing more.
    """

    def __init__(self, client: Client, allowed: int, counts: Callable[[m.ControlRequest], bool]) -> None:
        self._client = client
        self._left = allowed
        self._counts = counts
        self._counting = False
        self.halted = asyncio.Event()
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def request(self, subject: str, payload: bytes, timeout: float) -> Msg:  # noqa: ASYNC109 - as NATS has it
        ask = _decode(payload)
        self._counting = self._counting or self._counts(ask)
        if self._counting:
            self._left -= 1
            if self._left < 0:
                self.halted.set()
                await asyncio.Event().wait()
            self.asked.append(type(ask).__name__)
        return await self._client.request(subject, payload, timeout=timeout)


async def until(holds: Callable[[], Awaitable[Any]], limit_s: float = 10.0) -> None:
    """Wait until something about a database is true."""
    async with asyncio.timeout(limit_s):
        while not await holds():  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def two_wallets(postgres: EmbeddedPostgres, folder: Path, called: str) -> AsyncIterator[Wallets]:
    """Two shards of their own on a server, with their wallets on a NATS server of their own."""
    nats = EmbeddedNats(folder)
    nats.start()
    names = [f"{called}_{folder.name}_{shard}".lower() for shard in range(2)]
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    for name in names:
        await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    try:
        async with Wallets([postgres.dsn(name) for name in names], nats.url) as two:
            yield two
    finally:
        end([(nats.process, nats.stop_signal)], 5)
