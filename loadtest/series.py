"""A campaign at several loads, several times each: what a model is fitted on, and what it is held against.

Loads are interleaved: each repeat is a permutation of all loads, dealt by the seed, so that a drift of the machine
meets all of them alike. A repeat has a seed of its own, so that a load is not one plan of bets. Whatever ran already is
not run again: a series can be collected in as many sittings as it takes.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import structs

from loadtest.campaign import run_campaign
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError, OperationalError
from sim.scenario import Campaign, Scenario

FINISHED = "finished"


class Member(NamedTuple):
    """One campaign of a series: ``name`` tells its load and its repeat, and ends its run folder's name."""

    name: str
    campaign: Campaign


def series_of(campaign: Campaign, field: str, values: list[Any], repeats: int, seed: int) -> list[Member]:
    """Return the campaigns of a series in the order in which they run.

    Parameters
    ----------
    campaign : Campaign
        What is repeated.
    field : str
        The scenario's field that is varied.
    values : list
        Its values.
    repeats : int
        How often each.
    seed : int
        Deals the order. The scenarios' own seeds are the campaign's, plus the repeat's number.

    Raises
    ------
    ConfigError
        If the scenario has no such field, or a value does not fit it.
    """
    members = []
    for repeat in range(1, repeats + 1):
        order = np.random.default_rng([seed, repeat]).permutation(len(values))
        for value in (values[place] for place in order.tolist()):
            scenario = structs.replace(_varied(campaign.scenario, field, value), seed=campaign.scenario.seed + repeat)
            name = f"{campaign.name}-{field}-{value}-r{repeat}"
            members.append(Member(name, structs.replace(campaign, name=name, scenario=scenario)))
    return members


def run_series(members: list[Member], out: Path, within_s: float | None = None) -> Iterator[tuple[Member, Path]]:
    """Run what has not run yet; yield each run as it is finished.

    Parameters
    ----------
    members : list of Member
        As :func:`series_of` returns them.
    out : Path
        Where runs are kept, and looked for.
    within_s : float, optional
        No run is begun that would not end in this time, judged by the longest so far.

    Raises
    ------
    OperationalError
        If a campaign fails; what ran before it is kept.
    """
    shown = Progress()
    started_s = time.monotonic()
    longest_s = 0.0
    waiting = [member for member in members if finished(out, member.name) is None]
    for number, member in enumerate(waiting, 1):
        begin_s = time.monotonic()
        if within_s is not None and begin_s - started_s + longest_s > within_s:
            return
        shown.say(f"{number} of {len(waiting)} left: {member.name}")
        result = asyncio.run(run_campaign(member.campaign, out))
        if result.evaluation is None:
            raise OperationalError(f"{member.name}: {result.message}; see {result.run_path}")
        longest_s = max(longest_s, time.monotonic() - begin_s)
        yield member, result.run_path


def finished(out: Path, name: str) -> Path | None:
    """Return the folder of a campaign's finished run, if there is one."""
    for manifest in sorted(out.glob(f"*T*-{name}/manifest.json")):
        if msgspec.json.decode(manifest.read_bytes()).get("exit_reason") == FINISHED:
            return manifest.parent
    return None


def _varied(scenario: Scenario, field: str, value: Any) -> Scenario:
    if field not in scenario.__struct_fields__:
        raise ConfigError(f"--vary {field}: a scenario has no such field")
    try:
        return msgspec.convert({**msgspec.to_builtins(scenario), field: value}, Scenario)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--vary {field}={value}: {error}") from None
