"""A scenario: what happens at the tables, said once for the real system and for the simulated one.

A campaign file is a scenario and what is expected of it. Instants are seconds after the load starts.

People are numbered, and a number is also an account: first the players who bet as planned (each table's, the surges',
the crowds'), then the viewers, then everybody else. So a change of the audience leaves the bets alone.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, field, structs

from reference_impl.domain.balancing.policies import Balancing
from reference_impl.domain.bets import BetTiming
from reference_impl.domain.games.catalogue import DEFAULT_GAMES
from reference_impl.domain.round_timing import Timing
from reports.limits import DEFAULT_SLOS, HealthLimits
from sim.arrival_times import when
from sim.fault_kinds import Fault
from sim.fault_schedule import RandomFaults
from sim.processes import Process, Uniform

Floats = npt.NDArray[np.float64]
Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0)]
Length = Annotated[float, Meta(gt=0.0)]

_AT_ONCE_S = 1e-9
_TABLES_MAX = 1 << 16


class Pace(StrEnum):
    """When the next bet of a round starts: when it is due, or some time after the last answer."""

    OPEN = "open"
    CLOSED = "closed"


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
    covers : bool
        A player who takes part bets on red, on black and on zero, and on nothing else: whatever falls, everybody wins.
    pace : Pace
        ``open``: bets start when they are due, whatever is outstanding. ``closed``: a player waits for each answer,
        thinks, and bets again while the window is open; the latencies of such a load forgive a slow system.
    think_s_mean : float
        Mean of the exponential time between an answer and the next bet of a closed pace.
    timing : BetTiming
        When in the window the bets are placed.
    """

    participation: Share = 0.9
    bets_per_round_mean: Annotated[float, Meta(ge=1.0, le=50.0)] = 2.5
    stake_minor_min: Positive = 100
    stake_minor_max: Positive = 2_000
    covers: bool = False
    pace: Pace = Pace.OPEN
    think_s_mean: Length = 1.0
    timing: BetTiming = BetTiming()


class Kind(StrEnum):
    """What a user does. The first two bet as :mod:`sim.arrivals` plans."""

    BETTOR = "bettor"
    HIGH_ROLLER = "high-roller"
    VIEWER = "viewer"
    LOBBY_BROWSER = "lobby-browser"
    ADVERSARY = "adversary"


BETTING_KINDS: Final = frozenset({Kind.BETTOR, Kind.HIGH_ROLLER})

HIGH_ROLLING: Final = Betting(
    participation=1.0, bets_per_round_mean=20.0, stake_minor_min=1_000, stake_minor_max=100_000
)
"""How high-rollers bet unless their crowd says otherwise: many spots, large stakes. An assumption."""


class Crowd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People of one kind.

    Parameters
    ----------
    kind : Kind
        What they do.
    count : int
        How many they are, at each table that they come to.
    table : int
        Where they come; 0 is every table.
    arrival : Process or None
        When they come; None is evenly within the scenario's `ramp_s`.
    betting : Betting or None
        How they bet; None is the scenario's betting, or :data:`HIGH_ROLLING` for high-rollers.
    """

    kind: Kind = Kind.BETTOR
    count: Positive
    table: Count = 0
    arrival: Process | None = None
    betting: Betting | None = None


class StormKind(StrEnum):
    """What many do at once."""

    RECONNECT = "reconnect"
    EXIT_TO_LOBBY = "exit-to-lobby"


class Storm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many of the players who bet do the same at once.

    Parameters
    ----------
    kind : StormKind
        ``reconnect``: their connections break, and they come back. ``exit-to-lobby``: they leave the table, look round
        the lobby, and sit down at the next table.
    at_s : float
        When.
    before_close_ms : int
        0 strikes at `at_s`; otherwise the storm waits, from `at_s` on, for the first moment that lies so long before
        the cut-off of a player's table. So it can meet bets in flight.
    share : float
        Which share of the players.
    table : int
        Of which table; 0 is every table.
    """

    kind: StormKind
    at_s: Seconds
    before_close_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    share: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    table: Count = 0


