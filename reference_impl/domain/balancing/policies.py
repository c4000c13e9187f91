"""Policies by name, and the record of a decision: what was known, what was wished, what was chosen.

A decision holds all of its inputs. So a real one can be carried out once more by whoever has the record, and the same
place must come out: :func:`replayed`. The simulation compiles the same rules.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from reference_impl.domain.balancing import choosing
from reference_impl.domain.balancing.ordering import rendezvous_order, ring_order
from reference_impl.domain.errors import ConfigError


class PolicyName(StrEnum):
    """What may be chosen by name. ``forecast`` is made for gateways, ``rendezvous`` for edges."""

    RANDOM = "random"
    LEAST_LOADED = "least-loaded"
    TWO_CHOICES = "two-choices"
    PEAK_EWMA = "peak-ewma"
    BOUNDED_RING = "bounded-ring"
    RENDEZVOUS = "rendezvous"
    FORECAST = "forecast"


class Balancing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which policies choose.

    Parameters
    ----------
    policy, edge_policy : PolicyName
        For players' gateways, and for their edges.
    """

    policy: PolicyName = PolicyName.FORECAST
    edge_policy: PolicyName = PolicyName.RENDEZVOUS


class Candidates(NamedTuple):
    """Columns of equal length: the places that may be chosen, and what is known of them."""

    numbers: Sequence[int]
    loads: Sequence[float]
    weights: Sequence[float]
    latencies_ms: Sequence[float]


class Wish(NamedTuple):
    """What a session wants.

    Parameters
    ----------
    key : int
        What should stay together, if the policy cares: a table for an edge, a player's bucket for a gateway.
    copies : int
        How many places the key may use without need.
    first, second : float
        Two uniforms in [0, 1).
    """

    key: int
    copies: int
    first: float
    second: float


class Policy(Protocol):
    """A way to choose."""

    @property
    def name(self) -> str:
        """As campaigns and records say it."""

    @property
    def code(self) -> int:
        """As compiled rules take it: a constant of :mod:`.choosing`."""

    def choose(self, among: Candidates, wish: Wish) -> int:
        """Return the index of the chosen candidate. There is at least one, each of a weight above 0."""


class Rule(NamedTuple):
    """A policy that is one of :mod:`.choosing`; `order` says in which order a key prefers places, if it does."""

    name: str
    code: int
    order: Callable[[int, Sequence[int]], list[int]] | None = None

    def choose(self, among: Candidates, wish: Wish) -> int:
        """Return the index of the chosen candidate."""
        if not among.numbers:
            raise ValueError("placement needs at least one candidate, got 0")
        order = self.order(wish.key, among.numbers) if self.order is not None else []
        return choosing.choose(
            self.code, among.loads, among.weights, among.latencies_ms, order, wish.copies, wish.first, wish.second
        )


POLICIES: Final[dict[str, Policy]] = {
    rule.name: rule
    for rule in (
        Rule(PolicyName.RANDOM, choosing.RANDOM),
        Rule(PolicyName.LEAST_LOADED, choosing.LEAST_LOADED),
        Rule(PolicyName.TWO_CHOICES, choosing.TWO_CHOICES),
        Rule(PolicyName.PEAK_EWMA, choosing.PEAK_EWMA),
        Rule(PolicyName.BOUNDED_RING, choosing.RING, ring_order),
        Rule(PolicyName.RENDEZVOUS, choosing.RENDEZVOUS, rendezvous_order),
        Rule(PolicyName.FORECAST, choosing.FORECAST),
    )
}


def policy_of(name: str) -> Policy:
    """Return a policy.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in POLICIES:
        raise ConfigError(f"there is no policy {name!r}; there are {', '.join(POLICIES)}")
    return POLICIES[name]


class Decision(Struct, array_like=True, frozen=True):
    """A placement with everything that it was made from; ``number`` is the chosen place's."""

    t_ns: int
    what: str
    policy: str
    session: int
    key: int
    copies: int
    first: float
    second: float
    numbers: tuple[int, ...]
    loads: tuple[float, ...]
    weights: tuple[float, ...]
    latencies_ms: tuple[float, ...]
    number: int


def replayed(decision: Decision) -> int:
    """Return the number of the place that the model chooses from a decision's inputs."""
    among = Candidates(decision.numbers, decision.loads, decision.weights, decision.latencies_ms)
    wish = Wish(decision.key, decision.copies, decision.first, decision.second)
    return decision.numbers[policy_of(decision.policy).choose(among, wish)]
