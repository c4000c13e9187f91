"""Durable bets a second on two shards in batches of at most 1000, against pgbench on the same server."""

import asyncio
import time
from importlib.resources import files
from typing import Any

import asyncpg

from loadtest.bench import pgbench, postgres_cost
from loadtest.bench.bets import DEPOSIT_MINOR, PLAYERS, Crowd, OpenLoop, saturate
from loadtest.bench.result import Result, percentile, summarise
from loadtest.progress import Progress
from reference_impl.stack.ledgers import Ledgers

SHARDS = 2
BATCH_BETS = 1000
BATCHES = 60
PEER_S = 3
OFFERED_PER_S = (5_000, 10_000)
OFFERED_S = 5.0
SETTLE_DOWN_S = 0.5


class Floor:
    """The stripped design, on databases of its own.

    Parameters
    ----------
    ledgers : Ledgers
        Whose server it uses.
    """

    def __init__(self, ledgers: Ledgers) -> None:
        self._ledgers = ledgers
        self._connections: list[asyncpg.Connection[asyncpg.Record]] = []

    async def open(self) -> None:
        """Create it."""
        for number in range(SHARDS):
            connection = await asyncpg.connect(await self._ledgers.create_database(f"floor_{number}"))
            await connection.execute(files("loadtest.bench").joinpath("floor.sql").read_text())
            accounts = "INSERT INTO floor_account SELECT g, $1::bigint FROM generate_series(1, $2::integer) g"
            await connection.execute(accounts, DEPOSIT_MINOR, PLAYERS)
            await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
            self._connections.append(connection)

    async def saturate(self, crowd: Crowd) -> float:
        """Return durable bets a second."""
        ready = [[crowd.batch(1, BATCH_BETS) for _ in range(BATCHES)] for _ in self._connections]
        started_s = time.perf_counter()

        async def lane(connection: "asyncpg.Connection[asyncpg.Record]", batches: list[Any]) -> None:
            query = "SELECT floor_place($1, $2, $3, $4, $5)"
            for one in batches:
                await connection.fetchval(query, one.refs, one.accounts, one.rounds, one.selections, one.amounts)

        await asyncio.gather(*map(lane, self._connections, ready))
        return BATCHES * BATCH_BETS * SHARDS / (time.perf_counter() - started_s)

    async def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            await connection.close()


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    async with Ledgers(SHARDS) as ledgers:
        crowd, floor = Crowd(ledgers), Floor(ledgers)
        progress.say("preparing players, pgbench and the floor")
        await crowd.open()
        await floor.open()
        peer_dsn = await ledgers.create_database("pgbench")
        await pgbench.prepare(peer_dsn)
        known = await crowd.open_round()
        await saturate(crowd, known, 5, BATCH_BETS)
        meter = postgres_cost.Meter.of(ledgers)
        ours: list[float] = []
        peers: list[dict[int, float]] = []
        floors: list[float] = []
        costs: list[dict[str, float]] = []
        for leg in range(n):
            # Side by side, and each as often first: what pgbench leaves to be written slows whoever comes after it.
            if leg % 2:
                floors.append(await floor.saturate(crowd))
            rate, cost = await _ours(meter, crowd, known)
            ours.append(rate)
            costs.append(cost)
            if not leg % 2:
                floors.append(await floor.saturate(crowd))
            peers.append(await pgbench.best_tps(peer_dsn, PEER_S))
            progress.say(
                f"{leg + 1}/{n}: ours {ours[-1]:,.0f}, pgbench {max(peers[-1].values()):,.0f},"
                f" floor {floors[-1]:,.0f} a second"
            )
        detail = {
            "legs_ours": [round(rate) for rate in ours],
            "legs_peer": [{str(clients): round(tps) for clients, tps in leg.items()} for leg in peers],
            "floor": round(sorted(floors)[n // 2]),
            "legs_floor": [round(rate) for rate in floors],
            "of_floor": round(sorted(o / f for o, f in zip(ours, floors, strict=True))[n // 2], 3),
            **{name: round(sorted(cost[name] for cost in costs)[n // 2], 1) for name in costs[0]},
            "natural_batching": [await _natural(crowd, known, rate, progress) for rate in OFFERED_PER_S],
        }
        await floor.close()
    best = [max(leg.values()) for leg in peers]
    return summarise("wallet", "durable bets/s", ours, best, "pgbench -s 50 -M prepared, best of 1/8/32", detail)


async def _ours(meter: postgres_cost.Meter, crowd: Crowd, known: int) -> tuple[float, dict[str, float]]:
    before = await meter.read()
    rate = await saturate(crowd, known, BATCHES, BATCH_BETS)
    return rate, (await meter.read()).a_bet_since(before, BATCHES * BATCH_BETS * SHARDS)


async def _natural(crowd: Crowd, known: int, offered_per_s: int, progress: Progress) -> dict[str, float]:
    await asyncio.sleep(SETTLE_DOWN_S)
    loop = OpenLoop(crowd, known, offered_per_s)
    await loop.run(OFFERED_S)
    got = {
        "offered_per_s": offered_per_s, "bets": len(loop.latencies_ms),
        "p50_ms": percentile(loop.latencies_ms, 0.5), "p99_ms": percentile(loop.latencies_ms, 0.99),
    }  # fmt: skip
    progress.say(f"natural batching at {offered_per_s:,}/s: p50 {got['p50_ms']} ms, p99 {got['p99_ms']} ms")
    return got
