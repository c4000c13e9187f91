"""A million players: what they need, and how a system that has it fares. Every figure follows from seeds.

A plan (:mod:`sim.plan`) finds shards and gateways; edges and origins are as many as keep a share of their cores free.
Then everybody is simulated at once, replicated. Then one thing at a time is changed, in a *cell*: one shard with its
share of tables, people, gateways and edges, on the same seeds with and without the change.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Final, NamedTuple

from msgspec import Struct, structs

from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_S
from sim.experiment import Job, figures, round_s
from sim.parameters import Model, Video
from sim.placing import copies_by_table
from sim.plan import FULL, Limit, Plan, cell, plan
from sim.scenario import Scenario

ROUND: Final = Timing(window_ms=15_000, closing_soon_ms=5_000, dealing_ms=20_000, pause_ms=9_000)
RAMP_S: Final = 5.0
SETTLED_S: Final = 10.0
"""From here on everybody is there, and latencies count."""

LIMIT: Final = Limit("bet.p99_ms", "<=", 250.0)
PROBABILITY: Final = 0.9
BUSY_MAX: Final = 0.7
"""Share of their cores that edges and origins are planned to use [assumed]: the rest is for an edge that dies."""

BETS: Final = ("bet.p50_ms", "bet.p95_ms", "bet.p99_ms", "settle.p95_ms", "shard.utilisation_max")
VIDEO: Final = ("video.latency_p50_ms", "video.latency_p99_ms", "video.stalled_share", "edge.busy_cores", "edge.bps")
"""What a change of bets, or of the video, is judged by."""

Figures = dict[str, list[float]]
"""Figures by name, a value a replication."""

Tell = Callable[[int, int], None]


class Asked(Struct, frozen=True, kw_only=True):
    """What is simulated.

    Parameters
    ----------
    players, tables : int
        All of them bet, and as many watch.
    replications, pairs : int
        Runs of the whole, and of a cell with each change; at least 2.
    seed : int
        The first; others count up from it.
    """

    players: int = 1_000_000
    tables: int = 250
    replications: int = 5
    pairs: int = 5
    seed: int = 1


class Sizes(Struct, frozen=True, kw_only=True):
    """What is built."""

    shards: int
    gateways: int
    edges: int
    origins: int


class Found(Struct, frozen=True, kw_only=True):
    """What was found.

    Parameters
    ----------
    asked, sizes, scenario
        What was simulated.
    model : str
        The run that the model was fitted on; empty if its parameters are the documented assumptions.
    holds, p99_ms_below : bool, float
        Whether the plan holds its limit, and what the next run of a cell stays below with :data:`PROBABILITY`.
    extrapolates : list of str
        Why figures lie beyond what the model was fitted on.
    whole : dict
        All figures of the whole system, a value a replication.
    bets, video : dict
        Figures of a cell with each change, and under ``""`` without one.
    took_s : dict
        Wall seconds of everything and CPU seconds of each part: the only figures that do not follow from seeds.
    """

    asked: Asked
    sizes: Sizes
    scenario: Scenario
    model: str
    holds: bool
    p99_ms_below: float
    extrapolates: list[str]
    whole: Figures
    bets: dict[str, Figures]
    video: dict[str, Figures]
    took_s: dict[str, float]


class _Done(NamedTuple):
    figures: dict[str, float]
    cpu_s: float


def scenario_of(asked: Asked) -> Scenario:
    """Return the load, of a system of the smallest size."""
    each = asked.players // asked.tables
    return Scenario(
        tables=asked.tables, players_per_table=each, viewers_per_table=each, gateways=1, shards=1, edges=1,
        ramp_s=RAMP_S, load_s=SETTLED_S + round_s(Scenario(timing=ROUND)), timing=ROUND, seed=asked.seed,
    )  # fmt: skip


def origins_of(scenario: Scenario, video: Video) -> int:
    """Return how many origins are busy for :data:`BUSY_MAX` if edges ask for all renditions of what they serve."""
    copies, tables = int(copies_by_table(scenario)[1:].sum()), scenario.tables
    work_ns = 2 * len(video.part_bytes) * copies * video.origin_request_ns + tables * video.origin_part_ns
    return max(1, math.ceil(work_ns / NS_PER_S / video.timing.part_s / BUSY_MAX))


def sized(asked: Asked, model: Model) -> tuple[Job, Plan]:
    """Return the whole system at the size that it needs, and the plan of its bets."""
    load = scenario_of(asked)
    found = plan(load, model, [LIMIT], probability=PROBABILITY, replications=asked.pairs, seconds_max=math.inf)
    edges = max(1, math.ceil(found.edges * FULL / BUSY_MAX))
    built = structs.replace(load, shards=found.shards, gateways=found.gateways, edges=edges)
    video = structs.replace(model.video, origins=min(asked.tables, origins_of(built, model.video)))
    return Job(built, structs.replace(model, video=video), SETTLED_S), found


def changes_of_bets(whole: Job) -> dict[str, Job]:
    """Return cells that differ in one thing that bets feel, first the one that does not; nobody watches there."""
    load, model = whole.scenario, whole.model
    fewer = load.shards - max(1, load.shards // 7)
    keener = structs.replace(load.betting, bets_per_round_mean=1.25 * load.betting.bets_per_round_mean)
    changed = {
        "": load,
        "a quarter more players": structs.replace(load, players_per_table=round(1.25 * load.players_per_table)),
        "a quarter more bets of each": structs.replace(load, betting=keener),
        "half the gateways": structs.replace(load, gateways=max(1, load.gateways // 2)),
    }
    if fewer:
        changed[f"{fewer} shards, not {load.shards}"] = structs.replace(load, shards=fewer)
    jobs = {name: Job(cell(each, video=False), model) for name, each in changed.items()}
    return jobs | {
        "all tables open together": jobs[""]._replace(spread=False),
        "a bet costs the database a quarter more": jobs[""]._replace(model=dearer(model, 1.25)),
        "a bet costs the database a quarter less": jobs[""]._replace(model=dearer(model, 0.75)),
    }


def changes_of_video(whole: Job) -> dict[str, Job]:
    """Return cells that differ in one thing that viewers feel, first the one that does not."""
    load, video = whole.scenario, whole.model.video
    changed = {
        "": load,
        "a quarter more viewers": structs.replace(load, viewers_per_table=round(1.25 * load.viewers_per_table)),
        "a quarter fewer edges": structs.replace(load, edges=max(1, round(0.75 * load.edges))),
    }
    one = structs.replace(whole.model, video=structs.replace(video, origins=max(1, round(video.origins / load.shards))))
    jobs = {name: Job(cell(each, video=True), one) for name, each in changed.items()}
    dear = structs.replace(one.video, edge_request_ns=round(1.25 * video.edge_request_ns))
    return jobs | {"a request costs an edge a quarter more": jobs[""]._replace(model=structs.replace(one, video=dear))}


def dearer(model: Model, factor: float) -> Model:
    """Return a model whose database takes so many times as long for each row."""
    states = [
        structs.replace(stages, batch=structs.replace(stages.batch, beta_ns=round(factor * stages.batch.beta_ns)))
        for stages in model.host.states
    ]
    return structs.replace(model, host=structs.replace(model.host, states=tuple(states)))


def million(asked: Asked, model: Model, pool: Executor, tell: Tell | None = None) -> Found:
    """Plan, simulate the whole, and change one thing at a time.

    Raises
    ------
    ConfigError
        If the scenario or the numbers of replications make no sense.
    """
    began_s, planning_s = time.perf_counter(), time.process_time()
    job, planned = sized(asked, model)
    planning_s = time.process_time() - planning_s
    jobs = {("whole", ""): [job.with_seed(asked.seed + i) for i in range(asked.replications)]}
    for half, changes in (("bets", changes_of_bets(job)), ("video", changes_of_video(job))):
        for name, changed in changes.items():
            jobs[half, name] = [changed.with_seed(asked.seed + i) for i in range(asked.pairs)]
    done = _carried_out(jobs, pool, tell)
    parts = {part: sum(one.cpu_s for (of, _), runs in done.items() if of == part for one in runs)
             for part in ("whole", "bets", "video")}  # fmt: skip
    load = job.scenario
    sizes = Sizes(shards=load.shards, gateways=load.gateways, edges=load.edges, origins=job.model.video.origins)
    return Found(
        asked=asked, sizes=sizes, scenario=load, model=model.valid.source, holds=planned.holds,
        p99_ms_below=planned.figures[LIMIT.figure], extrapolates=planned.extrapolates,
        whole=_columns(done["whole", ""]),
        bets={name: _columns(runs, BETS) for (of, name), runs in done.items() if of == "bets"},
        video={name: _columns(runs, VIDEO) for (of, name), runs in done.items() if of == "video"},
        took_s={name: round(seconds, 1) for name, seconds in
                {"wall": time.perf_counter() - began_s, "plan": planning_s, **parts}.items()},
    )  # fmt: skip


def _carried_out(
    jobs: Mapping[tuple[str, str], list[Job]], pool: Executor, tell: Tell | None
) -> dict[tuple[str, str], list[_Done]]:
    waiting = {key: [pool.submit(_timed, job) for job in each] for key, each in jobs.items()}
    total, count = sum(map(len, jobs.values())), 0
    done: dict[tuple[str, str], list[_Done]] = {}
    for key, futures in waiting.items():
        done[key] = []
        for future in futures:
            done[key].append(future.result())
            count += 1
            if tell is not None:
                tell(count, total)
    return done


def _timed(job: Job) -> _Done:
    began_s = time.thread_time()
    return _Done(figures(job), time.thread_time() - began_s)


def _columns(runs: Iterable[_Done], names: Iterable[str] = ()) -> Figures:
    rows = [run.figures for run in runs]
    return {name: [row[name] for row in rows] for name in (names or rows[0])}
