"""Plans: a system that holds limits with a stated probability, the first on a way from too small.

A plan simulates a *cell*: one wallet shard with its share of tables, players, gateways and edges, at full load each.
Tables of other cells would only smooth a shard's load, so a cell is cautious. Sizes are tried upwards from what the
utilisation law demands, and the first whose limits hold for the *next* run with the probability asked for is taken:
that is a prediction limit over replications, not an interval of a mean.

Beyond the load on which the model was fitted every figure is an extrapolation, and the plan says so.
"""

import math
import operator
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import pandas as pd
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_S
from sim.arrivals import rule_arguments
from sim.experiment import Job, figures, round_s
from sim.hybrid.scope import refuse_what_no_crowd_has
from sim.parameters import Model
from sim.scenario import Scenario, bettors, size_of, viewers
from sim.statistics import prediction_limit
from sim.wiring import OverloadError

SECONDS_MAX: Final = 9.0
"""No new size is tried after so long."""

SPARE: Final = 16
"""A size with so many times as much of something as the load keeps busy fails for another reason than its size."""

RAMP_S: Final = 2.0
"""In a cell players arrive within this time."""

LATE_PEAK: Final = 1.6
"""Bets a second in a window's last seconds, relative to the window's mean [assumed; 40 % of bets in the last fifth]."""

