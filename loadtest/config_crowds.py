"""What can be wrong with the people of a campaign file: crowds, storms, and how they bet."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from reference_impl.domain.bets import BetTiming
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.protocol import AMOUNT_MINOR_MAX
from sim.arrival_times import intensity
from sim.processes import Process, Replay
from sim.scenario import Betting, Crowd, Kind, Scenario, StormKind

COUNTS_MAX = 10_000
COUNT_MAX = 10**9


def crowd_problems(scenario: Scenario) -> Iterator[str]:
    """Yield what is wrong with who comes, in one line each."""
    if not scenario.players_per_table and not scenario.crowds:
        yield "scenario.players_per_table = 0: without crowds nobody comes"
    if not scenario.players_per_table and scenario.surges:
        yield "scenario.players_per_table = 0: a surge multiplies nobody; say who comes as a crowd"
    for index, crowd in enumerate(scenario.crowds):
        yield from _problems_of(crowd, f"scenario.crowds[{index}]", scenario)
    for index, storm in enumerate(scenario.storms):
        where = f"scenario.storms[{index}]"
        yield from _table_problems(storm.table, where, scenario)
        if storm.at_s >= scenario.load_s:
            yield f"{where}.at_s = {storm.at_s:g}: must be less than load_s = {scenario.load_s:g}"
        if storm.kind is StormKind.EXIT_TO_LOBBY and scenario.tables == 1:
            yield f"{where}.kind = '{storm.kind}': there is no other table to go to, tables = 1"


def betting_problems(betting: Betting, where: str) -> Iterator[str]:
    """Yield what is wrong with a way of betting, in one line each."""
    if not betting.stake_minor_min <= betting.stake_minor_max <= AMOUNT_MINOR_MAX:
        yield (
            f"{where}.stake_minor_max = {betting.stake_minor_max}: must lie between "
            f"stake_minor_min = {betting.stake_minor_min} and {AMOUNT_MINOR_MAX}"
        )
    yield from _bet_timing_problems(betting.timing, f"{where}.timing")


def with_replays(scenario: Scenario, folder: Path | None) -> Scenario:
    """Return a scenario whose replays hold their counts, read from the files that they name.

    Raises
    ------
    ConfigError
        If a file cannot be read or holds something else than counts.
    """
    crowds = tuple(
        structs.replace(crowd, arrival=_read(crowd.arrival, folder, f"scenario.crowds[{index}].arrival"))
        if isinstance(crowd.arrival, Replay) and crowd.arrival.file
        else crowd
        for index, crowd in enumerate(scenario.crowds)
    )
    return structs.replace(scenario, crowds=crowds)


def _read(replay: Replay, folder: Path | None, where: str) -> Replay:
    path = (folder or Path()) / replay.file
    where = f"{where}.file = '{replay.file}'"
    if replay.per_minute:
        raise ConfigError(f"{where}: per_minute is given too; one of them is enough")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {path} cannot be read: {error}") from None
    counts = [line.partition("#")[0].strip() for line in lines]
    counts = [count for count in counts if count]
    if len(counts) > COUNTS_MAX:
        raise ConfigError(f"{where}: holds {len(counts)} counts, limit {COUNTS_MAX}")
    for count in counts:
        if not count.isascii() or not count.isdigit() or int(count) > COUNT_MAX:
            raise ConfigError(f"{where}: '{count[:40]}' is no count from 0 to {COUNT_MAX}")
    return structs.replace(replay, per_minute=tuple(map(int, counts)))


def _problems_of(crowd: Crowd, where: str, scenario: Scenario) -> Iterator[str]:
    yield from _table_problems(crowd.table, where, scenario)
    if crowd.kind is Kind.VIEWER and not scenario.edges:
        yield f"{where}.kind = 'viewer': without edges there is no video to watch"
    if crowd.betting is not None:
        yield from betting_problems(crowd.betting, f"{where}.betting")
    if crowd.arrival is not None:
        yield from _arrival_problems(crowd.arrival, f"{where}.arrival", scenario)


def _arrival_problems(process: Process, where: str, scenario: Scenario) -> Iterator[str]:
    knots = intensity(process, scenario.seed, 0)
    if not any(knot.rate > 0 for knot in knots):
        yield f"{where}: its rate is 0 all the time, so nobody comes"
    elif knots[-1].at_s > scenario.load_s:
        yield f"{where}: ends at {knots[-1].at_s:g} s, after the load, load_s = {scenario.load_s:g}"


def _table_problems(table: int, where: str, scenario: Scenario) -> Iterator[str]:
    if table > scenario.tables:
        yield f"{where}.table = {table}: there are only tables 1 to {scenario.tables}, and 0 for all of them"


def _bet_timing_problems(timing: BetTiming, where: str) -> Iterator[str]:
    for name in ("repeat_share", "late_share"):
        if not 0.0 <= getattr(timing, name) <= 1.0:
            yield f"{where}.{name} = {getattr(timing, name):g}: must lie between 0 and 1"
    if timing.repeat_share + timing.late_share > 1.0:
        total = timing.repeat_share + timing.late_share
        yield f"{where}.late_share = {timing.late_share:g}: repeat_share and late_share add up to {total:g}, limit 1"
    for name in ("repeat_mean_s", "late_mean_s"):
        if not getattr(timing, name) > 0.0:
            yield f"{where}.{name} = {getattr(timing, name):g}: must be greater than 0"
