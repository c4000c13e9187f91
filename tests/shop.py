"""A shard with fifty players and one open window, a writer in front of it, and the judgement of what it answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from reference_impl.domain.bets import Status
from reference_impl.domain.wallet_messages import BetAnswers, BetBatch
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
