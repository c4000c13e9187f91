"""A model that was fitted on many campaigns, with what is uncertain about it.

* *Parameters*: each member is fitted on campaigns drawn anew from all of them, with replacement (a cluster bootstrap).
* *Conditions* that a campaign meets and nobody plans: who else took the cores, how slow the machine was, when its
  storage stood still, when the tables' rounds begin.
* *Campaigns differ* beyond that. How far each one's figures lay from a simulation under its own conditions, less the
  median of these distances, is its *effect*: a spread without a shift, so nothing is corrected by it.

The card says what the model was fitted on, how far it reaches, and what it left unexplained.

References
----------
A. C. Davison, D. V. Hinkley, Bootstrap Methods and their Application, Cambridge 1997, section 3.8: clusters.
"""

import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct, structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_S
from reports.run import Run
from sim.calibrate import fit, staged_bets, stages_of
from sim.contention import costs_of, others_of, own_cpu, seen, slices_of, with_pressures
from sim.cores import Cores, Work
from sim.files import read_as
from sim.hybrid.system import Crowd
from sim.levels import host_of, measured_up_to, slowed
from sim.outcome import outcome
from sim.parameters import Host, Model, Stages, check_model, load_model
from sim.pool import pooled
from sim.scenario import Scenario, bettors, load_of, size_of
from sim.slowness import slowness_of
from sim.stalls import Stall, as_faults, calmed
from sim.twin import campaign_of, first_rounds
from sim.wiring import FirstRound, load_start_ns

MEMBERS = 8
RUNS_MIN = 3
"""Campaigns below which nothing can be said of how they differ."""


class Conditions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign met and nobody planned.

    Parameters
    ----------
    source : str
        The campaign.
    others : tuple of float
        Cores that others took, second by second.
    first_s : tuple of float
        When each table's first round opened, in seconds before or after the load's start.
    slowness : float
        How long everything took beside other runs of its load: 2.0 is twice as long.
    stalls : tuple of Stall
        When its storage stood still.
    effect : dict
        The logarithm of what else made its figures larger.
    """

    source: str
    others: tuple[float, ...]
    first_s: tuple[float, ...]
    slowness: float = 1.0
    stalls: tuple[Stall, ...] = ()
    effect: dict[str, float] = {}


class Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is good for.

    Parameters
    ----------
    made : str
        When, as ISO 8601.
    fitted_on : tuple of str
        The runs.
    bets : int
        Bets in them.
    bets_per_s_max, players_max, pressure_max : float, int, float
        The largest load: bets a second over a run, players of a run, mean pressure of the highest level in cores.
    players_min : int
        The smallest load.
    residuals : dict
        For each figure the logarithm of measured over simulated, run by run, under the run's own conditions.
    """

    made: str
    fitted_on: tuple[str, ...]
    bets: int
    bets_per_s_max: float
    players_max: int
    pressure_max: float
    players_min: int
    residuals: dict[str, tuple[float, ...]]


