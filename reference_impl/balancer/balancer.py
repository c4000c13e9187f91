"""The balancer: hears how everybody fares, and moves pressure before anyone feels it.

Several may run; who holds the lease (:mod:`reference_impl.balancer.lease`) balances, once a second: judges who runs hot
from what tables are about to ask for and what places are fit for, orders gateways to send some players elsewhere, tells
players of a crowded or silent edge to watch through others, and publishes its map. What it decides follows from
:mod:`reference_impl.domain.balancing` alone and is logged with its inputs.

Nothing needs it: without a balancer everybody plays on, and new players are placed by who fronts them
(:mod:`reference_impl.balancer.placer`) with the last map.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.background import Background
from reference_impl.balancer.decisions import Shifted
from reference_impl.balancer.heat import Heats
from reference_impl.balancer.lease import Lease
from reference_impl.balancer.places import Places, R, edges, gateways
from reference_impl.balancer.reports import LoadReport, Reports
from reference_impl.domain.balance_messages import (
    BalanceMap,
    EdgeReport,
    GatewayOrder,
    GatewayReport,
    MoveAway,
    Moved,
    PlaceSeen,
    Stand,
    SteerVideo,
    Taken,
)
from reference_impl.domain.balancing.choosing import copies_of
from reference_impl.domain.balancing.fleet import Fleet, Place, judge, shifts, too_many, weight_of
from reference_impl.domain.balancing.moves import excess, level_of
from reference_impl.domain.table_messages import Joined, TableEnvelope
from reference_impl.domain.units import NS_PER_S

TURN_S = 1.0
TURN_S_MIN = 0.2
"""Whether somebody runs hot is asked every second, and so soon when a gateway begins to slow down."""
PASSED_S = 10.0
"""A plan is for so many seconds' moves: players go between rounds, so most turns find nobody who may. How many go in a
second is bounded by each gateway."""
EXCESS_MIN = 5
"""Fewer too many are not worth anybody's hand-over. Whether all of them find room at once is another question."""
MOVED_KEPT_MAX = 100
ORDER_S_MAX = 1.0
STEER_EVERY_S = 10.0
STEER_SHARE_MIN = 0.05
VIEWER_CONNECTIONS_MAX = 6
"""So many connections may be one viewer: what Chromium opens to a host over HTTP/1.1 (``g_max_sockets_per_group`` in
its ``net/socket/client_socket_pool_manager.cc``)."""
_pack = msgspec.msgpack.Encoder().encode


class Turn(NamedTuple):
    """What a turn decided: orders by gateway's name, and the map without them."""

    orders: list[tuple[str, GatewayOrder]]
    gateways: dict[str, PlaceSeen]
    edges: dict[str, PlaceSeen]
    copies: dict[int, int]


