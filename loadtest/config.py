"""Campaign files: TOML in, a checked :class:`sim.scenario.Campaign` out.

A campaign file is read once, at the edge. Whatever is wrong with it is said in one line that names the key, the value
and the limit, before anything is started. The schema for editors is generated from the same types.
"""

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect, structs

from loadtest.config_crowds import betting_problems, crowd_problems, with_replays
from loadtest.config_faults import fault_problems, with_random_faults
from loadtest.config_keys import nearest, refuse_unknown
from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.round_timing import Timing
from reports.expectations import RarePath
from reports.limits import parse_slos
from sim.scenario import Campaign, Choosing, Ladder, Scenario, viewer_arrivals

CAMPAIGNS = Path(__file__).parent / "campaigns"
SCHEMA = CAMPAIGNS / "schema.json"

_TIMING_MS_MAX = 600_000


def load_campaign(path: Path | str, fault_seed: int | None = None) -> Campaign:
    """Read and check a campaign file.

    Parameters
    ----------
    path : Path or str
        A TOML file, or the bare name of a shipped one, such as ``demo``.
    fault_seed : int, optional
        Seed of the faults by chance, in place of the file's.

    Raises
    ------
    ConfigError
        One line that says what is wrong: the file, the key, the value and the limit.
    """
    path = _shipped(Path(path))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such campaign file{_names_shipped(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return parse_campaign(text, path.parent, fault_seed)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _shipped(path: Path) -> Path:
    """Return the shipped campaign of a bare name, unless a file of that name lies here."""
    known = CAMPAIGNS / f"{path}.toml"
    return known if _is_bare(path) and not path.exists() and known.exists() else path


def _names_shipped(path: Path) -> str:
    if not _is_bare(path):
        return ""
    return "; shipped are " + ", ".join(sorted(file.stem for file in CAMPAIGNS.glob("*.toml")))


def _is_bare(path: Path) -> bool:
    return len(path.parts) == 1 and not path.suffix


def parse_campaign(text: str, folder: Path | None = None, fault_seed: int | None = None) -> Campaign:
    """Return the campaign that a TOML text describes, or raise a one-line ConfigError.

    Files that it names lie in `folder`; `fault_seed` seeds its faults by chance, if it is given.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}") from None
    refuse_unknown(inspect.type_info(Campaign), raw, "")
    try:
        campaign = msgspec.convert(raw, Campaign)
    except msgspec.ValidationError as error:
        raise ConfigError(_one_line(str(error), raw)) from None
    scenario = with_random_faults(with_replays(campaign.scenario, folder), fault_seed)
    campaign = structs.replace(campaign, scenario=scenario)
    for problem in _problems(campaign):
        raise ConfigError(problem)
    return campaign


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a campaign file; like the loader, it allows no unknown key at any depth."""
    schema = msgspec.json.schema(Campaign)
    for definition in schema["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return schema


def schema_text() -> str:
    """Return the contents of :data:`SCHEMA`."""
    return json.dumps(_whole(json_schema()), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _whole(part: Any) -> Any:
    """Write bounds such as 0.0 as 0: which of the two a type shows depends on who wrote an equal one first."""
    if isinstance(part, dict):
        return {key: _whole(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_whole(value) for value in part]
    return int(part) if isinstance(part, float) and part.is_integer() else part


def _one_line(message: str, raw: object) -> str:
    text, _, place = message.partition(" - at `$")
    keys = re.findall(r"\w+", place)
    if not keys:
        return text
    value: Any = raw
    for key in keys:
        value = value[int(key) if isinstance(value, list) else key]
    return f"{place.rstrip('`').lstrip('.')} = {value!r}: {text[0].lower()}{text[1:]}"


def _problems(campaign: Campaign) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", campaign.name):
        yield f"name = {campaign.name!r}: must be 1 to 64 letters, digits, dots, underscores or hyphens"
    yield from _range_problems(campaign.scenario)
    yield from crowd_problems(campaign.scenario)
    yield from _event_problems(campaign.scenario)
    yield from fault_problems(campaign)
    yield from _limit_problems(campaign)
    yield from _expectation_problems(campaign.expect)
    if campaign.simulate and viewer_arrivals(campaign.scenario):
        yield from _video_problems(campaign.scenario)


def _video_problems(scenario: Scenario) -> Iterator[str]:
    """Yield what the simulation's video does not have."""
    if (rule := scenario.viewing.rule) is not Choosing.THROUGHPUT:
        yield f"scenario.viewing.rule = '{rule}': simulated viewers know only 'throughput'; set simulate = false"
    if (ladder := scenario.ladder) is not Ladder.SMALL:
        yield f"scenario.ladder = '{ladder}': simulated studios know only '{Ladder.SMALL}'; set simulate = false"


def _limit_problems(campaign: Campaign) -> Iterator[str]:
    """Yield limits on what cannot happen in the scenario, since they would be broken for want of a measurement."""
    watched, breaks = bool(viewer_arrivals(campaign.scenario)), bool(campaign.scenario.faults)
    for expected in parse_slos(campaign.slo):
        group = expected.figure.group
        if group == "video" and not watched:
            yield f"slo '{expected}': nobody watches any video in this scenario"
        if group == "fault" and not breaks:
            yield f"slo '{expected}': nothing is broken in this scenario"


def _range_problems(scenario: Scenario) -> Iterator[str]:
    if scenario.ramp_s > scenario.load_s:
        yield f"scenario.ramp_s = {scenario.ramp_s:g}: must not exceed load_s = {scenario.load_s:g}"
    for index, name in enumerate(scenario.games):
        if name not in GAMES:
            yield f"scenario.games[{index}] = {name!r}: there is no such game, known are {', '.join(GAMES)}"
    if not scenario.games:
        yield "scenario.games = []: name at least one game"
    yield from _timing_problems(scenario.timing, "scenario.timing")
    for index, timing in enumerate(scenario.timings):
        yield from _timing_problems(timing, f"scenario.timings[{index}]")
    yield from betting_problems(scenario.betting, "scenario.betting")
    if scenario.viewers_per_table and not scenario.edges:
        yield f"scenario.viewers_per_table = {scenario.viewers_per_table}: without edges there is no video to watch"


def _timing_problems(timing: Timing, where: str) -> Iterator[str]:
    for field in dataclasses.fields(timing):
        value = getattr(timing, field.name)
        if isinstance(value, ClosePolicy):
            continue
        least = 1 if field.name == "window_ms" else 0
        if not least <= value <= _TIMING_MS_MAX:
            yield f"{where}.{field.name} = {value}: must lie between {least} and {_TIMING_MS_MAX}"
    if timing.closing_soon_ms > timing.window_ms:
        yield (f"{where}.closing_soon_ms = {timing.closing_soon_ms}: must not exceed window_ms = {timing.window_ms}")
    if timing.close_policy is ClosePolicy.EQUAL and timing.grace_ms_max >= timing.window_ms:
        yield f"{where}.grace_ms_max = {timing.grace_ms_max}: must be less than window_ms = {timing.window_ms}"


def _event_problems(scenario: Scenario) -> Iterator[str]:
    for index, surge in enumerate(scenario.surges):
        where = f"scenario.surges[{index}]"
        if surge.table > scenario.tables:
            yield f"{where}.table = {surge.table}: there are only tables 1 to {scenario.tables}"
        if surge.at_s + surge.within_s > scenario.load_s:
            yield f"{where}.at_s = {surge.at_s:g}: the surge ends after the load, load_s = {scenario.load_s:g}"


def _expectation_problems(expect: tuple[str, ...]) -> Iterator[str]:
    for index, name in enumerate(expect):
        if name not in set(RarePath):
            yield f"expect[{index}] = {name!r}: there is no such path{nearest(name, RarePath)}"
