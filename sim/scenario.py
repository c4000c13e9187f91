"""A scenario: what happens at the tables, said once for the real system and for the simulated one.

A campaign file is a scenario and what is expected of it. Instants are seconds after the load starts.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from reference_impl.domain.bets import BetTiming
from reference_impl.domain.game_round import Timing
from reference_impl.domain.games.catalogue import DEFAULT_GAMES

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0)]


class Betting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a player bets.

    Parameters
    ----------
    participation : float
        Probability that a player bets in a round at all.
    bets_per_round_mean : float
        Mean number of bets of a player that takes part: its whole part, and one more with the rest as probability.
    stake_minor_min, stake_minor_max : int
        Stakes are uniform over whole multiples of `stake_minor_min` up to `stake_minor_max`.
    timing : BetTiming
        When in the window the bets are placed.
    """

    participation: Share = 0.9
    bets_per_round_mean: Annotated[float, Meta(ge=1.0, le=50.0)] = 2.5
    stake_minor_min: Positive = 100
    stake_minor_max: Positive = 2_000
    timing: BetTiming = BetTiming()


class Viewing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a viewer plays the video.

    Parameters
    ----------
    hold_back_s : float
        How far behind the newest frame it plays; 0 means the playlist's PART-HOLD-BACK.
    catch_up_rate_max : float
        A viewer that has fallen behind plays up to this much faster.
    skip_behind_s : float
        A viewer that is further behind its hold-back than this skips forward instead.
    timeout_s : float
        How long an answer may take beyond what the request has to wait for: later, the edge counts as dead.
    """

    hold_back_s: Seconds = 0.0
    catch_up_rate_max: Annotated[float, Meta(ge=1.0, le=2.0)] = 1.1
    skip_behind_s: Annotated[float, Meta(gt=0.0)] = 4.0
    timeout_s: Annotated[float, Meta(gt=0.0)] = 2.0


class Surge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A crowd joins one table: its players become `factor` times as many within `within_s`, arriving uniformly."""

    table: Positive
    at_s: Seconds
    within_s: Annotated[float, Meta(gt=0.0)]
    factor: Annotated[float, Meta(gt=1.0, le=100.0)]


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something is broken on purpose. ``kill`` is SIGKILL; the supervisor starts the process again.

    Parameters
    ----------
    kind, target : str
        What is done to which process.
    at_s : float
        When, after the load's start.
    before_close_ms : int
        0 strikes at `at_s`; otherwise the fault waits, from `at_s` on, for the first moment that lies so long before
        a table's cut-off. So it can be aimed at the rush of late bets.
    """

    kind: Annotated[str, Meta(pattern="^kill$")]
    target: str
    at_s: Seconds
    before_close_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tables, players, load and faults.

    Parameters
    ----------
    tables, gateways, shards : int
        Size of the system. Tables are numbered from 1, gateways and shards from 0.
    edges : int
        Edges that serve the video; 0 means that there is none. Edges are numbered from 0.
    players_per_table : int
        Players at each table before any surge.
    viewers_per_table : int
        Headless viewers at each table. They log in and watch, and never bet.
    ramp_s : float
        The players arrive uniformly within this time.
    load_s : float
        Length of the load, ramp included.
    deposit_minor : int
        Every player's first deposit.
    timing, timings : Timing, tuple of Timing
        Every table's timings, or those of tables 1, 2, … in turn.
    betting : Betting
        The players' behaviour.
    viewing : Viewing
        The viewers' behaviour.
    surges, faults : tuple
        What happens when.
    answer_s_max : float
        A player that has no answer after this long reconnects and sends the bet again, with the same id.
    games : tuple of str
        The tables' games, dealt out to tables 1, 2, … in turn.
    seed : int
        Seeds the load, the model and nothing else.
    """

    tables: Positive = 2
    gateways: Positive = 2
    shards: Positive = 2
    edges: Count = 0
    players_per_table: Positive = 100
    viewers_per_table: Count = 0
    ramp_s: Seconds = 5.0
    load_s: Annotated[float, Meta(gt=0.0)] = 60.0
    deposit_minor: Positive = 100_000
    timing: Timing = Timing()
    timings: tuple[Timing, ...] = ()
    betting: Betting = Betting()
    viewing: Viewing = Viewing()
    surges: tuple[Surge, ...] = ()
    faults: tuple[Fault, ...] = ()
    answer_s_max: Annotated[float, Meta(gt=0.0)] = 3.0
    games: tuple[str, ...] = DEFAULT_GAMES
    seed: int = 1


class Arrival(Struct, frozen=True):
    """A player joins: number (from 1, also the account), table, and when."""

    player: int
    table: int
    at_s: float


def arrivals(scenario: Scenario) -> list[Arrival]:
    """Return every player's arrival, in order of player number; a pure function of the scenario."""
    joined: list[Arrival] = []

    def join(table: int, count: int, start_s: float, within_s: float) -> None:
        first = len(joined) + 1
        joined.extend(Arrival(first + i, table, start_s + within_s * (i + 0.5) / count) for i in range(count))

    for table in range(1, scenario.tables + 1):
        join(table, scenario.players_per_table, 0.0, scenario.ramp_s)
    for surge in scenario.surges:
        join(surge.table, round(scenario.players_per_table * (surge.factor - 1)), surge.at_s, surge.within_s)
    return joined


def viewer_arrivals(scenario: Scenario) -> list[Arrival]:
    """Return every viewer's arrival, like the players'. Their numbers go on where the players' end."""
    first, count = len(arrivals(scenario)) + 1, scenario.viewers_per_table
    return [
        Arrival(first + (table - 1) * count + i, table, scenario.ramp_s * (i + 0.5) / count)
        for table in range(1, scenario.tables + 1)
        for i in range(count)
    ]


def people(scenario: Scenario) -> list[Arrival]:
    """Return players and viewers in the order in which they come."""
    return sorted(arrivals(scenario) + viewer_arrivals(scenario), key=lambda arrival: (arrival.at_s, arrival.player))


class Slo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected: the campaign fails if a limit is broken. Limits of the video count if somebody watches it."""

    bet_p99_ms_max: Annotated[float, Meta(gt=0.0)] = 250.0
    unknown_share_max: Share = 0.0
    generator_lag_p99_ms_max: Annotated[float, Meta(gt=0.0)] = 50.0
    video_p95_ms_max: Annotated[float, Meta(gt=0.0)] = 3000.0
    stalled_share_max: Share = 0.02


class Campaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign file: a name, a scenario, limits, and which checks may be skipped.

    Parameters
    ----------
    name, description : str
        For the report.
    scenario : Scenario
        What happens.
    slo : Slo
        What is expected.
    workers : int
        Locust worker processes.
    skippable : tuple of str
        Checks that may be skipped without making the verdict invalid.
    simulate : bool
        Whether the twin is fitted and run afterwards.
    """

    name: str
    description: str = ""
    scenario: Scenario = field(default_factory=Scenario)
    slo: Slo = field(default_factory=Slo)
    workers: Positive = 1
    skippable: tuple[str, ...] = ()
    simulate: bool = True
