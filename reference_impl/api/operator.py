"""What the operator may do to rounds, tables and players; every order has a reason, kept with what was done."""

import asyncio
from typing import Annotated, Any

import msgspec
import nats.errors
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import Parameter
from nats.aio.client import Client

from reference_impl.api.account import totals_of
from reference_impl.api.account_messages import PastSession, PlayerSeen
from reference_impl.api.admin import PlayerId, on_record, operated
from reference_impl.api.lobby import tables_at_desk
from reference_impl.api.messages import (
    Correction,
    Desk,
    Ordered,
    OrderOnRecord,
    OutcomeWords,
    Reason,
    Scope,
    TableAtDesk,
)
from reference_impl.api.services import Services
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.games.catalogue import GAMES, game_at
from reference_impl.domain.games.game import OUTCOME_MAX
from reference_impl.domain.ids import round_no_of, table_of
from reference_impl.domain.table_messages import CorrectOrder, StopOrder, TableOrder, VoidOrder
from reference_impl.domain.wallet_messages import Done, Refused

ORDER_S_MAX = 5.0

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Done | Refused).decode


class OperatorController(Controller):
    """Orders of the operator, and what the operator looks at."""

    path = "/admin"

    @post("/rounds/{known:int}/void")
    async def void(self, request: Request[Any, Any, State], known: int, data: Reason, state: State) -> Ordered:
        """Void the running round of a table: every stake is returned."""
        desk, operator = await operated(request, state)
        async with on_record(desk, operator, "void", _round(known), data.reason):
            return await _one(desk, known, VoidOrder(known, data.reason))

    @post("/rounds/{known:int}/correct")
    async def correct(self, request: Request[Any, Any, State], known: int, data: Correction, state: State) -> Ordered:
        """Give a settled round another outcome, once; what bets are owed is paid or taken back."""
        desk, operator = await operated(request, state)
        async with on_record(desk, operator, f"correct to {data.outcome}", _round(known), data.reason):
            return await _one(desk, known, CorrectOrder(known, data.outcome, data.reason))

    @post("/tables/stop")
    async def stop(self, request: Request[Any, Any, State], data: Scope, state: State) -> Ordered:
        """Let tables start no new round: all, those of a game, or one. The running rounds are finished."""
        return await _stop(request, state, data, stopped=True)

    @post("/tables/go")
    async def go(self, request: Request[Any, Any, State], data: Scope, state: State) -> Ordered:
        """Let stopped tables go on."""
        return await _stop(request, state, data, stopped=False)

    @post("/players/{player:int}/disable")
    async def disable(
        self, request: Request[Any, Any, State], player: PlayerId, data: Reason, state: State
    ) -> dict[str, bool]:
        """Let a player play no more: sockets are closed within seconds; bets that were taken stand and are settled."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "disable", f"player {player}", data.reason):
            await known.players.bar(player, data.reason)
            return {"ended": await known.sessions.end(player, f"operator: {data.reason}")}

    @post("/players/{player:int}/enable")
    async def enable(
        self, request: Request[Any, Any, State], player: PlayerId, data: Reason, state: State
    ) -> dict[str, bool]:
        """Let a player log in again."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "enable", f"player {player}", data.reason):
            return {"lifted": await known.players.lift(player, data.reason)}

    @post("/sessions/recount", status_code=202)
    async def recount(self, request: Request[Any, Any, State], data: Reason, state: State) -> dict[str, bool]:
        """Count anew, from the event stream's first batch, what was played in every session."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "recount", "all sessions", data.reason):
            await known.presence.forget_counts()
        return {"begun": True}

    @get("/desk")
    async def desk(self, request: Request[Any, Any, State], state: State) -> Desk:
        """Return every table: where it stands, why it waits, and its last settled rounds."""
        known, operator = await operated(request, state)
        tables = {table.table: table for table in tables_at_desk(known.lobby)}
        games = known.config.games
        every = range(1, known.config.tables + 1)
        return Desk(
            operator, [tables.get(n) or TableAtDesk(n, game_at(games, n).name, "idle", 0, "", []) for n in every]
        )

    @get("/orders")
    async def orders(
        self,
        request: Request[Any, Any, State],
        state: State,
        before: Annotated[int, Parameter(ge=0, le=1 << 62)] = 1 << 62,
    ) -> list[OrderOnRecord]:
        """Return who ordered what, when and why, newest first, a page of 50."""
        known, _ = await operated(request, state)
        return [OrderOnRecord(*one) for one in await known.orders.newest(before)]

    @get("/players/{player:int}")
    async def player(self, request: Request[Any, Any, State], player: PlayerId, state: State) -> PlayerSeen:
        """Return a player, and the player's last sessions with what was played in them."""
        known, _ = await operated(request, state)
        found = await known.players.find(player)
        if found is None:
            raise HTTPException(f"there is no player {player}", status_code=404)
        past = [
            PastSession(one.id, one.opened_unix_ns, one.ended_unix_ns, one.ended_by, totals_of(one.play))
            for one in await known.presence.sessions(player)
        ]
        return PlayerSeen(player, *found, past)

    @get("/games/{game:str}/outcomes/{outcome:int}")
    async def outcome(
        self,
        request: Request[Any, Any, State],
        game: str,
        outcome: Annotated[int, Parameter(ge=0, le=OUTCOME_MAX)],
        state: State,
    ) -> OutcomeWords:
        """Return an outcome in words, before a round is corrected to it."""
        await operated(request, state)
        if game not in GAMES or not GAMES[game].is_outcome(outcome):
            raise HTTPException(f"{outcome} is no outcome of '{game}'", status_code=404)
        return OutcomeWords(game, outcome, GAMES[game].describe(outcome))


def _round(known: int) -> str:
    return f"table {table_of(known)} round {round_no_of(known)} ({known})"


async def _stop(request: Request[Any, Any, State], state: State, data: Scope, *, stopped: bool) -> Ordered:
    known, operator = await operated(request, state)
    tables = _tables(data, known.config.games, known.config.tables)
    target = f"table {data.table}" if data.table else f"tables of {data.game}" if data.game else "all tables"
    async with on_record(known, operator, "stop" if stopped else "let go on", target, data.reason) as order:
        ordered = await _all(known.bus, tables, StopOrder(stopped, data.reason))
        order.answer = f"done at {len(ordered.tables)}, refused at {len(ordered.refused)} tables"
        return ordered


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


async def _one(known: Services, round_id: int, order: TableOrder) -> Ordered:
    table = table_of(round_id)
    if not 1 <= table <= known.config.tables:
        raise HTTPException(f"round {round_id} is of no table here", status_code=404)
    try:
        reply = await _ask(known.bus, table, order)
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
