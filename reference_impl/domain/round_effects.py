"""What a round asks to be done: by the dealer on NATS and PostgreSQL, by the simulated table in simulated time."""

from dataclasses import dataclass
from typing import TypeAlias

from reference_impl.domain.phases import Phase


@dataclass(frozen=True, slots=True)
class OpenShards:
    """Open the betting window in these shards."""

    shards: frozenset[int]
    accept_until_ns: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell everybody that the round entered a phase. ``outcome`` is set from RESULT on."""

    phase: Phase
    outcome: int | None = None


@dataclass(frozen=True, slots=True)
class CloseShards:
    """Write the close entry in these shards."""

    shards: frozenset[int]


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw the next cards: the present window was closed at these heads."""

    heads: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Decide:
    """Record the round's decision, once. ``void`` asks for a void; the record, if there is one already, wins."""

    void: bool
    heads: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class SettleShards:
    """Settle all bets of the round in these shards."""

    shards: frozenset[int]
    outcome: int


@dataclass(frozen=True, slots=True)
class VoidShards:
    """Return all stakes of the round in these shards."""

    shards: frozenset[int]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a clock message at this instant."""

    at_ns: int


Effect: TypeAlias = OpenShards | Announce | CloseShards | Draw | Decide | SettleShards | VoidShards | WakeAt
