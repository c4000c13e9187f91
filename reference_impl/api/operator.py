"""What the operator may do to rounds, tables and players; every order has a reason, kept with what was done."""

import asyncio
from typing import Any

import msgspec
import nats.errors
from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from nats.aio.client import Client

from reference_impl.api.admin import operated
from reference_impl.api.messages import Correction, Ordered, Reason, Scope
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.games.catalogue import GAMES, game_at
from reference_impl.domain.ids import table_of
from reference_impl.domain.messages import CorrectOrder, Done, Refused, StopOrder, TableOrder, VoidOrder

ORDER_S_MAX = 5.0

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Done | Refused).decode


class OperatorController(Controller):
    """Orders of the operator."""

    path = "/admin"

    @post("/rounds/{known:int}/void")
    async def void(self, request: Request[Any, Any, State], known: int, data: Reason, state: State) -> Ordered:
        """Void the running round of a table: every stake is returned."""
        bus = operated(request, state).bus
        return await _one(bus, known, VoidOrder(known, data.reason))

    @post("/rounds/{known:int}/correct")
    async def correct(self, request: Request[Any, Any, State], known: int, data: Correction, state: State) -> Ordered:
        """Give a settled round another outcome, once; what bets are owed is paid or taken back."""
        bus = operated(request, state).bus
        return await _one(bus, known, CorrectOrder(known, data.outcome, data.reason))

    @post("/tables/stop")
    async def stop(self, request: Request[Any, Any, State], data: Scope, state: State) -> Ordered:
        """Let tables start no new round: all, those of a game, or one. The running rounds are finished."""
        known = operated(request, state)
        tables = _tables(data, known.config.games, known.config.tables)
        return await _all(known.bus, tables, StopOrder(True, data.reason))

    @post("/tables/go")
    async def go(self, request: Request[Any, Any, State], data: Scope, state: State) -> Ordered:
        """Let stopped tables go on."""
        known = operated(request, state)
        tables = _tables(data, known.config.games, known.config.tables)
        return await _all(known.bus, tables, StopOrder(False, data.reason))

    @post("/players/{player:int}/disable")
    async def disable(
        self, request: Request[Any, Any, State], player: int, data: Reason, state: State
    ) -> dict[str, bool]:
        """Let a player play no more: sockets are closed within seconds; bets that were taken stand and are settled."""
        known = operated(request, state)
        await known.players.bar(player, data.reason)
        return {"ended": await known.sessions.end(player, f"operator: {data.reason}")}

    @post("/players/{player:int}/enable")
    async def enable(
        self, request: Request[Any, Any, State], player: int, data: Reason, state: State
    ) -> dict[str, bool]:
        """Let a player log in again."""
        return {"lifted": await operated(request, state).players.lift(player, data.reason)}


def _tables(scope: Scope, games: tuple[str, ...], tables: int) -> list[int]:
    if scope.game and scope.game not in GAMES:
        raise HTTPException(f"there is no game '{scope.game}', known are {', '.join(GAMES)}", status_code=404)
    if scope.table > tables:
        raise HTTPException(f"table {scope.table} does not exist; tables are 1 to {tables}", status_code=404)
    return [
        table
        for table in range(1, tables + 1)
        if scope.table in (0, table) and scope.game in ("", game_at(games, table).name)
    ]


async def _one(bus: Client, round_id: int, order: TableOrder) -> Ordered:
    table = table_of(round_id)
    try:
        reply = await _ask(bus, table, order)
    except OutcomeUnknownError as error:
        raise HTTPException(str(error), status_code=503) from None
    if isinstance(reply, Refused):
        raise HTTPException(reply.reason, status_code=409)
    return Ordered([table], {})


async def _all(bus: Client, tables: list[int], order: TableOrder) -> Ordered:
    replies = await asyncio.gather(*(_ask(bus, table, order) for table in tables), return_exceptions=True)
    ordered = Ordered([], {})
    for table, reply in zip(tables, replies, strict=True):
        if isinstance(reply, Done):
            ordered.tables.append(table)
        elif isinstance(reply, OutcomeUnknownError):
            ordered.refused[str(table)] = str(reply)
        elif isinstance(reply, BaseException):
            raise reply
        else:
            ordered.refused[str(table)] = reply.reason
    return ordered


async def _ask(bus: Client, table: int, order: TableOrder) -> Done | Refused:
    try:
        msg = await bus.request(f"dealer.{table}.order", _encode(order), timeout=ORDER_S_MAX)
    except nats.errors.Error:
        raise OutcomeUnknownError(
            f"the dealer of table {table} did not answer within {ORDER_S_MAX:g} s: whether it carried the order out is "
            "not known; the same order may be given again"
        ) from None
    reply: Done | Refused = _decode(msg.data)
    return reply
