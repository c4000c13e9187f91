"""Seconds to settle 10,000 bets on two shards, against one UPDATE and one INSERT a bet in one transaction."""

import asyncio
import time
from typing import Any

import asyncpg
import numpy as np

from loadtest.bench.bets import DEPOSIT_MINOR, PLAYERS, Crowd, OpenLoop, saturate
from loadtest.bench.result import Result, percentile, summarise
from loadtest.progress import Progress
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.stack.ledgers import Ledgers

SHARDS = 2
BETS = 10_000
BATCH_BETS = 1000
MANY_TIMES = 10
OTHER_BETS_PER_S = 1000
IDLE_S = 3.0
OUTCOME = 17

_PEER_SCHEMA = """
    CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE payout (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account bigint, amount bigint);
"""


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    async with Ledgers(SHARDS) as ledgers:
        progress.say("preparing players")
        crowd = Crowd(ledgers)
        await crowd.open()
        peers = [await _peer(await ledgers.create_database(f"peer_{number}")) for number in range(SHARDS)]
        ours: list[float] = []
        theirs: list[float] = []
        await _settle(crowd, BETS // 10)
        for leg in range(n):
            ours.append(await _settle(crowd, BETS))
            theirs.append(await _settle_peers(peers, crowd))
            progress.say(f"{leg + 1}/{n}: ours {ours[-1]:.3f} s, one by one {theirs[-1]:.3f} s")
        detail = await _others(crowd) | {
            "legs_ours_s": [round(seconds, 3) for seconds in ours],
            "bets_x10_s": round(await _settle(crowd, BETS * MANY_TIMES), 3),
        }
        for peer in peers:
            await peer.close()
    return summarise(
        "settle", "s for 10,000 bets", ours, theirs, "one UPDATE and INSERT a bet, one transaction a shard", detail,
        lower_is_better=True,
    )  # fmt: skip


async def _closed_round(crowd: Crowd, bets: int) -> int:
    known = await crowd.open_round()
    await saturate(crowd, known, bets // BATCH_BETS // SHARDS or 1, min(BATCH_BETS, bets // SHARDS))
    for shard in range(SHARDS):
        await crowd.ledgers.control(shard, m.CloseWindow(known, 0, 1))
    return known


async def _settle(crowd: Crowd, bets: int) -> float:
    known = await _closed_round(crowd, bets)
    return await _settle_round(crowd, known)


async def _settle_round(crowd: Crowd, known: int) -> float:
    started_s = time.perf_counter()
    asks = [crowd.ledgers.control(shard, m.SettleRound(known, 1, OUTCOME)) for shard in range(SHARDS)]
    replies = await asyncio.gather(*asks)
    if refused := [reply for reply in replies if not isinstance(reply, m.Done)]:
        raise OperationalError(f"a shard did not settle round {known}: {refused[0]}")
    return time.perf_counter() - started_s


async def _others(crowd: Crowd) -> dict[str, Any]:
    """Return what bets of another round wait for, idle and while 10,000 bets are settled again and again."""
    other = await crowd.open_round()
    rounds = [await _closed_round(crowd, BETS) for _ in range(3)]
    idle = OpenLoop(crowd, other, OTHER_BETS_PER_S)
    await idle.run(IDLE_S)
    during = OpenLoop(crowd, other, OTHER_BETS_PER_S)

    async def settle_all() -> float:
        await asyncio.sleep(0.1)
        return max([await _settle_round(crowd, known) for known in rounds])

    running = asyncio.ensure_future(settle_all())
    while not running.done():
        await during.run(0.1)
    return {
        "other_bets_per_s": OTHER_BETS_PER_S,
        "idle_p50_ms": percentile(idle.latencies_ms, 0.5),
        "idle_p99_ms": percentile(idle.latencies_ms, 0.99),
        "during_p50_ms": percentile(during.latencies_ms, 0.5),
        "during_p99_ms": percentile(during.latencies_ms, 0.99),
        "with_other_bets_s": round(running.result(), 3),
    }


async def _peer(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(dsn)
    await connection.execute(_PEER_SCHEMA)
    await connection.execute(
        "INSERT INTO account SELECT g, $1::bigint FROM generate_series(1, $2::integer) g", DEPOSIT_MINOR, PLAYERS
    )
    return connection


async def _settle_peers(peers: "list[asyncpg.Connection[asyncpg.Record]]", crowd: Crowd) -> float:
    batches = [crowd.batch(1, BETS // SHARDS) for _ in peers]
    started_s = time.perf_counter()
    await asyncio.gather(*map(_settle_one_by_one, peers, batches))
    return time.perf_counter() - started_s


async def _settle_one_by_one(connection: "asyncpg.Connection[asyncpg.Record]", bets: m.BetBatch) -> None:
    payouts = ROULETTE.payouts_minor(np.array(bets.selections), np.array(bets.amounts), OUTCOME).tolist()
    async with connection.transaction():
        pay = await connection.prepare("UPDATE account SET balance = balance + $2 WHERE id = $1")
        note = await connection.prepare("INSERT INTO payout (account, amount) VALUES ($1, $2)")
        for account, payout in zip(bets.accounts, payouts, strict=True):
            await pay.fetch(account, payout)
            await note.fetch(account, payout)