class Ensemble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models of many campaigns: the first is fitted on all, the others on resampled ones."""

    card: Card
    members: tuple[Model, ...]
    conditions: tuple[Conditions, ...]


class Reading(NamedTuple):
    """What measured runs say before a model is fitted.

    Parameters
    ----------
    runs : list of Run
        The runs.
    cores : Cores
        What their operations cost the cores.
    stalls : list of tuple of Stall
        When each run's storage stood still.
    calm : list of Run
        The runs with their stalls among their faults.
    bets : list of DataFrame
        Each run's answered bets, with the pressures that they met.
    """

    runs: list[Run]
    cores: Cores
    stalls: list[tuple[Stall, ...]]
    calm: list[Run]
    bets: list[pd.DataFrame]


def calibrate(runs: Sequence[Run], members: int = MEMBERS, seed: int = 1) -> Ensemble:
    """Fit models on measured runs; the same as :func:`fitted` on what :func:`read_off` finds."""
    return fitted(read_off(runs), members, seed)


def read_off(runs: Sequence[Run]) -> Reading:
    """Return what measured runs say.

    Parameters
    ----------
    runs : sequence of Run
        Measured runs with stage stamps and samples of the host's load, of one machine and at several loads.

    Raises
    ------
    ConfigError
        If there are fewer than :data:`RUNS_MIN` runs, or one of them cannot be used.
    """
    if len(runs) < RUNS_MIN:
        raise ConfigError(f"{len(runs)} runs: a model of how campaigns differ needs at least {RUNS_MIN}")
    cores = costs_of(runs, os.cpu_count() or 1)
    stalls, calm = calmed(runs)
    known = [_known(run, cores) for run in calm]
    if empty := [run.path.name for run, campaign in zip(runs, known, strict=True) if campaign.empty]:
        raise ConfigError(f"{empty[0]}: has no answered bets with stage stamps")
    return Reading(list(runs), cores, stalls, calm, known)


def fitted(reading: Reading, members: int = MEMBERS, seed: int = 1) -> Ensemble:
    """Fit models on what was read off runs.

    Parameters
    ----------
    reading : Reading
        Of :func:`read_off`.
    members : int
        Models: one on all runs, the others on resampled ones.
    seed : int
        Of the resampling.
    """
    runs, cores, stalls, calm, known = reading
    met = _met(runs, known, stalls)
    known = [bets.assign(slowness=conditions.slowness) for bets, conditions in zip(known, met, strict=True)]
    rng = np.random.default_rng(seed)
    drawn = [np.arange(len(runs)), *(rng.integers(0, len(runs), len(runs)) for _ in range(members - 1))]
    hosts = [_host([known[at] for at in chosen], cores) for chosen in drawn]
    whole = fit(pooled(calm), "all", hosts[0])
    models = tuple(structs.replace(whole, host=host) for host in hosts)
    found = [_residuals(run, models[0], conditions) for run, conditions in zip(runs, met, strict=True)]
    names = sorted(set.intersection(*(set(each) for each in found)))
    residuals = {name: tuple(round(each[name], 4) for each in found) for name in names}
    middle = {name: float(np.median(values)) for name, values in residuals.items()}
    effects = [{name: round(each[name] - middle[name], 4) for name in names} for each in found]
    return Ensemble(
        card=_card(runs, known, residuals, hosts[0]),
        members=models,
        conditions=tuple(
            structs.replace(conditions, effect=effect) for conditions, effect in zip(met, effects, strict=True)
        ),
    )


def conditions_beside(others: Reading, runs: Sequence[Run]) -> list[Conditions]:
    """Return what measured runs of loads of their own met; when their storage stood still is told by others."""
    stalls, calm = calmed([*others.runs, *runs])
    mine = slice(len(others.runs), None)
    return _met(runs, [staged_bets(run, "all") for run in calm[mine]], stalls[mine])


def simulated(
    scenario: Scenario, model: Model, conditions: Conditions | None = None
) -> tuple[dict[str, float], pd.DataFrame]:
    """Simulate a scenario, under some conditions if given; return its figures and its operations."""
    starts: dict[int, FirstRound] = {}
    cores = model.host.cores or Cores()
    if conditions is not None:
        first_s = conditions.first_s
        starts = {table: FirstRound(1, first_s[(table - 1) % len(first_s)]) for table in range(1, scenario.tables + 1)}
        idle_s = load_start_ns(starts) // NS_PER_S
        others = (*conditions.others[:1] * idle_s, *conditions.others)
        host = structs.replace(slowed(model.host, conditions.slowness), cores=structs.replace(cores, others=others))
        model = structs.replace(model, host=host)
        scenario = structs.replace(scenario, faults=(*scenario.faults, *as_faults(conditions.stalls)))
    crowd = Crowd(scenario, model, starts)
    crowd.run()
    tables = crowd.tables()
    start_ns = crowd.load_start_ns
    end_ns = start_ns + round(scenario.load_s * NS_PER_S)
    work = [np.searchsorted(instants, (start_ns, end_ns)) for instants in seen(tables["ops"], tables["pushes"])[:4]]
    taken_ns = cores.cost_ns(Work(*(int(each[1]) for each in work)), Work(*(int(each[0]) for each in work)))
    own_cores = taken_ns / (end_ns - start_ns) + cores.base
    return {**outcome(tables, scenario.load_s), "own_cores": own_cores}, tables["ops"]


def measured(run: Run) -> dict[str, float]:
    """Return a measured run's figures."""
    ends_ns = np.array([run.manifest["load_start_ns"], run.manifest["load_end_ns"]], dtype=np.float64)
    before, after = own_cpu(run, ends_ns).tolist()
    load_s = float(ends_ns[1] - ends_ns[0]) / NS_PER_S
    tables = {name: run.table(name) for name in ("ops", "pushes", "rounds")}
    return {**outcome(tables, load_s), "own_cores": (after - before) / (load_s * NS_PER_S)}


