"""Operations per CPU-second of the load generator, against plain Locust with websocket-client at equal fidelity.

Both drive the same house (:mod:`loadtest.bench.house`) with the same players and the same schedule, and both leave the
same records. An operation is a bet with its answer in the journal; around it come the table's events and payments,
which both record too. CPU is that of the generator's process over a window in which everybody plays.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from loadtest.bench.house import PHASES
from loadtest.bench.result import Result, summarise
from loadtest.generator import locust_command, locust_environment
from loadtest.plan import LoadPlan
from loadtest.progress import Progress
from reference_impl.domain.bets import BetTiming
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.records import GENERATOR, OPS, PUSHES, OpEvent, OpKind
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.stack.processes import end, free_port, spawn
from reports.convert import read_records
from sim.scenario import Betting, Scenario

PLAYERS = 2000
MANY = 5000
RAMP_S = 4.0
ROUNDS = 2
"""Whole rounds that a leg is measured over, so that both sides' windows hold the same phases."""
MANY_RAMP_S = 20.0
MANY_ROUNDS = 4
MARGIN_S = 1.0
DRAIN_S = 3.0
START_S_MAX = 60.0
END_S_MAX = 5.0

ROUND_S = sum(lasts_s for _, lasts_s in PHASES)
_HERE = Path(__file__).parent
_OURS = _HERE.parent / "users" / "locustfile.py"
_PEER = _HERE / "plain" / "locustfile.py"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Leg(NamedTuple):
    """What a generator did within the window in which everybody played."""

    operations: int
    pushes: int
    cpu_s: float
    seconds: float
    unanswered: int
    lag_p99_ms: float
    timer_ms_max: float
    rss_mib: float

    @property
    def per_cpu_s(self) -> float:
        """Operations per CPU-second."""
        return self.operations / self.cpu_s


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs, and then a crowd of :data:`MANY` with ours."""
    ours: list[Leg] = []
    peer: list[Leg] = []
    for number in range(n):
        ours.append(await asyncio.to_thread(leg, _OURS, PLAYERS, RAMP_S, ROUNDS))
        peer.append(await asyncio.to_thread(leg, _PEER, PLAYERS, RAMP_S, ROUNDS))
        progress.say(
            f"{number + 1}/{n}: ours {ours[-1].per_cpu_s:,.0f} operations per CPU-s, plain {peer[-1].per_cpu_s:,.0f}"
        )
    progress.say(f"{MANY:,} sockets")
    many = await asyncio.to_thread(leg, _OURS, MANY, MANY_RAMP_S, MANY_ROUNDS)
    detail = {"ours": _said(ours[-1]), "peer": _said(peer[-1]), f"sockets_{MANY}": _said(many)}
    return summarise(
        "loadgen", "operations per CPU-s", [one.per_cpu_s for one in ours], [one.per_cpu_s for one in peer],
        "Locust + websocket-client, same schedule and records", detail,
    )  # fmt: skip


def leg(locustfile: Path, players: int, ramp_s: float, rounds: int) -> Leg:
    """Drive a fresh house with a generator, over so many whole rounds after the ramp.

    Raises
    ------
    OperationalError
        If the generator does not begin, or ends with a failure.
    """
    with tempfile.TemporaryDirectory(prefix="livetable-loadgen-") as name:
        folder, load_s = Path(name), ramp_s + 2 * MARGIN_S + rounds * ROUND_S
        port = free_port()
        house = spawn([sys.executable, "-m", "loadtest.bench.house", str(port)], folder / "house.log")
        plan = LoadPlan(
            name="loadgen", scenario=_scenario(players, ramp_s, load_s), api_url=f"ws://127.0.0.1:{port}/",
            record_dir=name, nonce=1, adapter="loadtest.bench.house_adapter:HouseTable",
        )  # fmt: skip
        plan.save(folder / "load.json")
        time.sleep(1.0)
        shape = [] if locustfile == _OURS else ["--users", str(players), "--spawn-rate", str(players)]
        command = [*locust_command(locustfile, plan.api_url, folder), *shape]
        if shape:
            command += ["--run-time", f"{load_s + DRAIN_S:g}s"]
        generator = spawn(command, folder / "locust.log", env=locust_environment(folder / "load.json"))
        try:
            return _watch(plan, generator.pid, folder, rounds)
        finally:
            end([(generator, signal.SIGTERM), (house, signal.SIGTERM)], END_S_MAX)


def _scenario(players: int, ramp_s: float, load_s: float) -> Scenario:
    timing = Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300)
    betting = Betting(participation=0.9, bets_per_round_mean=3.0, timing=BetTiming())
    return Scenario(tables=1, players_per_table=players, ramp_s=ramp_s, load_s=load_s, timing=timing, betting=betting)


def _watch(plan: LoadPlan, pid: int, folder: Path, rounds: int) -> Leg:
    deadline_s = time.monotonic() + START_S_MAX
    while (start_ns := plan.start_ns()) is None:
        if time.monotonic() > deadline_s or not Path(f"/proc/{pid}").exists():
            raise OperationalError(f"the generator did not begin: {_last_words(folder)}")
        time.sleep(0.05)
    from_ns = start_ns + round((plan.scenario.ramp_s + MARGIN_S) * NS_PER_S)
    _sleep_until(from_ns)
    before_s, from_ns = _cpu_s(pid), time.monotonic_ns()
    _sleep_until(from_ns + round(rounds * ROUND_S * NS_PER_S))
    cpu_s, until_ns, rss_mib = _cpu_s(pid) - before_s, time.monotonic_ns(), _rss_mib(pid)
    _sleep_until(until_ns + round((MARGIN_S + DRAIN_S) * NS_PER_S))
    return _leg(folder, from_ns, until_ns, cpu_s, rss_mib)


def _leg(folder: Path, from_ns: int, until_ns: int, cpu_s: float, rss_mib: float) -> Leg:
    rows = read_records(folder, OPS)
    rows = rows[rows["kind"] == int(OpKind.BET)]
    asked, answered = rows[rows["event"] == OpEvent.INVOKE], rows[rows["event"] == OpEvent.RETURN]
    within = asked[(asked["invoke_ns"] >= from_ns) & (asked["invoke_ns"] < until_ns)]
    if not len(within):
        raise OperationalError(f"the generator placed no bet: {_last_words(folder)}")
    done = int(((answered["return_ns"] >= from_ns) & (answered["return_ns"] < until_ns)).sum())
    pushes = read_records(folder, PUSHES)["app_ns"]
    health = read_records(folder, GENERATOR)
    health = health[(health["t_ns"] >= from_ns) & (health["t_ns"] < until_ns)]
    return Leg(
        operations=done,
        pushes=int(((pushes >= from_ns) & (pushes < until_ns)).sum()),
        cpu_s=cpu_s,
        seconds=(until_ns - from_ns) / NS_PER_S,
        unanswered=len(np.setdiff1d(within["op"], answered["op"])),
        lag_p99_ms=float(np.percentile(within["invoke_ns"] - within["due_ns"], 99)) / NS_PER_MS,
        timer_ms_max=float(health["lag_ns_max"].max()) / NS_PER_MS if len(health) else 0.0,
        rss_mib=rss_mib,
    )


def _last_words(folder: Path) -> str:
    return (folder / "locust.log").read_text(errors="replace")[-500:]


def _said(one: Leg) -> dict[str, Any]:
    return {name: round(value, 3) for name, value in one._asdict().items()} | {
        "cpu_share": round(one.cpu_s / one.seconds, 3), "us_per_operation": round(1e6 / one.per_cpu_s, 1),
    }  # fmt: skip


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sleep_until(at_ns: int) -> None:
    time.sleep(max(at_ns - time.monotonic_ns(), 0) / NS_PER_S)