class Clients(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How good the players' devices are.

    Parameters
    ----------
    late_share : float
        Share of the players whose screen and countdown are behind the table. They are honest: they bet while their own
        countdown runs, and so may come too late.
    late_ms_max : int
        They are behind by a time that is uniform up to this.
    """

    late_share: Share = 0.0
    late_ms_max: Annotated[int, Meta(ge=0, le=10_000)] = 1_000


class Choosing(StrEnum):
    """How viewers choose renditions."""

    THROUGHPUT = "throughput"
    BOLA_E = "BOLA-E"
    LOL_PLUS = "LoL+"


class Ladder(StrEnum):
    """Which renditions studios encode, as ``livetable up`` names them; ``lowest`` is that of 240 lines alone."""

    FULL = "full"
    SMALL = "small"
    SINGLE = "single"
    LOWEST = "lowest"


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
    rule : Choosing
        How renditions are chosen. Simulated viewers know the throughput rule only.
    """

    hold_back_s: Seconds = 0.0
    catch_up_rate_max: Annotated[float, Meta(ge=1.0, le=2.0)] = 1.1
    skip_behind_s: Annotated[float, Meta(gt=0.0)] = 4.0
    timeout_s: Annotated[float, Meta(gt=0.0)] = 2.0
    rule: Choosing = Choosing.THROUGHPUT


class Surge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A crowd joins one table: its players become `factor` times as many within `within_s`, arriving uniformly."""

    table: Positive
    at_s: Seconds
    within_s: Annotated[float, Meta(gt=0.0)]
    factor: Annotated[float, Meta(gt=1.0, le=100.0)]


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tables, players, load and faults.

    Parameters
    ----------
    tables, gateways, shards : int
        Size of the system. Tables are numbered from 1, gateways and shards from 0.
    edges : int
        Edges that serve the video; 0 means that there is none. Edges are numbered from 0.
    ladder : Ladder
        Which renditions studios encode. The simulation has the small ladder only.
    players_per_table : int
        Players at each table before any surge or crowd.
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
    balancer : Balancing
        Which policies choose gateways and edges.
    clients : Clients
        The players' devices.
    crowds : tuple of Crowd
        Who else comes.
    surges, storms, faults : tuple
        What happens when.
    random_faults : RandomFaults or None
        Faults by chance, which a campaign file's reader deals out among the others.
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
    ladder: Ladder = Ladder.SMALL
    players_per_table: Count = 100
    viewers_per_table: Count = 0
    ramp_s: Seconds = 5.0
    load_s: Annotated[float, Meta(gt=0.0)] = 60.0
    deposit_minor: Positive = 100_000
    timing: Timing = Timing()
    timings: tuple[Timing, ...] = ()
    betting: Betting = Betting()
    viewing: Viewing = Viewing()
    balancer: Balancing = Balancing()
    clients: Clients = Clients()
    crowds: tuple[Crowd, ...] = ()
    surges: tuple[Surge, ...] = ()
    storms: tuple[Storm, ...] = ()
    faults: tuple[Fault, ...] = ()
    random_faults: RandomFaults | None = None
    answer_s_max: Annotated[float, Meta(gt=0.0)] = 3.0
    games: tuple[str, ...] = DEFAULT_GAMES
    seed: int = 1


class Arrival(Struct, frozen=True):
    """A person comes: number (from 1, also the account), table, when, what for, and with which crowd (-1: none)."""

    player: int
    table: int
    at_s: float
    kind: Kind = Kind.BETTOR
    crowd: int = -1


class Group(NamedTuple):
    """People of one kind who come to one table: when each comes, in seconds, and with which crowd (-1: none)."""

    table: int
    at_s: Floats
    kind: Kind = Kind.BETTOR
    crowd: int = -1


def load_of(scenario: Scenario) -> bytes:
    """Return what all repeats of a scenario share, as JSON: everything but the seed, which is 0."""
    return msgspec.json.encode(structs.replace(scenario, seed=0))


def senders(scenario: Scenario) -> int:
    """Return how many senders all gateways have: each has one for each shard."""
    return scenario.gateways * scenario.shards


def bettors(scenario: Scenario) -> list[Group]:
    """Return everybody who bets as planned, in order of number; a pure function of the scenario."""
    groups = [
        Group(table, _evenly(0.0, scenario.ramp_s, scenario.players_per_table))
        for table in range(1, scenario.tables + 1)
    ]
    for surge in scenario.surges:
        more = round(scenario.players_per_table * (surge.factor - 1))
        groups.append(Group(surge.table, _evenly(surge.at_s, surge.within_s, more)))
    return groups + list(_crowds(scenario, BETTING_KINDS))


def viewers(scenario: Scenario) -> list[Group]:
    """Return every viewer, in order of number. Their numbers go on where the players' end."""
    groups = [
        Group(table, _evenly(0.0, scenario.ramp_s, scenario.viewers_per_table), Kind.VIEWER)
        for table in range(1, scenario.tables + 1)
    ]
    return groups + list(_crowds(scenario, frozenset({Kind.VIEWER})))


def others(scenario: Scenario) -> list[Group]:
    """Return everybody else, in order of number. Their numbers go on where the viewers' end."""
    return list(_crowds(scenario, frozenset(Kind) - BETTING_KINDS - {Kind.VIEWER}))


def size_of(groups: Sequence[Group]) -> int:
    """Return how many people there are in all groups."""
    return sum(len(group.at_s) for group in groups)


def arrivals(scenario: Scenario) -> list[Arrival]:
    """Return the arrival of everybody who bets as planned, in order of number."""
    return _one_by_one(bettors(scenario), 1)


def viewer_arrivals(scenario: Scenario) -> list[Arrival]:
    """Return every viewer's arrival, like the players'."""
    return _one_by_one(viewers(scenario), 1 + size_of(bettors(scenario)))


def other_arrivals(scenario: Scenario) -> list[Arrival]:
    """Return the arrival of everybody else."""
    first = 1 + size_of(bettors(scenario)) + size_of(viewers(scenario))
    return _one_by_one(others(scenario), first)


def people(scenario: Scenario) -> list[Arrival]:
    """Return everybody in the order in which they come."""
    everybody = arrivals(scenario) + viewer_arrivals(scenario) + other_arrivals(scenario)
    return sorted(everybody, key=lambda arrival: (arrival.at_s, arrival.player))


def _one_by_one(groups: Sequence[Group], first: int) -> list[Arrival]:
    everybody = ((group, at_s) for group in groups for at_s in group.at_s.tolist())
    return [
        Arrival(number, group.table, at_s, group.kind, group.crowd)
        for number, (group, at_s) in enumerate(everybody, first)
    ]


def _evenly(start_s: float, within_s: float, count: int) -> Floats:
    instants: Floats = start_s + within_s * (np.arange(count) + 0.5) / max(count, 1)
    return instants


def _crowds(scenario: Scenario, kinds: frozenset[Kind]) -> Iterator[Group]:
    for index, crowd in enumerate(scenario.crowds):
        if crowd.kind not in kinds:
            continue
        process = crowd.arrival or Uniform(within_s=max(scenario.ramp_s, _AT_ONCE_S))
        for table in [crowd.table] if crowd.table else range(1, scenario.tables + 1):
            at_s = when(process, crowd.count, scenario.seed, index * _TABLES_MAX + table)
            yield Group(table, np.array(at_s, dtype=np.float64), crowd.kind, index)


class Campaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign file: a name, a scenario, limits, and which checks may be skipped.

    Parameters
    ----------
    name, description : str
        For the report.
    scenario : Scenario
        What happens.
    slo : tuple of str
        What is expected, as expressions: see :mod:`reports.limits`. The campaign fails if one is broken.
    health : HealthLimits
        What the load generator must keep to; otherwise the Run is invalid.
    workers : int
        Locust worker processes.
    skippable : tuple of str
        Checks that may be skipped without making the verdict invalid.
    expect : tuple of str
        Rare paths that must have been taken, or the run proves too little: see :mod:`reports.checks.exercised`.
    allow_skipped : tuple of str
        Kinds of faults that may be left out where the machine cannot do them; otherwise the verdict is invalid.
    simulate : bool
        Whether the twin is fitted and run afterwards.
    """

    name: str
    description: str = ""
    scenario: Scenario = field(default_factory=Scenario)
    slo: tuple[str, ...] = DEFAULT_SLOS
    health: HealthLimits = HealthLimits()
    workers: Positive = 1
    skippable: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    allow_skipped: tuple[str, ...] = ()
    simulate: bool = True
