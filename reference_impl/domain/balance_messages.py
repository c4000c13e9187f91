"""What the balancer hears and says, on NATS, encoded as msgpack.

==========================  ===========================================  =========================================
subject                     message                                      from, to
==========================  ===========================================  =========================================
``report.gateway``          :class:`GatewayReport`                       gateways, once a second
``report.edge``             :class:`EdgeReport`                          edges, once a second
``balance.map``             :class:`BalanceMap`                          the balancer that holds the lease, 1 Hz
``balance.order.<gateway>`` one of :data:`GatewayOrder`                  the balancer or an operator; a request,
                                                                         answered with :class:`Taken`
==========================  ===========================================  =========================================

Whatever a balancer says bears its epoch: the revision under which it took the lease. Who has heard a higher one takes
nothing from a lower one (:class:`Fence`), so that a balancer that was asleep while another took over orders nothing.
"""

from enum import IntEnum
from typing import TypeAlias

from msgspec import Struct

TABLES_TOLD_MAX = 64
"""Tables that a report names: those with the most watchers."""
OPERATOR_EPOCH = 0
"""Orders of an operator bear no epoch: people are not fenced."""


class Stand(IntEnum):
    """How a gateway or an edge stands to new players."""

    SERVING = 0
    DRAINING = 1
    GONE = 2


class GatewayReport(Struct, array_like=True, frozen=True):
    """A gateway's load, once a second; rates and shares are of the time since the last report.

    ``lag_ms`` is the most that a timer was late, ``lag_ms_mean`` what it was late on average, and ``lag_ms_p98`` what
    one in fifty was later than, single hiccups aside. ``p99_ms`` is its own work at a bet (without what it waits for
    the wallet), ``bet_p99_ms`` the whole way from reading it to its durable answer; ``tables`` are watchers by table,
    the most watched ones, and ``table_bets`` their bets. ``stalls`` is how often pictures stood still at its players,
    as their pages say. ``left`` counts players' sockets that closed since the gateway began.
    """

    gateway: str
    number: int
    url: str
    connections: int
    lag_ms: float
    stand: int = Stand.SERVING
    cpu_share: float = 0.0
    run_delay_share: float = 0.0
    p99_ms: float = 0.0
    bet_p99_ms: float = 0.0
    bet_p50_ms: float = 0.0
    bets_per_s: float = 0.0
    accepts_per_s: float = 0.0
    egress_bytes_per_s: float = 0.0
    waiting: int = 0
    tables: dict[int, int] = {}
    moved: int = 0
    stalls: int = 0
    lag_ms_mean: float = 0.0
    table_bets: dict[int, int] = {}
    left: int = 0
    lag_ms_p98: float = 0.0


class EdgeReport(Struct, array_like=True, frozen=True):
    """An edge's load, once a second. ``hit_share`` is the share of answers from memory since the last report.

    ``p99_ms`` is its own work at such an answer, from request to what is to be written.
    """

    edge: str
    number: int
    url: str
    connections: int
    egress_bytes: int
    hit_share: float
    lag_ms: float
    stand: int = Stand.SERVING
    cpu_share: float = 0.0
    run_delay_share: float = 0.0
    requests_per_s: float = 0.0
    egress_bytes_per_s: float = 0.0
    lag_ms_mean: float = 0.0
    p99_ms: float = 0.0
    lag_ms_p98: float = 0.0


class MoveAway(Struct, tag=True, frozen=True):
    """Tell so many players of a table (0: of any) to go on at other gateways, between rounds.

    ``to`` are the gateways' names, numbers and addresses, and how many of the players each is to take.
    """

    epoch: int
    table: int
    players: int
    to: list[tuple[str, int, str, int]]
    reason: str


class Drain(Struct, tag=True, frozen=True):
    """Take nobody new, move everybody between rounds, then end; after ``drain_s_max`` whoever is left moves at once."""

    epoch: int
    drain_s_max: float
    reason: str


class SteerVideo(Struct, tag=True, frozen=True):
    """Tell a table's players to watch through other edges: a share of those at ``leave`` goes, best edge first."""

    epoch: int
    table: int
    leave: str
    share: float
    to: list[tuple[str, int, str]]


GatewayOrder: TypeAlias = MoveAway | Drain | SteerVideo


class Taken(Struct, array_like=True, frozen=True):
    """The answer to an order: how many players it will move, or why it is not carried out."""

    players: int
    refused: str = ""


class Moved(Struct, frozen=True):
    """Something the balancer ordered, for people: when, what from where to where, how many, and why."""

    at_unix_ns: int
    what: str
    source: str
    target: str
    count: int
    reason: str


class PlaceSeen(Struct, array_like=True, frozen=True):
    """What the balancer thinks of a place: what it is fit for, and its cost over the mean."""

    weight: float
    cost: float
    hot: bool


class BalanceMap(Struct, array_like=True, frozen=True):
    """How things stand, as of a moment. Who has it can place players without the balancer.

    ``gateways`` and ``edges`` go by name, ``copies`` is how many edges a table's viewers are spread over, ``moves``
    what was ordered lately, newest first.
    """

    epoch: int
    seq: int
    leader: str
    at_unix_ns: int
    gateways: dict[str, PlaceSeen] = {}
    edges: dict[str, PlaceSeen] = {}
    copies: dict[int, int] = {}
    moves: list[Moved] = []


class Fence:
    """Lets through what bears the highest epoch heard so far, or a higher one."""

    def __init__(self) -> None:
        self.epoch = 0

    def admits(self, epoch: int) -> bool:
        """Tell whether an order of this epoch may be taken; a higher one is remembered."""
        if epoch == OPERATOR_EPOCH:
            return True
        if epoch < self.epoch:
            return False
        self.epoch = epoch
        return True
