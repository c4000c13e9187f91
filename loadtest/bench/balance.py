"""Policies side by side: 200 seeded surges against a million simulated people, for every policy and an oracle.

The model is that of :mod:`sim.balancing`: everybody is a row and is placed and moved by the balancer's own rules, one
at a time; how long work takes follows from formulas. Ours is the policy ``forecast``, the peer is two choices.
"""

import asyncio
import math
import multiprocessing
import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import structs

from loadtest.bench.result import Result
from loadtest.progress import Progress
from reports.balancing import CLOSING, OPENING, ORACLE, OURS, PEER, figure, tables
from reports.publishing import Recipe, Report
from sim.balancing.outcome import Outcome, outcome_of
from sim.balancing.play import BALANCINGS, carried_out
from sim.balancing.setting import Setting
from sim.balancing.surges import Kind, Surge, surge_of

SURGES = 200
STEADY = 2
"""Surges begin from so many steady systems in turn: to fill one takes longer than a surge."""

MAX_MEAN = 1.15
COPIES = 2.0
P99_SHARE = 1.10
Rows = dict[str, list[Outcome]]


def _some(name: str, seeds: Sequence[int], base: int, setting: Setting) -> tuple[str, list[tuple[int, Outcome]], float]:
    """Carry some surges out that begin from one steady system; return outcomes by seed, and CPU seconds."""
    began_s = time.process_time()
    rows = [(seed, outcome_of(carried_out(setting, BALANCINGS[name], surge_of(seed, setting), base))) for seed in seeds]
    return name, rows, time.process_time() - began_s


def carry_out(surges: int, setting: Setting, progress: Progress, workers: int = 2) -> tuple[Rows, dict[str, float]]:
    """Return every policy's outcomes in the order of seeds, and what they cost in CPU seconds."""
    jobs = [
        (name, [seed for seed in range(surges) if seed // len(Kind) % STEADY == base], base, setting)
        for base in range(STEADY)
        for name in BALANCINGS
    ]
    found: dict[str, dict[int, Outcome]] = {name: {} for name in BALANCINGS}
    cpu_s = dict.fromkeys(BALANCINGS, 0.0)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        waiting = [pool.apply_async(_some, job) for job in jobs]
        for done, job in enumerate(waiting, 1):
            name, rows, seconds = job.get()
            found[name].update(rows)
            cpu_s[name] += seconds
            progress.say(f"{done}/{len(jobs)} parts: {name}")
    return {name: [of_seed[seed] for seed in sorted(of_seed)] for name, of_seed in found.items()}, cpu_s


def summary(rows: Sequence[Outcome], oracle: Sequence[Outcome]) -> dict[str, float]:
    """Return a policy's figures over its surges: medians, shares, and the 95th percentile of what must not happen."""
    ratios = [one.bet_p99_ms / best.bet_p99_ms for one, best in zip(rows, oracle, strict=True)]
    video = [one.video_p99_ms / best.video_p99_ms for one, best in zip(rows, oracle, strict=True)]
    felt = [one for one in rows if one.doubled]
    moved, known = (sum(one.moved + one.moved_views for one in each) for each in (rows, oracle))
    return {
        "surges": len(rows),
        "bet_p99_ms": _median(one.bet_p99_ms for one in rows),
        "bet_p99_of_oracle": statistics.median(ratios), "bet_p99_of_oracle_p95": _p95(ratios),
        "bet_p99_of_oracle_max": max(ratios),
        "video_p99_ms": _median(one.video_p99_ms for one in rows),
        "video_p99_of_oracle": statistics.median(video), "video_p99_of_oracle_p95": _p95(video),
        "gateway_max_mean": _median(one.gateway_max_mean for one in rows),
        "gateway_max_mean_p95": _p95([one.gateway_max_mean for one in rows]),
        "gateway_max_mean_settled_p95": _p95([one.gateway_max_mean_settled for one in rows]),
        "edge_max_mean": _median(one.edge_max_mean for one in rows),
        "edge_max_mean_p95": _p95([one.edge_max_mean for one in rows]),
        "edge_max_mean_settled_p95": _p95([one.edge_max_mean_settled for one in rows]),
        "copies": _median(one.copies for one in rows), "copies_max": max(one.copies for one in rows),
        "within_max_mean_share": _share(
            [max(one.gateway_max_mean, one.edge_max_mean) <= MAX_MEAN for one in rows]
        ),
        "within_p99_share": _share([ratio <= P99_SHARE for ratio in ratios]),
        "felt": len(felt), "in_time_share": _share([not one.late for one in rows]),
        "in_time_share_where_felt": _share([not one.late for one in felt]),
        "moved": moved / len(rows), "moved_of_oracle": moved / max(known, 1),
        "moved_twice": sum(one.moved_twice for one in rows), "dropped": sum(one.dropped for one in rows) / len(rows),
    }  # fmt: skip


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def _share(said: Sequence[bool]) -> float:
    return sum(said) / len(said) if said else 1.0


def report(rows: Rows, surges: Sequence[Surge]) -> dict[str, Any]:
    """Return figures of every policy, over all surges and by their kinds."""
    oracle = rows[ORACLE]
    kinds = {kind: [i for i, surge in enumerate(surges) if surge.kind is kind] for kind in Kind}
    return {
        name: {"all": _rounded(summary(each, oracle))}
        | {
            str(kind): _rounded(summary([each[i] for i in which], [oracle[i] for i in which]))
            for kind, which in kinds.items() if which
        }
        for name, each in rows.items()
    }  # fmt: skip


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def report_of(result: Result) -> Report:
    """Return policies side by side, as people read them."""
    found = result.detail["simulated"]
    return Report(tables=tables(found), figures={"policies.svg": figure(found)}, opening=OPENING, closing=CLOSING)


def differences(published: Result, found: Result) -> Iterable[str]:
    """Return which figures are others: all follow from seeds, so they are the same or something has changed."""
    known, now = published.detail["simulated"], found.detail["simulated"]
    for policy, kinds in known.items():
        for kind, figures in kinds.items():
            for name, value in figures.items():
                again = now.get(policy, {}).get(kind, {}).get(name)
                if again is None or not math.isclose(value, again, rel_tol=1e-9):
                    yield f"{policy}, {kind}: {name} is {again}, published is {value}"


REPORT: Final = Recipe(file="balance.json", content=Result, report_of=report_of, differences=differences)


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench; `n` is of no use here, since all policies meet the same seeds."""
    del n
    return await asyncio.to_thread(_measure, SURGES, Setting(), progress)


def _measure(count: int, setting: Setting, progress: Progress) -> Result:
    began_s = time.perf_counter()
    rows, cpu_s = carry_out(count, setting, progress)
    surges = [surge_of(seed, setting) for seed in range(count)]
    ratios = [peer.bet_p99_ms / ours.bet_p99_ms for ours, peer in zip(rows[OURS], rows[PEER], strict=True)]
    ratio = statistics.median(ratios)
    detail = {
        "simulated": report(rows, surges), "setting": structs.asdict(setting),
        "wall_s": round(time.perf_counter() - began_s, 1),
        "cpu_s": {name: round(seconds, 1) for name, seconds in cpu_s.items()},
    }  # fmt: skip
    ours, peer = (_median(one.bet_p99_ms for one in rows[name]) for name in (OURS, PEER))
    return Result(
        "balance", f"p99 ms of bets at their gateways, {count} simulated surges", ours, peer, "power of two choices",
        round(ratio, 2), count, round((max(ratios) - min(ratios)) / ratio, 3), detail,
    )  # fmt: skip
