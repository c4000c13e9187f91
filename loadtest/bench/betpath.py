"""The whole way of a bet, from a client's socket to its durable answer, against the usual stack on the same machine.

Ours is the whole system with everything on: gateways, one writer a shard, PostgreSQL, the hash-chained journal, relay,
JetStream, audit, dealer. The peer is :mod:`loadtest.bench.usual_stack` on a PostgreSQL of its own with the same
settings. Both run all the time, and the same clients load them in turn. First each is saturated: every client keeps
bets outstanding. Then each is offered a quarter and a half of its own saturation, whatever its answers do; ours once
more while thousands of other sockets hear events. These legs are repeated, too, ours before the peer's, whose database
tidies up after its own: a figure is the median of theirs, and what each of them saw stands beside it.
"""

import asyncio
import os
import secrets
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from loadtest.bench.clients import BetLeg, BetsDone, Sockets
from loadtest.bench.crowd_process import CrowdProcess
from loadtest.bench.listening import listening
from loadtest.bench.result import Result, summarise
from loadtest.bench.seats import DEPOSIT_MINOR, Seats
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_S
from reference_impl.pulse import cost_of
from reference_impl.stack.config import StackConfig
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end, free_port, spawn
from reference_impl.stack.telemetry import family_of

try:
    from loadtest.bench.usual_stack import DSN_VARIABLE, ONE_STATEMENT_VARIABLE, ROUND, SCHEMA, SELECTIONS, TABLE
except ImportError:
    raise ConfigError("bench betpath needs FastAPI: run `make setup`") from None

CONNECTIONS = 500
WATCHERS = 2_000
"""Sockets that only hear events, some four a second each."""
OUTSTANDING = {"ours": 2_000, "peer": 500}
"""Bets under way at saturation. The peer serves one a socket at a time; more of them only wait."""
WARM_S, SATURATE_S, OFFER_S, REST_S = 1.0, 3.0, 4.0, 0.5
SHARES = (0.25, 0.5)
STOP_S = 5.0
BUSY_TABLE = 2

LONG = Timing(window_ms=3_600_000)
BUSY = Timing(window_ms=1_000, closing_soon_ms=500, dealing_ms=300, pause_ms=100, flush_ms_max=300)
SYSTEM = StackConfig(
    tables=2, gateways=2, shards=2, edges=0, games=(ROULETTE.name,), timings=(LONG, BUSY), stake_minor_max=1_000_000
)


class Rate(NamedTuple):
    """One leg at saturation."""

    bets_per_s: float
    cpu_us: float
    clients_cpu_share: float
    p99_ms: float


class Side(NamedTuple):
    """One of the two systems, with its clients connected."""

    name: str
    crowd: CrowdProcess
    cpu_s: Callable[[], float]
    round: int

    async def leg(self, outstanding: int, bets_per_s: float, measure_s: float) -> tuple[BetsDone, float]:
        """Let the clients bet; return what became of the bets, and the server's CPU seconds."""
        told = BetLeg(outstanding, bets_per_s, WARM_S, measure_s, TABLE, self.round, SELECTIONS, secrets.token_hex(8))
        done, cpu_s = await self.crowd.bet(told, self.cpu_s)
        if done.rejected or done.unanswered:
            raise OperationalError(f"{self.name}: {done.rejected} bets rejected, {done.unanswered} without an answer")
        await asyncio.sleep(REST_S)
        return done, cpu_s

    async def saturate(self) -> Rate:
        """Return bets a second when every client keeps bets outstanding."""
        done, cpu_s = await self.leg(OUTSTANDING[self.name], 0.0, SATURATE_S)
        return Rate(done.accepted_per_s, cpu_s / SATURATE_S / done.accepted_per_s * 1e6, done.cpu_share, done.p99_ms)

    async def offer(self, bets_per_s: float) -> dict[str, float]:
        """Return latencies when bets come whatever the answers do."""
        done, _ = await self.leg(0, bets_per_s, OFFER_S)
        return {
            "offered_per_s": round(bets_per_s), "accepted_per_s": round(done.accepted_per_s),
            "p50_ms": round(done.p50_ms, 1), "p99_ms": round(done.p99_ms, 1),
            "clients_late_p99_ms": round(done.late_p99_ms, 1), "clients_cpu_share": round(done.cpu_share, 3),
        }  # fmt: skip


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    progress.say("starting our system and the usual stack")
    async with AsyncExitStack() as open_:
        seats = await open_.enter_async_context(Seats(SYSTEM))
        await seats.open_accounts(range(1, CONNECTIONS + WATCHERS + 1))
        round_id = await seats.open_round(TABLE)
        crowd = await open_.enter_async_context(CrowdProcess(seats.sockets(range(1, CONNECTIONS + 1), TABLE)))
        ours = Side("ours", crowd, lambda: sum(seats.cpu_s().values()), round_id)
        peer = await open_.enter_async_context(_usual_stack())
        rates: dict[str, list[Rate]] = {"ours": [], "peer": []}
        split: list[dict[str, float]] = []
        for turn in range(n):
            before = seats.cpu_s()
            rates["ours"].append(await ours.saturate())
            split.append({name: cpu_s - before[name] for name, cpu_s in seats.cpu_s().items()})
            rates["peer"].append(await peer.saturate())
            progress.say(f"{turn + 1}/{n}: " + ", ".join(_words(name, legs[-1]) for name, legs in rates.items()))
        detail = _detail(rates, split)
        detail["offered"] = await _offered(n, ours, peer, seats, rates, progress)
    detail["peer_variants"] = await _variants(progress)
    return summarise(
        "betpath", "accepted bets/s", [rate.bets_per_s for rate in rates["ours"]],
        [rate.bets_per_s for rate in rates["peer"]], "FastAPI + asyncpg, a transaction a bet", detail,
    )  # fmt: skip


