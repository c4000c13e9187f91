"""The protocol by which the lab's accuracy is published: every load is predicted from all the others.

For each load a model is calibrated on the runs of the other loads, the load is predicted, and its runs are held against
that. The top load is thereby an extrapolation, and reported on its own. Beside it stand two simulations that tell which
part of an error is whose:

* *given*: with the cores that others took in that very run and how slow the machine was, which nobody knows beforehand;
* *ignored*: with the same runs' stage tables, but without cores: the host's states as they came, whatever the load.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reports.run import Run, open_run
from sim.calibrate import fit
from sim.ensemble import MEMBERS, conditions_beside, fitted, logarithms, measured, read_off, simulated
from sim.pool import pooled
from sim.prediction import REPLICATIONS, Interval, predict
from sim.scenario import Campaign, load_of
from sim.twin import campaign_of
from sim.validation import Error, Validated, errors, share, validate

LOADS_MIN = 3


class HeldOut(Struct, frozen=True, kw_only=True):
    """One load that was predicted from the others.

    Parameters
    ----------
    load : str
        Which it is.
    players : int
        Its size.
    top : bool
        Whether no measured load is larger.
    predicted : dict
        Figures.
    runs : list of Validated
        Its runs beside the prediction.
    given, ignored : list of dict
        Logarithms of measured over simulated, run by run: the others' cores given, and contention ignored.
    errors : dict
        Over its runs.
    """

    load: str
    players: int
    top: bool
    predicted: dict[str, Interval]
    extrapolates: tuple[str, ...]
    runs: list[Validated]
    given: list[dict[str, float]]
    ignored: list[dict[str, float]]
    errors: dict[str, Error]


class Accuracy(Struct, frozen=True, kw_only=True):
    """All loads, and errors over them: of those below the top one, and of that."""

    loads: list[HeldOut]
    below: dict[str, Error]
    top: dict[str, Error]
    given: dict[str, float]
    ignored: dict[str, float]


class _Load(NamedTuple):
    name: str
    campaign: Campaign
    runs: list[Run]


def accuracy(
    runs: Sequence[Run],
    *,
    members: int = MEMBERS,
    replications: int = REPLICATIONS,
    pool: Executor | None = None,
) -> Accuracy:
    """Predict every load from the others.

    Parameters
    ----------
    runs : sequence of Run
        Measured runs of several loads.
    members, replications : int
        Models a load, and simulations a prediction.
    pool : Executor, optional
        Where loads are predicted; this process without one.

    Raises
    ------
    ConfigError
        If there are fewer than :data:`LOADS_MIN` loads.
    """
    loads = loads_of(runs)
    if len(loads) < LOADS_MIN:
        raise ConfigError(f"{len(loads)} loads: each is predicted from the others, so at least {LOADS_MIN} are needed")
    tasks = [
        _Task([[run.path for run in load.runs] for load in loads], at, members, replications)
        for at in range(len(loads))
    ]
    found = list((pool.map if pool else map)(_held_out, tasks))
    inner = [each for held in found if not held.top for each in held.runs]
    outer = [each for held in found if held.top for each in held.runs]
    return Accuracy(
        loads=found,
        below=errors(inner),
        top=errors(outer),
        given=_typical([row for held in found for row in held.given]),
        ignored=_typical([row for held in found for row in held.ignored]),
    )


def loads_of(runs: Sequence[Run]) -> list[_Load]:
    """Return the runs by their load, the smallest first: scenarios that differ in more than their seed."""
    known: dict[bytes, _Load] = {}
    for run in runs:
        campaign = campaign_of(run)
        name = campaign.name.rpartition("-r")[0] or campaign.name
        known.setdefault(load_of(campaign.scenario), _Load(name, campaign, [])).runs.append(run)
    return sorted(known.values(), key=lambda load: float(np.median([len(run.ops) for run in load.runs])))


class _Task(NamedTuple):
    """Which load is held out: folders of all loads' runs, smallest load first, and its place."""

    folders: list[list[Path]]
    held_out: int
    members: int
    replications: int


def _held_out(task: _Task) -> HeldOut:
    rest = [open_run(path) for at, paths in enumerate(task.folders) if at != task.held_out for path in paths]
    [load] = loads_of([open_run(path) for path in task.folders[task.held_out]])
    top = task.held_out == len(task.folders) - 1
    reading = read_off(rest)
    ensemble = fitted(reading, task.members)
    prediction = predict(ensemble, load.campaign, replications=task.replications)
    found = validate(prediction, load.runs)
    careless = fit(pooled(rest), "all")
    conditions = conditions_beside(reading, load.runs)
    given, ignored = [], []
    for run, met in zip(load.runs, conditions, strict=True):
        own, scenario = measured(run), campaign_of(run).scenario
        given.append(_rounded(logarithms(own, simulated(scenario, ensemble.members[0], met)[0])))
        ignored.append(_rounded(logarithms(own, simulated(scenario, careless)[0])))
    scenario = load.campaign.scenario
    return HeldOut(
        load=load.name, players=scenario.tables * scenario.players_per_table, top=top, predicted=prediction.figures,
        extrapolates=prediction.extrapolates, runs=found, given=given, ignored=ignored, errors=errors(found),
    )  # fmt: skip


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _typical(rows: list[dict[str, float]]) -> dict[str, float]:
    names = sorted(set.intersection(*(set(row) for row in rows))) if rows else []
    return {name: round(float(np.median(share(np.array([row[name] for row in rows])))), 4) for name in names}
