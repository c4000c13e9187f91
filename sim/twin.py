"""Simulated Runs on disk: the twin of a measured Run, and a campaign simulated on its own.

A simulated Run's manifest says what it is worth: its ``label`` is *fit* for a twin, *prediction* for a campaign
simulated with a given model, and *assumed* for one simulated with the default parameters. ``not_modelled`` lists what
the campaign asks for and the simulation leaves out; ``laws`` has the books of every component (:mod:`sim.laws`).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_S
from reports.run import Run, manifest_base, update_manifest, write_run
from sim.calibrate import fit
from sim.experiment import spread_starts
from sim.faults import carried_out_in_a_crowd, not_modelled
from sim.hybrid.system import Crowd
from sim.model import Simulation
from sim.parameters import Model, save_model
from sim.people import numbers_by_kind, pace_of
from sim.scenario import Campaign, Scenario, bettors, size_of, viewers
from sim.wiring import FirstRound, Starts, load_start_ns

FOLLOWED = 2_000
"""Players of a crowd who leave rows in a Run."""

SIMULATED = ("ledger", "rounds", "stages", "pushes", "orders")
NOT_SIMULATED = ("messages", "audit", "seeds")
"""What a simulated Run cannot tell: amounts in messages, the audit trail, and seeds and heads of outcomes."""

MODEL_FILE = "model.json"
"""The parameters that a simulated Run was made with, beside its tables."""


def make_twin(run: Run, out_dir: Path) -> Run:
    """Fit a model on a Run's odd rounds, simulate its campaign, write the simulated Run, and link the two.

    Parameters
    ----------
    run : Run
        A measured Run.
    out_dir : Path
        Folder of the simulated Run.

    Raises
    ------
    ConfigError
        If the Run's manifest holds no campaign.
    """
    campaign = campaign_of(run)
    twin = _write(campaign, fit(run, "odd"), first_rounds(run), out_dir, label="fit")
    update_manifest(run, twin=os.path.relpath(twin.path, run.path))
    return twin


def sim_run(campaign: Campaign, out_dir: Path, model: Model | None = None) -> Run:
    """Simulate a campaign and write the Run; without a model, with assumed stage times."""
    if model is None:
        return _write(campaign, Model(), {}, out_dir, label="assumed")
    return _write(campaign, model, {}, out_dir, label="prediction")


def crowd_run(
    campaign: Campaign,
    out_dir: Path,
    model: Model | None = None,
    *,
    followed: int = FOLLOWED,
    trace: Sequence[int] = (),
) -> Run:
    """Simulate a campaign with a crowd and write the Run of those who are followed.

    Parameters
    ----------
    campaign : Campaign
        What happens.
    out_dir : Path
        Folder of the Run.
    model : Model, optional
        How long it takes; assumed times without one.
    followed : int
        About how many players leave rows in the Run; all of them if there are no more. Totals of everybody are in the
        manifest's ``exact``, and ``followed`` says what share the rows stand for.
    trace : sequence of int
        Players who are followed in any case.

    Raises
    ------
    ConfigError
        If a crowd's simulation cannot carry the scenario out.
    """
    scenario, times = campaign.scenario, model or Model()
    watching = size_of(viewers(scenario))
    share = min(1.0, followed / max(1, size_of(bettors(scenario)), watching))
    starts = {} if share == 1.0 else spread_starts(scenario)
    crowd = Crowd(scenario, times, starts, share=share, trace=trace)
    crowd.run()
    told: dict[str, Any] = {"players": msgspec.to_builtins(crowd.exact())}
    if scenario.edges and watching:
        told["viewers"] = msgspec.to_builtins(crowd.audience.watched())
    partial = share < 1.0
    seen = structs.replace(campaign, skippable=(*campaign.skippable, "video_advances")) if partial else campaign
    manifest = manifest_base(
        kind="simulated",
        name=campaign.name,
        campaign=msgspec.to_builtins(seen),
        seed=scenario.seed,
        load_start_ns=crowd.load_start_ns,
        load_end_ns=crowd.load_start_ns + round(scenario.load_s * NS_PER_S),
        capabilities={
            **dict.fromkeys(SIMULATED, True),
            **dict.fromkeys(NOT_SIMULATED, False),
            "video": not partial,
        },
        label="prediction" if model else "assumed",
        people=numbers_by_kind(scenario),
        pace=pace_of(scenario),
    )
    facts = {"exact": told, "followed": {"share": share, "traced": list(trace)}, "not_modelled": unseen(scenario)}
    facts["laws"] = crowd.books
    run = write_run(out_dir, {**manifest, **facts}, crowd.tables())
    save_model(times, run.path / MODEL_FILE)
    return run


def unseen(scenario: Scenario) -> list[str]:
    """Return what a scenario asks for and a crowd's simulation leaves out."""
    video = [
        f"{fault.kind} of {fault.target} at {fault.at_s:g} s"
        for fault in scenario.faults
        if carried_out_in_a_crowd(fault) and (fault.target == "origin" or fault.target.startswith("studio-"))
    ]
    return not_modelled(scenario, carried_out_in_a_crowd) + video


def campaign_of(run: Run) -> Campaign:
    """Return the campaign that a Run's manifest holds.

    Raises
    ------
    ConfigError
        If there is none, or none that this version understands.
    """
    try:
        return msgspec.convert(run.manifest.get("campaign"), Campaign)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{run.path}: the manifest's campaign cannot be simulated: {error}") from None


def first_rounds(run: Run) -> Starts:
    """Return, for each table, the last round that opened before the load (or the first one) and when it opened."""
    start_ns = int(run.manifest["load_start_ns"])
    starts: dict[int, FirstRound] = {}
    rounds = run.rounds[run.rounds["opens_ns"] > 0].sort_values(["table", "opens_ns"])
    for table, own in rounds.groupby("table"):
        before = own[own["opens_ns"] <= start_ns]
        first = own.iloc[0] if before.empty else before.iloc[-1]
        offset_s = (int(first["opens_ns"]) - start_ns) / NS_PER_S
        starts[int(str(table))] = FirstRound(int(first["round_no"]), offset_s)
    return starts


def _write(campaign: Campaign, model: Model, starts: Starts, out_dir: Path, *, label: str) -> Run:
    scenario = campaign.scenario
    begin_ns = load_start_ns(starts)
    simulation = Simulation(scenario, model, starts)
    simulation.run()
    resolved: dict[str, Any] = msgspec.to_builtins(campaign)
    manifest = manifest_base(
        kind="simulated",
        name=campaign.name,
        campaign=resolved,
        seed=scenario.seed,
        load_start_ns=begin_ns,
        load_end_ns=begin_ns + round(scenario.load_s * NS_PER_S),
        capabilities={
            **dict.fromkeys(SIMULATED, True),
            **dict.fromkeys(NOT_SIMULATED, False),
        },
        not_modelled=not_modelled(scenario),
        label=label,
        people=numbers_by_kind(scenario),
        pace=pace_of(scenario),
    )
    run = write_run(out_dir, {**manifest, "laws": simulation.books}, simulation.tables())
    save_model(model, run.path / MODEL_FILE)
    return run
