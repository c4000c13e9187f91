"""Durable bets a second on two shards in batches of at most 1000, against pgbench on the same server.

``of_floor`` is what the hash chain, outbox, escrow, windows, limits and the second index leave of the same design
without them (``floor.sql``); ``of_bare_floor`` compares with a debit and a short row that answers nothing.
"""

import asyncio
import statistics
from collections.abc import Sequence

from loadtest.bench import pgbench, postgres_cost
from loadtest.bench.bets import Crowd, OpenLoop, saturate
from loadtest.bench.floors import Floors
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


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    async with Ledgers(SHARDS) as ledgers:
        crowd, floors = Crowd(ledgers), Floors(ledgers)
        progress.say("preparing players, pgbench and the floors")
        await crowd.open()
        await floors.open()
        peer_dsn = await ledgers.create_database("pgbench")
        await pgbench.prepare(peer_dsn)
        known = await crowd.open_round()
        await saturate(crowd, known, 5, BATCH_BETS)
        meter = postgres_cost.Meter.of(ledgers)
        ours: list[float] = []
        peers: list[dict[int, float]] = []
        stripped: list[float] = []
        bare: list[float] = []
        costs: list[dict[str, float]] = []
        for leg in range(n):
            # Side by side, and in turn first: what pgbench leaves to be written slows whoever comes after it.
            for turn in range(3):
                match (leg + turn) % 3:
                    case 0:
                        rate, cost = await _ours(meter, crowd, known)
                        ours.append(rate)
                        costs.append(cost)
                    case 1:
                        stripped.append(await floors.stripped(crowd, BATCHES, BATCH_BETS))
                    case _:
                        bare.append(await floors.bare(crowd, BATCHES, BATCH_BETS))
            peers.append(await pgbench.best_tps(peer_dsn, PEER_S))
            progress.say(
                f"{leg + 1}/{n}: ours {ours[-1]:,.0f}, pgbench {max(peers[-1].values()):,.0f},"
                f" floor {stripped[-1]:,.0f}, bare floor {bare[-1]:,.0f} a second"
            )
        detail = {
            "legs_ours": [round(rate) for rate in ours],
            "legs_peer": [{str(clients): round(tps) for clients, tps in leg.items()} for leg in peers],
            "floor": round(statistics.median(stripped)),
            "legs_floor": [round(rate) for rate in stripped],
            "of_floor": _share(ours, stripped),
            "bare_floor": round(statistics.median(bare)),
            "legs_bare_floor": [round(rate) for rate in bare],
            "of_bare_floor": _share(ours, bare),
            **{name: round(sorted(cost[name] for cost in costs)[n // 2], 1) for name in costs[0]},
            "natural_batching": [await _natural(crowd, known, rate, n, progress) for rate in OFFERED_PER_S],
        }
        await floors.close()
    best = [max(leg.values()) for leg in peers]
    return summarise("wallet", "durable bets/s", ours, best, "pgbench -s 50 -M prepared, best of 1/8/32", detail)


def _share(ours: Sequence[float], floor: Sequence[float]) -> float:
    return round(statistics.median(o / f for o, f in zip(ours, floor, strict=True)), 3)


async def _ours(meter: postgres_cost.Meter, crowd: Crowd, known: int) -> tuple[float, dict[str, float]]:
    before = await meter.read()
    rate = await saturate(crowd, known, BATCHES, BATCH_BETS)
    return rate, (await meter.read()).a_bet_since(before, BATCHES * BATCH_BETS * SHARDS)


async def _natural(
    crowd: Crowd, known: int, offered_per_s: int, n: int, progress: Progress
) -> dict[str, float | list[float]]:
    """Offer a rate `n` times; return the medians, and each run's p99."""
    bets, p50s, p99s = 0, [], []
    for _ in range(n):
        await asyncio.sleep(SETTLE_DOWN_S)
        loop = OpenLoop(crowd, known, offered_per_s)
        await loop.run(OFFERED_S)
        bets += len(loop.latencies_ms)
        p50s.append(percentile(loop.latencies_ms, 0.5))
        p99s.append(percentile(loop.latencies_ms, 0.99))
    progress.say(f"natural batching at {offered_per_s:,}/s: p50 {statistics.median(p50s)} ms, p99 {sorted(p99s)} ms")
    return {
        "offered_per_s": offered_per_s, "bets": bets,
        "p50_ms": statistics.median(p50s), "p99_ms": statistics.median(p99s), "legs_p99_ms": p99s,
    }  # fmt: skip