def logarithms(found: dict[str, float], expected: dict[str, float]) -> dict[str, float]:
    """Return the logarithms of found over expected, of figures that are above 0 in both."""
    return {
        name: math.log(value / expected[name])
        for name, value in found.items()
        if value > 0.0 and expected.get(name, 0.0) > 0.0
    }


def save_ensemble(ensemble: Ensemble, path: Path) -> None:
    """Write a fitted ensemble as JSON."""
    path.write_bytes(msgspec.json.encode(ensemble) + b"\n")


def load_ensemble(path: Path) -> Ensemble:
    """Read a fitted ensemble.

    Raises
    ------
    ConfigError
        If the file is missing or no ensemble.
    """
    ensemble = read_as(Ensemble, path, "model of `livetable calibrate`")
    for model in ensemble.members:
        check_model(model)
    return ensemble


def model_in(path: Path) -> Model:
    """Return the model of a file: a single one, or an ensemble's first."""
    try:
        return load_ensemble(path).members[0]
    except ConfigError:
        return load_model(path)


def _met(runs: Sequence[Run], known: Sequence[pd.DataFrame], stalls: Sequence[tuple[Stall, ...]]) -> list[Conditions]:
    times = slowness_of(known, [load_of(campaign_of(run).scenario) for run in runs])
    return [
        Conditions(source=run.path.name, others=others_of(run), first_s=_first_s(run), slowness=slow, stalls=stood)
        for run, slow, stood in zip(runs, times, stalls, strict=True)
    ]


def _known(run: Run, cores: Cores) -> pd.DataFrame:
    return with_pressures(staged_bets(run, "all"), slices_of(run, cores))


def _host(known: Sequence[pd.DataFrame], cores: Cores) -> Host:
    bets = pd.concat(known, ignore_index=True)
    # Batches are told apart by instants, which a campaign that was drawn twice must not share with itself.
    number = np.repeat(np.arange(len(known)), [len(own) for own in known])
    bets["gateway"] = bets["gateway"].to_numpy() + (number << 8)
    bets["shard"] = bets["shard"].to_numpy() + (number << 8)
    bets["campaign"] = number
    bets["weight"] = np.concatenate([np.full(len(own), 1.0 / len(own)) for own in known])
    return host_of(bets, cores, lambda chosen, default: stages_of(chosen, default or Stages(), tail=True))


def _first_s(run: Run) -> tuple[float, ...]:
    starts = first_rounds(run)
    return tuple(round(starts[table].opens_s, 3) for table in sorted(starts)) or (0.0,)


def _residuals(run: Run, model: Model, conditions: Conditions) -> dict[str, float]:
    return logarithms(measured(run), simulated(campaign_of(run).scenario, model, conditions)[0])


def _card(
    runs: Sequence[Run], known: Sequence[pd.DataFrame], residuals: dict[str, tuple[float, ...]], host: Host
) -> Card:
    scenarios = [campaign_of(run).scenario for run in runs]
    rates = [len(campaign) / scenario.load_s for campaign, scenario in zip(known, scenarios, strict=True)]
    players = [size_of(bettors(scenario)) for scenario in scenarios]
    return Card(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        fitted_on=tuple(run.path.name for run in runs),
        bets=sum(len(campaign) for campaign in known),
        bets_per_s_max=round(max(rates), 1),
        players_max=max(players),
        pressure_max=round(measured_up_to(host), 3),
        players_min=min(players),
        residuals=residuals,
    )