class Balancer:
    """One balancer.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    reports : Reports
        Where gateways and edges are heard.
    name : str
        Who it is.
    log : callable
        Takes each plan with what it was made from.
    """

    def __init__(self, bus: Client, reports: Reports, name: str, log: Callable[[Shifted], None]) -> None:
        self.lease = Lease(bus, name)
        self.moves: deque[Moved] = deque(maxlen=MOVED_KEPT_MAX)
        self._bus = bus
        self._reports = reports
        self._name = name
        self._log = log
        self._beside = Background(name)
        self._heats = Heats()
        self._gateways, self._edges = gateways(self._load_of), edges()
        self._slowing = asyncio.Event()
        self._steered_s: dict[str, float] = {}
        self._seq = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Balance whenever the lease is held, until cancelled."""
        await self._reports.tell(self._hear)
        await self._bus.subscribe("table.*", cb=self._on_table)
        await self._bus.subscribe("joined", cb=self._on_joined)
        ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.lease.run())
            while True:
                await self._next_turn()
                if self.lease.held:
                    await self._carry_out(self.turn(time.monotonic_ns()))

    async def _next_turn(self) -> None:
        await asyncio.sleep(TURN_S_MIN)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._slowing.wait(), TURN_S - TURN_S_MIN)
        self._slowing.clear()

    def turn(self, now_ns: int) -> Turn:
        """Decide what is to be done now."""
        now_s = now_ns / NS_PER_S
        orders = [*self._shift(now_ns), *self._steer(now_s)]
        self._edges.fleet = judge(self._edges.fleet, now_s)
        watchers = self._watchers(now_s)
        edges = self._edges.alive(now_s)
        mean = sum(watchers.values()) / max(1, len(edges))
        copies = {table: copies_of(count, mean, len(edges)) for table, count in watchers.items()} if edges else {}
        return Turn(orders, _seen(self._gateways, now_s), _seen(self._edges, now_s), copies)

    def _load_of(self, report: GatewayReport) -> float:
        return self._heats.load(report.tables, report.connections, time.monotonic())

    def _watchers(self, now_s: float) -> Counter[int]:
        total: Counter[int] = Counter()
        for report in self._gateways.alive(now_s).values():
            total.update(report.tables)
        return total

    def _shift(self, now_ns: int) -> list[tuple[str, GatewayOrder]]:
        """Return the orders that level the gateways; who drains sees to its players itself."""
        now_s = now_ns / NS_PER_S
        self._gateways.fleet = fleet = judge(self._gateways.fleet, now_s)
        alive = self._gateways.alive(now_s)
        names = {report.number: name for name, report in alive.items()}
        sessions = {report.number: report.connections for report in alive.values()}
        movable = {
            report.number: report.connections if report.stand == Stand.SERVING else 0 for report in alive.values()
        }
        moves = shifts(fleet, sessions, movable, now_s, PASSED_S)
        if moves:
            plain = [(move.giver, move.taker, move.sessions) for move in moves]
            self._log(Shifted(now_ns, self.lease.epoch, fleet, sessions, movable, now_s, PASSED_S, plain))
        by_giver: dict[int, Counter[int]] = defaultdict(Counter)
        for move in moves:
            by_giver[move.giver][move.taker] += move.sessions
        return [
            (names[giver], self._order(alive, names, fleet, place, takers))
            for giver, takers in by_giver.items()
            if (place := fleet.find(giver)) and too_many(fleet, place, sessions[giver], now_s) >= EXCESS_MIN
        ]

    def _order(
        self, alive: dict[str, GatewayReport], names: dict[int, str], fleet: Fleet, giver: Place, takers: Counter[int]
    ) -> MoveAway:
        to = [(names[taker], taker, alive[names[taker]].url, count) for taker, count in takers.items()]
        report = alive[names[giver.number]]
        slow = giver.speed < 1.0 and report.lag_ms_p98 > min(one.lag_ms_p98 for one in alive.values())
        why = (
            f"slow: its loop is {report.lag_ms_p98:.0f} ms late one time in fifty"
            if slow
            else f"carries {giver.load:.0f} of {sum(each.load for each in fleet.places):.0f}"
        )
        return MoveAway(self.lease.epoch, _crowded_table(alive, names[giver.number]), takers.total(), to, why)

    def _steer(self, now_s: float) -> list[tuple[str, GatewayOrder]]:
        """Return what players are told of edges that are crowded or have fallen silent."""
        alive = self._edges.alive(now_s)
        if not alive:
            return []
        orders: list[tuple[str, GatewayOrder]] = []
        for name in list(self._edges.reports):
            share = 1.0 if name not in alive else _leave_share(self._edges, name, now_s)
            if share < STEER_SHARE_MIN or self._steered_s.get(name, -STEER_EVERY_S) > now_s - STEER_EVERY_S:
                continue
            self._steered_s[name] = now_s
            others = sorted((one for one in alive.values() if one.edge != name), key=lambda one: one.connections)
            to = [(edge.edge, edge.number, edge.url) for edge in others]
            if not to:
                continue
            if name not in alive:
                del self._edges.reports[name]
            for gateway, report in self._gateways.alive(now_s).items():
                orders += [(gateway, SteerVideo(self.lease.epoch, table, name, share, to)) for table in report.tables]
        return orders

    async def _carry_out(self, turn: Turn) -> None:
        for gateway, order in turn.orders:
            self._beside.spawn(self._give(gateway, order))
        self._seq += 1
        known = BalanceMap(
            self.lease.epoch, self._seq, self._name, time.time_ns(), turn.gateways, turn.edges, turn.copies,
            list(self.moves),
        )  # fmt: skip
        if self.lease.held:
            await self._bus.publish("balance.map", _pack(known))

    async def _give(self, gateway: str, order: GatewayOrder) -> None:
        try:
            msg = await self._bus.request(f"balance.order.{gateway}", _pack(order), timeout=ORDER_S_MAX)
        except nats.errors.Error:
            return  # who does not answer is gone, or will be asked again
        taken = msgspec.msgpack.decode(msg.data, type=Taken)
        if not taken.refused and taken.players:
            self.moves.appendleft(_told(gateway, order, taken.players))

    def _hear(self, report: LoadReport, now_s: float) -> None:
        if isinstance(report, EdgeReport):
            self._edges.hear(report.edge, report, now_s)
        else:
            self._heats.heard(report.tables, report.table_bets, now_s)
            before = self._gateways.place(report.gateway)
            self._gateways.hear(report.gateway, report, now_s)
            after = self._gateways.place(report.gateway)
            if before is not None and after is not None and after.speed < before.speed and not before.hot:
                self._slowing.set()

    async def _on_joined(self, msg: Msg) -> None:
        self._gateways.joined(msgspec.msgpack.decode(msg.data, type=Joined).gateway)

    async def _on_table(self, msg: Msg) -> None:
        self._heats.event(msgspec.json.decode(msg.data, type=TableEnvelope).event, time.monotonic())


def _crowded_table(alive: dict[str, GatewayReport], name: str) -> int:
    """Return the table of which a gateway has most above its share, so that a hot table's fan-out is spread; 0: any."""
    mean: Counter[int] = Counter()
    for report in alive.values():
        mean.update(report.tables)
    here = alive[name].tables
    return max(here, key=lambda table: here[table] - mean[table] / len(alive), default=0)


