"""Simulations from the command line: which scenario, how large, and what is printed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from msgspec import structs

from loadtest.config import load_campaign
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_MS
from reports.run import Run, open_run
from reports.series import STAGES
from sim.ensemble import model_in
from sim.experiment import Job, summarise, sweep
from sim.parameters import Model
from sim.plan import Plan, parse_limit, plan
from sim.scenario import Campaign
from sim.twin import campaign_of


def chosen_campaign(file: Path | None, like: Path | None) -> Campaign:
    """Return the campaign of a file or of a run.

    Raises
    ------
    ConfigError
        Unless exactly one of them is given.
    """
    if (file is None) == (like is None):
        raise ConfigError("name either a campaign file or, with --like, a run")
    return load_campaign(file) if file is not None else campaign_of(open_run(like or ""))


def with_players(campaign: Campaign, players: int | None) -> Campaign:
    """Return a campaign with so many players and, in the same proportion, viewers, gateways, shards and edges.

    Raises
    ------
    ConfigError
        If they are fewer than the tables, or the campaign gives nothing to grow from.
    """
    scenario = campaign.scenario
    if players is None:
        return campaign
    if players < scenario.tables:
        raise ConfigError(f"--players is {players}: must be at least the {scenario.tables} tables")
    if scenario.crowds or not scenario.players_per_table:
        raise ConfigError(f"--players is {players}: needs a scenario with players_per_table, and without crowds")
    factor = players / (scenario.tables * scenario.players_per_table)

    def grown(count: int) -> int:
        return max(1, round(count * factor)) if count else 0

    # tables are not crowded without bound: one for each 10,000 players
    tables = max(scenario.tables, round(players / 10_000))
    return structs.replace(
        campaign,
        scenario=structs.replace(
            scenario,
            tables=tables,
            players_per_table=max(1, players // tables),
            viewers_per_table=grown(scenario.viewers_per_table * scenario.tables) // tables,
            gateways=max(scenario.gateways, grown(scenario.gateways) if factor < 1 else round(players / 5_000)),
            shards=max(scenario.shards, round(players / 250_000)),
            edges=max(scenario.edges, round(grown(scenario.viewers_per_table * scenario.tables) / 4_000))
            if scenario.edges
            else 0,
        ),
    )


def print_exact(run: Run) -> None:
    """Print what was counted of everybody, if the run follows a crowd."""
    exact = run.manifest.get("exact")
    if not exact:
        return
    progress = Progress()
    bets, share = exact["players"], run.manifest["followed"]["share"]
    quantiles = ", ".join(f"{name} {value:,.1f}" for name, value in bets["latency_ms"].items())
    progress.say(
        f"exact, of all {bets['players']:,} players: {bets['offered']:,} bets, {bets['bets_per_s']:,.0f} a second; "
        f"{quantiles} ms; tables above follow {share:.2%} of them"
    )


def print_trace(run: Run, players: Sequence[int]) -> None:
    """Print the bets of players who were traced, stage by stage."""
    progress = Progress()
    for player in players:
        rows = run.ops[(run.ops["account"] == player) & (run.ops["round"] > 0)]
        if rows.empty:
            progress.say(f"player {player}: no bets")
        for row in rows.to_dict("records"):
            stages = " ".join(
                f"{name.removesuffix('_ns')} +{(row[name] - row['due_ns']) / NS_PER_MS:.2f}"
                for _, _, name in STAGES if row[name]
            )  # fmt: skip
            progress.say(f"player {player} bet {row['op']}: {stages} ms, batch of {row['batch_size']}")


def sweep_file(
    file: Path, vary: Sequence[str], figure: str, players: int | None, model: Path | None, seeds: int,
    resume: Path | None,
) -> tuple[pd.DataFrame, str]:  # fmt: skip
    """Sweep a campaign file's scenario; return a figure's mean and interval of each combination, and a table of it."""
    grid = dict(map(varied_field, vary))
    job = _job(file, players, model)
    progress = Progress()

    rows = sweep(job, grid, seeds=seeds, resume=resume, progress=progress.step)
    if figure not in rows:
        raise ConfigError(f"there is no figure {figure!r}; there are {', '.join(map(str, rows.columns))}")
    found = summarise(rows, list(grid), figure)
    table = found.to_string(index=False, float_format=lambda value: f"{value:,.3f}")
    return found, f"{figure}, mean of {seeds} with its 95 % half-width\n{table}"


def plan_file(
    file: Path, slos: Sequence[str], probability: float, players: int | None, model: Path | None
) -> tuple[Plan, str]:  # fmt: skip
    """Plan for a campaign file's load; return what was found, and how it is said."""
    limits = [parse_limit(slo) for slo in slos]
    job = _job(file, players, model)
    shown = Progress()

    def tell(tried: dict[str, Any]) -> None:
        held = "holds" if tried["holds"] else f"breaks {tried['broken']}"
        shown.say(f"{tried['shards']} shards, {tried['gateways']} gateways, {tried['edges']} edges: {held}")

    shown.say("trying sizes, beginning where the utilisation law allows it; the first may take some seconds to compile")
    found = plan(job.scenario, job.model, limits, probability=probability, progress=tell)
    bounds = "; ".join(
        f"{limit.figure} below {found.figures[limit.figure]:,.2f} (limit {limit.value:g})" for limit in limits
    )  # fmt: skip
    sizes = f"{found.shards} shards, {found.gateways} gateways, {found.edges} edges"
    lines = [
        f"{'holds' if found.holds else 'NOT held by'}: {sizes}; about {found.cores} busy cores, cost {found.cost:g}",
        f"with probability {found.probability:g} the next run keeps {bounds} (n = {found.replications})",
        *(f"extrapolation: {why}" for why in found.extrapolates),
    ]
    return found, "\n".join(lines)


def _job(file: Path, players: int | None, model: Path | None) -> Job:
    campaign = with_players(load_campaign(file), players)
    return Job(campaign.scenario, model_in(model) if model else Model())


def varied_field(text: str) -> tuple[str, list[Any]]:
    """Return a field and its values, of ``FIELD=VALUE,VALUE``; raise ConfigError if it is written otherwise."""
    name, sign, values = text.partition("=")
    if not sign or not values:
        raise ConfigError(f"--vary {text!r}: write FIELD=VALUE,VALUE as in gateways=2,4")
    try:
        return name.strip(), [msgspec.json.decode(value) for value in values.split(",")]
    except msgspec.DecodeError:
        raise ConfigError(f"--vary {text!r}: values must be numbers") from None
