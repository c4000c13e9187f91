"""Experiments: run, replicate, compare, sweep and plan. Data frames out, intervals always beside the means.

A *job* is a scenario, a model and a seed; it gives a row of figures, named as in a campaign's limits
(``bet.p99_ms``, ``video.stalled_share`` ...). Jobs are pure, so any :class:`concurrent.futures.Executor` may carry them
out; processes of this machine do by default.

All draws are named by what they are for. So two jobs of one seed that differ in one parameter share everything else,
and :func:`compare` takes differences within pairs.
"""

import hashlib
import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reference_impl.domain.round_timing import timing_at
from reference_impl.domain.units import NS_PER_S
from sim.hybrid.exact import busiest
from sim.hybrid.system import Crowd
from sim.outcome import LATENCIES
from sim.parameters import Model
from sim.scenario import Scenario
from sim.statistics import interval, mser5
from sim.wiring import FirstRound

REPLICATIONS_MAX = 100

Progress = Callable[[int, int], None]
"""Told how many jobs are done, and of how many."""


class Job(NamedTuple):
    """One simulation; tables' first rounds are spread over a round's length, or begin together."""

    scenario: Scenario
    model: Model
    warm_up_s: float = 0.0
    spread: bool = True

    def with_seed(self, seed: int) -> "Job":
        """Return the same with another seed."""
        return self._replace(scenario=structs.replace(self.scenario, seed=seed))

    def key(self) -> str:
        """Return a digest of everything that decides the outcome."""
        content = msgspec.json.encode(list(self))
        return hashlib.sha256(content).hexdigest()[:24]


def round_s(scenario: Scenario) -> float:
    """Return how long a round of a crowd's tables takes, pause included."""
    timing = timing_at(scenario.timing, scenario.timings, 1)
    return (timing.window_ms + timing.dealing_ms + timing.pause_ms) / 1000


def spread_starts(scenario: Scenario) -> dict[int, FirstRound]:
    """Return first rounds that spread the tables' rounds evenly over one round's length."""
    length_s = round_s(scenario)
    return {table: FirstRound(1, (table - 1) * length_s / scenario.tables) for table in range(1, scenario.tables + 1)}


def figures(job: Job) -> dict[str, float]:
    """Simulate a job; return its figures.

    Latencies and shares are of everybody. Utilisation is of the whole simulated time, the last rounds after the load
    included, and so are ``busy_cores``; those of edges, which nobody watches after the load, and all ``bps`` and
    ``per_s`` are of the load. A round settles (``settle``) from its announced result to its last payment.

    Raises
    ------
    OverloadError
        If more bets wait than gateways keep.
    """
    starts = spread_starts(job.scenario) if job.spread else {}
    crowd = Crowd(job.scenario, job.model, starts, share=0.0, warm_up_s=job.warm_up_s)
    crowd.run()
    bets, load_ns = crowd.exact(), job.scenario.load_s * NS_PER_S
    found = {
        "bet.offered": float(bets.offered),
        "bet.per_s": bets.bets_per_s,
        **{f"bet.{name}_ms": value for name, value in bets.latency_ms.items()},
        **{f"wallet.{name}_ms": value for name, value in bets.wallet_ms.items()},
        "bet.rejected_share": bets.rejected / max(bets.offered, 1),
        "bet.unknown_share": bets.unanswered / max(bets.offered, 1),
        "bet.resent_share": bets.resent / max(bets.offered, 1),
        **busiest(bets),
        "gateway.pushes_per_s": bets.pushes_per_s,
        "gateway.bps": crowd.gateway_bytes() * 8 * NS_PER_S / load_ns,
    }
    settled_ms = crowd.settled_ms()
    if settled_ms:
        found |= {f"settle.{name}_ms": float(np.quantile(settled_ms, level)) for name, level in LATENCIES.items()}
    if job.scenario.edges:
        video = crowd.audience.watched()
        found |= {f"video.latency_{name}_ms": value for name, value in video.latency_ms.items()}
        found["video.stalled_share"] = video.stalled_share
        found["edge.utilisation_max"] = max(video.edge_utilisation)
        found["edge.bps_max"] = max(video.edge_bps)
        found["edge.bps"] = sum(video.edge_bps)
        found["edge.busy_cores"] = sum(video.edge_utilisation) * crowd.now_ns / load_ns
        found["origin.requests_per_s"] = video.origin_requests * NS_PER_S / load_ns
    return found


