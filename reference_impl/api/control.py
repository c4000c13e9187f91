"""The control room: who is where, what moved and why, how everybody fares; and the order to empty a gateway."""

import time
from collections import Counter
from typing import Annotated, Any

import msgspec
import nats.errors
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import Parameter
from msgspec import Meta, Struct

from reference_impl.api.admin import on_record, operated
from reference_impl.api.messages import Why
from reference_impl.api.services import Services
from reference_impl.balancer.places import Places, R
from reference_impl.domain.balance_messages import OPERATOR_EPOCH, Drain, PlaceSeen, Stand, Taken
from reference_impl.domain.phases import Phase
from reference_impl.domain.units import NS_PER_MS

ORDER_S_MAX = 2.0


class GatewayThere(Struct):
    """A gateway: its last report, how long ago that was, and what the balancer thinks of it (cost over the mean)."""

    name: str
    stand: str
    silent_s: float
    connections: int
    bets_per_s: float
    bet_p50_ms: float
    bet_p99_ms: float
    own_p99_ms: float
    lag_ms: float
    cpu_share: float
    run_delay_share: float
    egress_bytes_per_s: float
    accepts_per_s: float
    waiting: int
    moved: int
    stalls: int
    weight: float
    cost: float
    hot: bool


class EdgeThere(Struct):
    """An edge, likewise."""

    name: str
    silent_s: float
    connections: int
    requests_per_s: float
    egress_bytes_per_s: float
    hit_share: float
    lag_ms: float
    cpu_share: float
    run_delay_share: float
    weight: float
    cost: float
    hot: bool


class TableThere(Struct):
    """A table: where its round stands, and where those who watch it are."""

    table: int
    game: str
    phase: str
    round: int
    opens_at_unix_ns: int
    closes_at_unix_ns: int
    watchers: int
    bets_per_s: float
    at: dict[str, int]


class MoveThere(Struct):
    """Something that was ordered lately."""

    at_unix_ns: int
    what: str
    source: str
    target: str
    count: int
    reason: str


class ControlRoom(Struct):
    """Everything at once. ``map_age_ms`` is the age of the balancer's last word, -1 if it never spoke."""

    operator: str
    server_unix_ns: int
    leader: str
    epoch: int
    map_age_ms: int
    waiting_room: int
    gateways: list[GatewayThere]
    edges: list[EdgeThere]
    tables: list[TableThere]
    moves: list[MoveThere]


class DrainOrder(Struct, forbid_unknown_fields=True):
    """Why a gateway is to be emptied, and how long its players may wait for a moment between rounds."""

    reason: Why
    drain_s_max: Annotated[float, Meta(ge=1, le=3600)] = 60.0


class Drained(Struct):
    """How many players will move."""

    players: int


class ControlController(Controller):
    """What the control room shows and orders."""

    path = "/admin"

    @get("/control")
    async def control(self, request: Request[Any, Any, State], state: State) -> ControlRoom:
        """Return how everybody fares, as of the last reports and the balancer's last map."""
        known, operator = await operated(request, state)
        now_s, now_ns = time.monotonic(), time.time_ns()
        newest = known.placer.map
        return ControlRoom(
            operator,
            now_ns,
            newest.leader if newest else "",
            newest.epoch if newest else 0,
            (now_ns - newest.at_unix_ns) // NS_PER_MS if newest else -1,
            len(known.waiting),
            _gateways(known, now_s),
            _edges(known, now_s),
            _tables(known),
            [MoveThere(*msgspec.structs.astuple(move)) for move in newest.moves] if newest else [],
        )

    @post("/gateways/{gateway:str}/drain", status_code=202)
    async def drain(
        self,
        request: Request[Any, Any, State],
        gateway: Annotated[str, Parameter(pattern="^gateway-[0-9]{1,4}$")],
        data: DrainOrder,
        state: State,
    ) -> Drained:
        """Empty a gateway: it takes nobody new, its players move between rounds, and it ends, to be started anew."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "drain", gateway, data.reason):
            alive = known.placer.gateways.alive(time.monotonic())
            if gateway not in alive:
                raise HTTPException(f"there is no {gateway}; there are {', '.join(sorted(alive))}", status_code=404)
            if all(name == gateway or report.stand != Stand.SERVING for name, report in alive.items()):
                raise HTTPException(f"{gateway} is the only one that takes players", status_code=409)
            order = msgspec.msgpack.encode(Drain(OPERATOR_EPOCH, data.drain_s_max, data.reason))
            try:
                msg = await known.bus.request(f"balance.order.{gateway}", order, timeout=ORDER_S_MAX)
            except nats.errors.Error:
                raise HTTPException(f"{gateway} did not answer within {ORDER_S_MAX:g} s", status_code=503) from None
            return Drained(msgspec.msgpack.decode(msg.data, type=Taken).players)


def _silent_s(places: Places[R], number: int, now_s: float) -> float:
    return next((round(now_s - place.heard_s, 1) for place in places.fleet.places if place.number == number), 0.0)


def _gateways(known: Services, now_s: float) -> list[GatewayThere]:
    places, seen = known.placer.gateways, known.placer.map.gateways if known.placer.map else {}
    there = []
    for name, one in sorted(places.reports.items()):
        at = seen.get(name, PlaceSeen(1.0, 0.0, False))
        there.append(
            GatewayThere(
                name, Stand(one.stand).name.lower(), _silent_s(places, one.number, now_s), one.connections,
                one.bets_per_s, one.bet_p50_ms, one.bet_p99_ms, one.p99_ms, one.lag_ms, one.cpu_share,
                one.run_delay_share, one.egress_bytes_per_s, one.accepts_per_s, one.waiting, one.moved, one.stalls,
                at.weight, at.cost, at.hot,
            )
        )  # fmt: skip
    return there


def _edges(known: Services, now_s: float) -> list[EdgeThere]:
    places, seen = known.placer.edges, known.placer.map.edges if known.placer.map else {}
    there = []
    for name, one in sorted(places.reports.items()):
        at = seen.get(name, PlaceSeen(1.0, 0.0, False))
        there.append(
            EdgeThere(
                name, _silent_s(places, one.number, now_s), one.connections, one.requests_per_s,
                one.egress_bytes_per_s, one.hit_share, one.lag_ms, one.cpu_share, one.run_delay_share, at.weight,
                at.cost, at.hot,
            )
        )  # fmt: skip
    return there


def _tables(known: Services) -> list[TableThere]:
    at: dict[int, dict[str, int]] = {}
    bets: Counter[int] = Counter()
    for name, report in known.placer.gateways.reports.items():
        bets.update(report.table_bets)
        for table, watchers in report.tables.items():
            at.setdefault(table, {})[name] = watchers
    return [
        TableThere(
            table, event.game, Phase(event.phase).name.lower(), event.round, event.opens_at_unix_ns,
            event.closes_at_unix_ns, sum(at.get(table, {}).values()), float(bets[table]), at.get(table, {}),
        )
        for table, event in known.lobby.newest()
    ]  # fmt: skip