def _words(name: str, rate: Rate) -> str:
    return f"{name} {rate.bets_per_s:,.0f} bets/s at {rate.cpu_us:,.0f} µs (clients {rate.clients_cpu_share:.0%})"


def _detail(rates: dict[str, list[Rate]], split: list[dict[str, float]]) -> dict[str, Any]:
    cpu = {name: statistics.median(rate.cpu_us for rate in legs) for name, legs in rates.items()}
    whole = [sum(one.values()) for one in split]
    return {
        "server_cpu_us_per_bet": {name: round(us, 1) for name, us in cpu.items()},
        "server_cpu_ratio": round(cpu["peer"] / cpu["ours"], 2),
        "server_cpu_us_per_bet_by_process": {
            name: round(cpu["ours"] * statistics.median(o[name] / w for o, w in zip(split, whole, strict=True)), 1)
            for name in split[0]
        },
        **{
            f"legs_{name}": [{field: round(value, 3) for field, value in rate._asdict().items()} for rate in legs]
            for name, legs in rates.items()
        },
    }


async def _offered(
    n: int, ours: Side, peer: Side, seats: Seats, rates: dict[str, list[Rate]], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Offer shares of saturation: to both, and to ours again while the events of a busy table go out."""
    legs: dict[str, list[dict[str, float]]] = defaultdict(list)

    async def offer(side: Side, share: float, kind: str) -> None:
        rate = statistics.median(rate.bets_per_s for rate in rates[side.name])
        leg = await side.offer(share * rate)
        legs[kind].append(leg)
        progress.say(f"{kind}: p50 {leg['p50_ms']} ms, p99 {leg['p99_ms']} ms")

    for share in SHARES * n:
        await offer(ours, share, f"ours at {share:g}")
    watching = seats.sockets(range(CONNECTIONS + 1, CONNECTIONS + WATCHERS + 1), BUSY_TABLE)
    async with CrowdProcess(watching):
        for share in SHARES * n:
            await offer(ours, share, f"ours at {share:g} with events")
    for share in SHARES * n:
        await offer(peer, share, f"peer at {share:g}")
    return {kind: _typical(of) for kind, of in legs.items()}


def _typical(legs: list[dict[str, float]]) -> dict[str, Any]:
    """Return each figure's median over the legs, and every leg's 99th percentile."""
    medians: dict[str, Any] = {name: round(statistics.median(leg[name] for leg in legs), 3) for name in legs[0]}
    return medians | {"p99_ms_by_leg": [leg["p99_ms"] for leg in legs]}


async def _variants(progress: Progress) -> dict[str, dict[str, float]]:
    """Measure what else the peer's team might try, once each."""
    found = {}
    for name, workers, settings in (
        ("2 workers", 2, {}),
        ("a statement a bet", 1, {ONE_STATEMENT_VARIABLE: "1"}),
    ):
        async with _usual_stack(workers, settings) as peer:
            rate = await peer.saturate()
        found[name] = {"bets_per_s": round(rate.bets_per_s), "server_cpu_us_per_bet": round(rate.cpu_us, 1)}
        progress.say(f"the usual stack, {name}: {_words('peer', rate)}")
    return found


@asynccontextmanager
async def _usual_stack(workers: int = 1, settings: dict[str, str] | None = None) -> AsyncIterator[Side]:
    """Run the peer, its database and its clients."""
    with tempfile.TemporaryDirectory(prefix="livetable-bench-") as name:
        folder = Path(name)
        database = EmbeddedPostgres(folder)
        database.start()
        processes = [(database.process, database.stop_signal)] if database.process else []
        try:
            dsn = database.dsn("postgres")
            await _open_peer_accounts(dsn)
            port = free_port()
            command = [
                sys.executable, "-m", "uvicorn", "loadtest.bench.usual_stack:app", "--port", str(port),
                "--workers", str(workers), "--log-level", "warning",
            ]  # fmt: skip
            environment = os.environ | {DSN_VARIABLE: dsn} | (settings or {})
            server = spawn(command, folder / "uvicorn.log", env=environment)
            processes.insert(0, (server, signal.SIGTERM))
            await listening(port)
            urls = [f"ws://127.0.0.1:{port}/?player={player}" for player in range(1, CONNECTIONS + 1)]
            pids = [process.pid for process, _ in processes]
            async with CrowdProcess(Sockets(urls, [""] * CONNECTIONS)) as crowd:
                yield Side("peer", crowd, lambda: _cpu_s(pids), ROUND)
        finally:
            end(processes, STOP_S)


def _cpu_s(pids: list[int]) -> float:
    return sum(cost_of(*family_of(pid)).cpu_ns for pid in pids) / NS_PER_S


async def _open_peer_accounts(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(SCHEMA)
        await connection.execute(
            "INSERT INTO account SELECT n, $1::bigint, 0 FROM generate_series(1, $2::integer) n",
            DEPOSIT_MINOR,
            CONNECTIONS,
        )
    finally:
        await connection.close()