FULL: Final = 0.9
"""Share of its time from which on a core, a writer or a link counts as full [assumed]."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, "<": operator.lt}
_LIMIT = re.compile(r"\s*([a-z]+\.[a-z0-9_]+)\s*(<=|<)\s*([0-9.]+)\s*")


class Limit(NamedTuple):
    """A figure must not exceed a value."""

    figure: str
    sign: str
    value: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one of each costs, in any unit."""

    shard: float = 4.0
    gateway: float = 1.0
    edge: float = 1.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed.

    Parameters
    ----------
    shards, gateways, edges : int
        Sizes.
    cores : int
        Cores that these keep busy, at the utilisation seen.
    cost : float
        By the unit costs.
    probability : float
        With which each limit holds in a run.
    holds : bool
        Whether the limits are held at all by the largest size that was tried.
    figures : dict
        For each limit, what the next run stays below with that probability.
    replications : int
        Simulated runs behind each of these.
    extrapolates : list of str
        Why these figures lie beyond what the model was fitted on; empty if they do not.
    tried : list
        Sizes that were tried, and why they failed.
    """

    shards: int
    gateways: int
    edges: int
    cores: int
    cost: float
    probability: float
    holds: bool
    figures: dict[str, float]
    replications: int
    extrapolates: list[str]
    tried: list[dict[str, Any]]

    def frame(self) -> pd.DataFrame:
        """Return the sizes that were tried."""
        return pd.DataFrame(self.tried)


def parse_limit(text: str) -> Limit:
    """Return a limit such as ``bet.p99_ms <= 250``.

    Raises
    ------
    ConfigError
        If it is none.
    """
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ConfigError(f"slo {text!r}: write GROUP.FIGURE <= NUMBER, as in 'bet.p99_ms <= 250'")
    return Limit(found[1], found[2], float(found[3]))


def plan(
    scenario: Scenario,
    model: Model,
    limits: Sequence[Limit],
    *,
    probability: float = 0.9,
    replications: int = 4,
    cost: Cost | None = None,
    seconds_max: float = SECONDS_MAX,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Plan:
    """Return the first sizes found that hold the limits; a walk upwards, not a search of all, so not surely the least.

    Parameters
    ----------
    scenario : Scenario
        The load; its own sizes are ignored.
    model : Model
        How long everything takes.
    limits : sequence of Limit
        What has to hold; figures as in :func:`sim.experiment.figures`.
    probability : float
        With which each limit holds in the next run, in (0.5, 1).
    replications : int
        Runs of each size, at least 2.
    cost : Cost, optional
        Unit costs.
    seconds_max : float
        Time after which no further size is tried.
    progress : callable, optional
        Told of each size that was tried, as :attr:`Plan.tried` keeps it.

    Raises
    ------
    ConfigError
        If there is no limit, or one names no figure, if the probability is none or there are fewer than 2 replications,
        or if a crowd's simulation cannot carry the scenario out.
    """
    if not 0.5 < probability < 1.0:
        raise ConfigError(f"probability is {probability:g}: must lie between 0.5 and 1")
    if not limits:
        raise ConfigError("there is no limit: name at least one, as in 'bet.p99_ms <= 250'")
    if replications < 2:
        raise ConfigError(f"replications is {replications}: what the next run does is foretold from 2 or more")
    refuse_what_no_crowd_has(scenario)
    watched = any(limit.figure.startswith(("video", "edge")) for limit in limits)
    unit, started_s = cost or Cost(), time.perf_counter()
    shards, gateways, edges = least = least_sizes(scenario, model)
    tried: list[dict[str, Any]] = []
    while True:
        sized = structs.replace(scenario, shards=shards, gateways=gateways, edges=edges)
        rows = _replications(Job(cell(sized, video=watched), model), limits, replications)
        bounds = {limit: _bound(rows, limit, probability) for limit in limits}
        broken = [limit for limit, bound in bounds.items() if not _COMPARE[limit.sign](bound, limit.value)]
        tried.append({"shards": shards, "gateways": gateways, "edges": edges, "holds": not broken,
                      "broken": ", ".join(limit.figure for limit in broken),
                      **{limit.figure: round(bound, 4) for limit, bound in bounds.items()}})  # fmt: skip
        if progress is not None:
            progress(tried[-1])
        late = time.perf_counter() - started_s > seconds_max
        vain = max(shards, gateways, edges) > SPARE * max(least)
        if not broken or late or vain:
            break
        if any(limit.figure.startswith("video") for limit in broken):
            edges = math.ceil(edges * 1.25)
        if any(not limit.figure.startswith("video") for limit in broken):
            if rows["gateway.utilisation_max"].mean() > rows["shard.utilisation_max"].mean():
                gateways = math.ceil(gateways * 1.25)
            else:
                shards += max(1, shards // 4)
    used = {name: float(rows[name].mean()) for name in rows.columns if name.endswith("utilisation_max")}
    cores = (
        shards * used["shard.utilisation_max"] + gateways * used["gateway.utilisation_max"]
        + edges * used.get("edge.utilisation_max", 0.0)
    )  # fmt: skip
    return Plan(
        shards=shards, gateways=gateways, edges=edges, cores=math.ceil(cores),
        cost=shards * unit.shard + gateways * unit.gateway + edges * unit.edge, probability=probability,
        holds=not broken, figures={limit.figure: round(bound, 4) for limit, bound in bounds.items()},
        replications=replications, extrapolates=extrapolations(scenario, model, shards), tried=tried,
    )  # fmt: skip


def bets_per_s_peak(scenario: Scenario) -> float:
    """Return the bets a second of all tables, in the part of their windows in which most are placed."""
    return bets_per_s_mean(scenario) * (LATE_PEAK if scenario.tables < 10 else 1.0)


def bets_per_s_mean(scenario: Scenario) -> float:
    """Return the bets a second of all tables, over whole rounds."""
    betting = scenario.betting
    players = size_of(bettors(scenario))
    bets = len(rule_arguments(scenario)[-1]) or betting.bets_per_round_mean
    return players * betting.participation * bets / round_s(scenario)


def least_sizes(scenario: Scenario, model: Model) -> tuple[int, int, int]:
    """Return the sizes below which the utilisation law already says no: where a core or a link would be full."""
    rate, mean, video = bets_per_s_peak(scenario), bets_per_s_mean(scenario), model.video
    stages = model.host.states[0]
    middle = len(stages.check_ns) // 2
    writing_s, settling_s = stages.batch.beta_ns / NS_PER_S, model.settle.beta_ns / NS_PER_S
    shards = max(1, math.ceil(max(rate * writing_s, mean * (writing_s + settling_s)) / FULL))
    players = size_of(bettors(scenario))
    events_s = 7 * players * model.fanout_ns / NS_PER_S / max(round_s(scenario), 1e-9)
    check_s = rate * (stages.check_ns[middle % len(stages.check_ns)] + stages.more_ns[0]) / NS_PER_S
    gateways = max(1, math.ceil(players / 5000), math.ceil((events_s + check_s) / FULL))
    if not (watching := size_of(viewers(scenario))):
        return shards, gateways, 0
    part_s = video.timing.part_s
    top = sorted(video.part_bytes[-1])[len(video.part_bytes[-1]) // 2]
    link = watching * 8 * (top + video.playlist_bytes) / part_s / video.edge_link_bps
    core = watching * 2 * video.edge_request_ns / NS_PER_S / part_s
    return shards, gateways, max(1, math.ceil(max(link, core) / FULL))


def _replications(job: Job, limits: Sequence[Limit], n: int) -> pd.DataFrame:
    """Simulate a size; one run that breaks a limit is enough to know that the size is too small.

    One in which gateways would refuse bets breaks them all.
    """
    rows: list[dict[str, float]] = []
    for i in range(n):
        try:
            rows.append(figures(job.with_seed(job.scenario.seed + i)))
        except OverloadError as error:
            return pd.DataFrame([{**error.busy, **{limit.figure: math.inf for limit in limits}}])
        if any(limit.figure in rows[-1] and rows[-1][limit.figure] > limit.value for limit in limits):
            break
    return pd.DataFrame(rows)


def cell(scenario: Scenario, *, video: bool) -> Scenario:
    """Return one shard's share of a system, with all its components at the load that they have in the whole.

    Everybody is there from the beginning, surges and crowds included, for a round and a quarter.
    """
    shards = scenario.shards
    everybody = size_of(bettors(scenario))
    tables = max(1, math.ceil(scenario.tables / shards))
    players = max(1, round(everybody / shards / tables))
    watching = round(size_of(viewers(scenario)) / shards / tables) if video else 0
    return structs.replace(
        scenario, tables=tables, players_per_table=players, viewers_per_table=watching, shards=1,
        gateways=max(1, round(scenario.gateways / shards)),
        edges=max(1, round(scenario.edges / shards)) if watching else 0,
        faults=(), surges=(), crowds=(), ramp_s=RAMP_S, load_s=RAMP_S + 1.25 * round_s(scenario),
    )  # fmt: skip


def extrapolations(scenario: Scenario, model: Model, shards: int) -> list[str]:
    """Return why a plan lies beyond what its model was fitted on."""
    valid = model.valid
    if not valid.source:
        return ["the model's parameters are assumed, not fitted: calibrate it on a measured run"]
    rate = bets_per_s_peak(scenario) / shards
    if rate > valid.bets_per_s_max:
        return [f"{rate:,.0f} bets/s a shard; {valid.source} had {valid.bets_per_s_max:,.0f} bets/s at most"]
    return []


def _bound(rows: pd.DataFrame, limit: Limit, probability: float) -> float:
    """Return what the next run stays below; of a single run, what it had."""
    if limit.figure not in rows:
        raise ConfigError(f"slo: there is no figure {limit.figure!r}; there are {', '.join(map(str, rows.columns))}")
    values = rows[limit.figure].to_numpy()
    return (
        prediction_limit(values, probability)
        if len(values) > 1
        else max(float(values[0]), math.nextafter(limit.value, math.inf))
    )
