"""What both models of a system are wired with: when tables begin, what can be broken, when it is over.

:mod:`sim.model` simulates single players, :mod:`sim.hybrid.system` a crowd; tables, shards, faults and the clock are
the same for both. So is the bound of what gateways keep: a bet without an answer is sent again over the next
connection, and where that happens faster than bets are written, copies pile up without end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import simpy

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.pacing import PENDING_BETS_MAX
from reference_impl.domain.round_timing import timing_at
from reference_impl.domain.units import NS_PER_S
from sim.draws import Draws
from sim.faults import Victim
from sim.observations import Observations
from sim.parameters import Model
from sim.scenario import Scenario
from sim.table import Gateways, Shard, Table

PROVISION_NS = NS_PER_S
"""The first round begins so long after the simulation, at least: accounts are opened before."""

DRAIN_S_MAX = 120.0
"""What is unfinished so long after the load stays so."""


class OverloadError(ConfigError):
    """More bets wait than a real system keeps, or than a simulation does.

    Parameters
    ----------
    text : str
        What waits where, the limit, and what decides it.
    busy : dict of str to float, optional
        How busy shards and gateways were until then, by the names of :func:`sim.experiment.figures`.
    """

    def __init__(self, text: str, busy: Mapping[str, float] | None = None) -> None:
        super().__init__(text, busy)
        self.busy = busy or {"shard.utilisation_max": 1.0, "gateway.utilisation_max": 0.0}

    def __str__(self) -> str:
        return str(self.args[0])


class FirstRound(NamedTuple):
    """A table's first simulated round: its number, and when its bets open, in seconds after the load starts."""

    round_no: int = 1
    opens_s: float = 0.0


Starts = Mapping[int, FirstRound]
"""First rounds by table; a table that is not named begins with :class:`FirstRound`'s defaults."""


def load_start_ns(starts: Starts) -> int:
    """Return the simulated instant at which the load starts."""
    earliest_s = min((first.opens_s for first in starts.values()), default=0.0)
    return 2 * PROVISION_NS + max(0, -round(earliest_s * NS_PER_S))


def make_tables(
    env: simpy.Environment,
    scenario: Scenario,
    draws: Draws,
    shards: Sequence[Shard],
    gateways: Gateways,
    seen: Observations,
    load_end_ns: int,
) -> list[Table]:
    """Return a scenario's tables; no round of theirs starts after the load's end."""
    return [
        Table(
            env, number, scenario.seed, game_at(scenario.games, number),
            timing_at(scenario.timing, scenario.timings, number), draws, shards, gateways, seen, load_end_ns,
        )
        for number in range(1, scenario.tables + 1)
    ]  # fmt: skip


def begin_tables(
    env: simpy.Environment, tables: Iterable[Table], starts: Starts, model: Model, start_ns: int
) -> None:  # fmt: skip
    """Let every table start its first round in time to open its bets when it should."""
    for table in tables:
        env.process(_begin(env, table, starts.get(table.number, FirstRound()), model, start_ns))


def _begin(env: simpy.Environment, table: Table, first: FirstRound, model: Model, start_ns: int) -> Any:
    opening_ns = model.open_ns[len(model.open_ns) // 2]
    opens_ns = start_ns + round(first.opens_s * NS_PER_S)
    yield env.timeout(max(PROVISION_NS, opens_ns - opening_ns))
    table.start(first.round_no)


def over(now_ns: int, load_end_ns: int, tables: Iterable[Table], *, unanswered: int) -> bool:
    """Tell whether every round is over and every bet answered, or it has taken too long."""
    if now_ns < load_end_ns:
        return False
    busy = unanswered or any(table.playing for table in tables)
    return not busy or now_ns > load_end_ns + round(DRAIN_S_MAX * NS_PER_S)


def overload(scenario: Scenario, waiting: Sequence[int], load_ns: int) -> str:
    """Return which gateway keeps more bets than a real one would, and what decides that; nothing if none does.

    Parameters
    ----------
    scenario : Scenario
        What is simulated.
    waiting : sequence of int
        Each gateway's bets without an answer.
    load_ns : int
        Since the load's start.
    """
    most = max(range(len(waiting)), key=waiting.__getitem__)
    limit = PENDING_BETS_MAX * scenario.shards
    if waiting[most] <= limit:
        return ""
    return (
        f"{load_ns / NS_PER_S:.0f} s after the load's start {waiting[most]:,} bets wait at gateway-{most},"
        f" {PENDING_BETS_MAX:,} a shard are the most that it keeps ({limit:,} here): bets come, and are sent again"
        f" after answer_s_max = {scenario.answer_s_max:g} s, faster than they are written; raise shards"
        f" ({scenario.shards}), gateways ({scenario.gateways}) or answer_s_max, or ask for fewer players"
    )


def victims(shards: Mapping[str, Victim], gateways: Mapping[str, Victim]) -> dict[str, list[Victim]]:
    """Return what can be broken: every shard, all of them with the database, and gateways, by name."""
    return {"postgres": list(shards.values()), **{name: [one] for name, one in {**shards, **gateways}.items()}}