def run(job: Job) -> pd.DataFrame:
    """Simulate a job once; return one row. One run has no interval: see :func:`replicate`."""
    return pd.DataFrame([{"seed": job.scenario.seed, **figures(job)}])


def warm_up_s(job: Job) -> float:
    """Return how much of a pilot run MSER-5 drops, by the mean latency of each second's bets.

    Raises
    ------
    ConfigError
        If half of the load does not suffice: it must be longer.
    """
    crowd = Crowd(job.scenario, job.model, spread_starts(job.scenario))
    crowd.run()
    ops = crowd.tables()["ops"]
    bets = ops[(ops["kind"] == int(OpKind.BET)) & (ops["return_ns"] > 0)]
    start_ns = crowd.load_start_ns
    second = ((bets["due_ns"] - start_ns) // NS_PER_S).astype("int64")
    series = ((bets["return_ns"] - bets["due_ns"]).groupby(second).mean()).to_numpy()
    dropped = mser5(series)
    if len(series) >= 20 and dropped >= len(series) // 2 // 5 * 5:
        raise ConfigError(f"load_s is {job.scenario.load_s:g}: MSER-5 drops half of it and more, so it must be longer")
    return float(dropped)


def replicate(
    job: Job,
    figure: str = "bet.p99_ms",
    *,
    precision: float = 0.05,
    confidence: float = 0.95,
    n_min: int = 5,
    n_max: int = REPLICATIONS_MAX,
    pool: Executor | None = None,
) -> pd.DataFrame:
    """Repeat a job with other seeds until one figure's interval is narrow enough.

    Parameters
    ----------
    job : Job
        What is simulated; seeds count up from its own.
    figure : str
        The figure that decides.
    precision : float
        Half-width of its interval, relative to its mean.
    confidence : float
        Of all intervals.
    n_min, n_max : int
        Fewest and most replications, at least 2.
    pool : Executor, optional
        Where jobs run; this process without one.

    Raises
    ------
    ConfigError
        If there is no such figure, or the numbers of replications make no sense.

    Returns
    -------
    DataFrame
        A row a figure: mean, half-width, n, and whether its precision is reached.
    """
    if not 2 <= n_min <= n_max:
        raise ConfigError(f"n_min is {n_min} and n_max {n_max}: an interval needs 2 or more, and n_max not below n_min")
    rows: list[dict[str, float]] = []
    seed = job.scenario.seed
    while len(rows) < n_max:
        batch = n_min if not rows else min(max(2, len(rows) // 2), n_max - len(rows))
        jobs = [job.with_seed(seed + len(rows) + i) for i in range(batch)]
        rows += list(pool.map(figures, jobs)) if pool else [figures(each) for each in jobs]
        _known(figure, rows[0])
        if interval([row[figure] for row in rows], confidence).relative <= precision:
            break
    return _intervals(pd.DataFrame(rows), confidence, precision)


def _intervals(rows: pd.DataFrame, confidence: float, precision: float) -> pd.DataFrame:
    found = {str(name): interval(rows[name].to_numpy(), confidence) for name in rows.columns}
    return pd.DataFrame(
        {
            "mean": {name: each.mean for name, each in found.items()},
            "half_width": {name: each.half for name, each in found.items()},
            "n": {name: each.n for name, each in found.items()},
            "reached": {name: each.relative <= precision for name, each in found.items()},
        }
    )


def compare(
    one: Job, other: Job, *, n: int = 10, confidence: float = 0.95, pool: Executor | None = None
) -> pd.DataFrame:
    """Compare two jobs on common random numbers.

    Returns
    -------
    DataFrame
        A row a figure: both means, the mean difference (other less one) with its half-width, whether it is told apart
        from 0, and by how much the pairing narrowed the variance of the difference.

    Raises
    ------
    ConfigError
        If there are fewer than 2 pairs: one has no interval.
    """
    if n < 2:
        raise ConfigError(f"n is {n}: a difference has an interval from 2 pairs on")
    jobs = [job.with_seed(one.scenario.seed + i) for i in range(n) for job in (one, other)]
    rows = list(pool.map(figures, jobs)) if pool else [figures(job) for job in jobs]
    first, second = pd.DataFrame(rows[0::2]), pd.DataFrame(rows[1::2])
    table = {}
    for name in first.columns:
        a, b = first[name].to_numpy(), second[name].to_numpy()
        difference = interval(b - a, confidence)
        paired, apart = float((b - a).var(ddof=1)), float(a.var(ddof=1) + b.var(ddof=1))
        table[str(name)] = {
            "one": float(a.mean()), "other": float(b.mean()), "difference": difference.mean,
            "half_width": difference.half, "told_apart": abs(difference.mean) > difference.half,
            "variance_ratio": apart / paired if paired else math.inf if apart else 1.0,
        }  # fmt: skip
    return pd.DataFrame.from_dict(table, orient="index")


def sweep(
    base: Job,
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 3,
    pool: Executor | None = None,
    resume: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Simulate every combination of some of the scenario's fields, each with several seeds.

    Parameters
    ----------
    base : Job
        What is varied.
    grid : mapping of str to sequence
        Values of fields of :class:`sim.scenario.Scenario`.
    seeds : int
        Replications of each combination; all have the same seeds.
    pool : Executor, optional
        Where jobs run: processes of this machine by default.
    resume : Path, optional
        A file of finished jobs, one JSON object a line: what is in it is not simulated again.
    progress : callable, optional
        Told of every finished job, on this side.

    Raises
    ------
    ConfigError
        If the scenario has no such field, or not with such a value.
    """
    points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    jobs = [
        (point | {"seed": base.scenario.seed + i}, _varied(base, point).with_seed(base.scenario.seed + i))
        for point in points for i in range(seeds)
    ]  # fmt: skip
    done = _finished(resume)
    left = [(row, job) for row, job in jobs if job.key() not in done]
    with _pool(pool) as workers:
        for count, (job, found) in enumerate(_carry_out(workers, [job for _, job in left]), 1):
            done[job.key()] = found
            if resume is not None:
                with resume.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": job.key(), "figures": found}) + "\n")
            if progress is not None:
                progress(len(jobs) - len(left) + count, len(jobs))
    return pd.DataFrame([row | done[job.key()] for row, job in jobs])


def summarise(rows: pd.DataFrame, by: Sequence[str], figure: str, confidence: float = 0.95) -> pd.DataFrame:
    """Return a sweep's figure with its interval, a row a combination.

    Raises
    ------
    ConfigError
        If the sweep has no such figure, or did not vary one of these fields.
    """
    for name in (*by, figure):
        _known(name, rows.columns)
    table = []
    for values, group in rows.groupby(list(by)):
        found = interval(group[figure].to_numpy(), confidence)
        table.append([*values, found.mean, found.half, found.n])
    return pd.DataFrame(table, columns=[*by, "mean", "half_width", "n"])


def _known(figure: str, figures: Iterable[Any]) -> None:
    if figure not in figures:
        raise ConfigError(f"there is no figure {figure!r}; there are {', '.join(map(str, figures))}")


def _varied(base: Job, point: Mapping[str, Any]) -> Job:
    known = base.scenario.__struct_fields__
    if unknown := sorted(set(point) - set(known)):
        raise ConfigError(f"a scenario has no field {unknown[0]!r}; it has {', '.join(known)}")
    changed = structs.asdict(base.scenario) | dict(point)
    try:
        scenario = msgspec.convert(msgspec.to_builtins(changed), Scenario)
    except msgspec.ValidationError as error:
        raise ConfigError(f"sweep: {error}") from None
    return base._replace(scenario=scenario)


def _finished(resume: Path | None) -> dict[str, dict[str, float]]:
    if resume is None or not resume.exists():
        return {}
    done: dict[str, dict[str, float]] = {}
    for line in resume.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the last line of a sweep that was killed while it wrote
        done[row["key"]] = row["figures"]
    return done


class _Borrowed:
    """Lends a pool without closing it."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def __enter__(self) -> Executor:
        return self._pool

    def __exit__(self, *_: object) -> None:
        """Leave it open."""


def processes(workers: int | None = None) -> ProcessPoolExecutor:
    """Return a pool of this machine's processes, one a core."""
    return ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=multiprocessing.get_context("spawn"))


def _pool(pool: Executor | None) -> Any:
    return processes() if pool is None else _Borrowed(pool)


def _carry_out(pool: Executor, jobs: Iterable[Job]) -> Iterator[tuple[Job, dict[str, float]]]:
    waiting = {pool.submit(figures, job): job for job in jobs}
    for future in as_completed(waiting):
        yield waiting[future], future.result()
