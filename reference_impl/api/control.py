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
from reference_impl.balancer.reports import LoadReport
from reference_impl.domain.balance_messages import OPERATOR_EPOCH, Drain, Moved, PlaceSeen, Stand, Taken
from reference_impl.domain.phases import Phase
from reference_impl.domain.units import NS_PER_MS

ORDER_S_MAX = 2.0
UNSEEN = PlaceSeen(1.0, 0.0, hot=False)


class PlaceThere(Struct, kw_only=True):
    """A place: its last report, how long ago that was, and what the balancer thinks of it (cost over the mean)."""

    name: str
    silent_s: float
    connections: int
    egress_bytes_per_s: float
    lag_ms: float
    own_p99_ms: float
    cpu_share: float
    run_delay_share: float
    weight: float
    cost: float
    hot: bool


class GatewayThere(PlaceThere, kw_only=True):
    """What is told of a gateway besides."""

    stand: str
    bets_per_s: float
    bet_p50_ms: float
    bet_p99_ms: float
    accepts_per_s: float
    waiting: int
    moved: int
    stalls: int


class EdgeThere(PlaceThere, kw_only=True):
    """What is told of an edge besides."""

    requests_per_s: float
    hit_share: float


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


class ControlRoom(Struct):
    """Everything at once.

    ``map_age_ms`` is the age of the balancer's last word, -1 if it never spoke; ``lab`` is whether campaigns and faults
    can be ordered here.
    """

    operator: str
    server_unix_ns: int
    leader: str
    epoch: int
    map_age_ms: int
    waiting_room: int
    gateways: list[GatewayThere]
    edges: list[EdgeThere]
    tables: list[TableThere]
    moves: list[Moved]
    lab: bool


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
            newest.moves if newest else [],
            bool(known.config.lab_url),
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


def _place(name: str, one: LoadReport, places: Places[R], at: PlaceSeen, now_s: float) -> dict[str, Any]:
    """Return the fields of a :class:`PlaceThere`."""
    heard_s = next((place.heard_s for place in places.fleet.places if place.number == one.number), now_s)
    told = ("connections", "egress_bytes_per_s", "lag_ms", "cpu_share", "run_delay_share")
    return {
        "name": name, "silent_s": round(now_s - heard_s, 1), "weight": at.weight, "cost": at.cost, "hot": at.hot,
        "own_p99_ms": one.p99_ms, **{field: getattr(one, field) for field in told},
    }  # fmt: skip


def _gateways(known: Services, now_s: float) -> list[GatewayThere]:
    places, seen = known.placer.gateways, known.placer.map.gateways if known.placer.map else {}
    return [
        GatewayThere(
            **_place(name, one, places, seen.get(name, UNSEEN), now_s), stand=Stand(one.stand).name.lower(),
            bets_per_s=one.bets_per_s, bet_p50_ms=one.bet_p50_ms, bet_p99_ms=one.bet_p99_ms,
            accepts_per_s=one.accepts_per_s, waiting=one.waiting, moved=one.moved, stalls=one.stalls,
        )
        for name, one in sorted(places.reports.items())
    ]  # fmt: skip


def _edges(known: Services, now_s: float) -> list[EdgeThere]:
    places, seen = known.placer.edges, known.placer.map.edges if known.placer.map else {}
    return [
        EdgeThere(
            **_place(name, one, places, seen.get(name, UNSEEN), now_s), requests_per_s=one.requests_per_s,
            hit_share=one.hit_share,
        )
        for name, one in sorted(places.reports.items())
    ]  # fmt: skip


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