def _leave_share(places: Places[EdgeReport], name: str, now_s: float) -> float:
    """Return the share of a hot place's connections that is above its level; 0 if it is not hot, or by no viewer."""
    connections, place = places.reports[name].connections, places.place(name)
    if place is None or not place.hot:
        return 0.0
    too_many = excess(place.believed(), weight_of(place, now_s), connections, _level(places.fleet, now_s))
    return too_many / connections if too_many >= VIEWER_CONNECTIONS_MAX else 0.0


def _level(fleet: Fleet, now_s: float) -> float:
    fit = [(place.believed(), weight) for place in fleet.places if (weight := weight_of(place, now_s)) > 0.0]
    return level_of([load for load, _ in fit], [weight for _, weight in fit])


def _seen(places: Places[R], now_s: float) -> dict[str, PlaceSeen]:
    level = max(1e-9, _level(places.fleet, now_s))
    by_number = {place.number: place for place in places.fleet.places}
    seen = {}
    for name, report in places.alive(now_s).items():
        place = by_number[report.number]
        weight = weight_of(place, now_s)
        cost = place.believed() / weight / level if weight > 0.0 else 0.0
        seen[name] = PlaceSeen(round(weight, 3), round(cost, 3), place.hot)
    return seen


def _told(gateway: str, order: GatewayOrder, players: int) -> Moved:
    now_ns = time.time_ns()
    if isinstance(order, MoveAway):
        target = ", ".join(f"{name} {count}" for name, _, _, count in order.to)
        return Moved(now_ns, "players", gateway, target, players, order.reason)
    if isinstance(order, SteerVideo):
        why = "silent" if order.share == 1.0 else f"crowded: {order.share:.0%} should go"
        return Moved(now_ns, f"video of table {order.table}", order.leave, order.to[0][0], players, why)
    return Moved(now_ns, "drain", gateway, "", players, order.reason)
