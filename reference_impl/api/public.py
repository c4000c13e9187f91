"""What players may ask: log-in, lobby, rules, placement."""

import math
import secrets
import time
from typing import Any

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException

from reference_impl.accounts.passwords import LockedError
from reference_impl.accounts.players import BarredError
from reference_impl.api import asyncapi
from reference_impl.api.messages import (
    EdgePlace,
    LoggedIn,
    LogIn,
    Placement,
    PlacementRequest,
    Rules,
    SpotRules,
    TablesInLobby,
    VideoPlace,
)
from reference_impl.api.services import Services, services, signed_in
from reference_impl.domain.bets import Status
from reference_impl.domain.errors import RetryableError
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.games.roulette import RED
from reference_impl.domain.ids import account_number
from reference_impl.domain.phases import Phase
from reference_impl.domain.playback import PLAYBACK_S_MAX, Playback, seal_playback
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, seal
from reference_impl.domain.units import NS_PER_S


class PublicController(Controller):
    """What players may ask."""

    @post("/login")
    async def log_in(self, data: LogIn, state: State) -> LoggedIn:
        """Exchange name and password for a token. A session that the player has elsewhere ends."""
        known = services(state)
        try:
            player = await known.players.recognise(data.name, data.password)
        except LockedError as error:
            raise HTTPException(str(error), status_code=429) from None
        except RetryableError as error:
            raise HTTPException(str(error), status_code=503) from None
        if player is None:
            raise NotAuthorizedException("wrong name or password")
        token = await known.sessions.open(player, int(time.time()))
        try:
            await known.players.require_unbarred(player)  # afterwards: a bar that comes meanwhile ends the session
        except BarredError as error:
            await known.sessions.end(player, "barred")
            raise HTTPException(str(error), status_code=403) from None
        return LoggedIn(token, player)

    @post("/logout", status_code=204)
    async def log_out(self, request: Request[Any, Any, State], state: State) -> None:
        """End the session; its token and its sockets are worth nothing any more."""
        known = services(state)
        account, _ = await signed_in(request, known)
        await known.sessions.end(account_number(account), "log-out")

    @get("/lobby")
    async def lobby(self, state: State) -> TablesInLobby:
        """Return the tables and where they stand."""
        return TablesInLobby(services(state).lobby.tables(), time.time_ns())

    @get("/rules")
    async def rules(self, state: State, table: int = 1) -> Rules:
        """Return a table's layout and limits, and the names of phases and answers."""
        config = services(state).config
        _require_table(table, config.tables)
        game, limits = game_at(config.games, table), config.limits[table]
        return Rules(
            game.name,
            [SpotRules(spot.name, list(spot.numbers), spot.gross, spot.pays) for spot in game.spots],
            sorted(RED),
            {phase.name.lower(): int(phase) for phase in Phase},
            {status.name.lower(): int(status) for status in Status},
            limits.stake_minor_min,
            limits.stake_minor_max,
            list(game.stages.decisions) if game.stages else [],
        )

    @get("/asyncapi.json", sync_to_thread=False, include_in_schema=False)
    def asyncapi(self) -> dict[str, Any]:
        """Return the description of the players' socket."""
        return asyncapi.document()

    @post("/placement")
    async def place(self, request: Request[Any, Any, State], data: PlacementRequest, state: State) -> Placement:
        """Return a gateway with a single-use ticket for it, and where the table's video is, if a table is named."""
        known = services(state)
        player, session = await signed_in(request, known)
        if data.table:
            _require_table(data.table, known.config.tables)
        now_s = time.monotonic()
        waits = known.waiting.ask(player, known.kind_of(player, now_s), now_s)
        if waits is not None:
            detail = f"{waits.before} are before you; ask again in {waits.ask_s:.1f} s"
            extra = {"before": waits.before, "ask_ms": round(waits.ask_s * 1000)}
            headers = {"Retry-After": str(math.ceil(waits.ask_s))}
            raise HTTPException(detail, status_code=503, extra=extra, headers=headers)
        gateway = known.placer.gateway(player, data.table, data.avoid)
        if gateway is None:
            raise HTTPException("no gateway is ready; try again", status_code=503)
        now_ns = time.time_ns()
        unix_s = now_ns // NS_PER_S
        ticket = Ticket(
            player, data.table, gateway.gateway, session, now_ns, unix_s + TICKET_S_MAX, secrets.token_hex(8)
        )
        sealed = seal(ticket, known.config.ticket_secret)
        video = _video(known, player, data, unix_s)
        return Placement(gateway.gateway, gateway.number, gateway.url, sealed, video)


def _require_table(table: int, tables: int) -> None:
    if not 1 <= table <= tables:
        raise HTTPException(f"table {table} does not exist; tables are 1 to {tables}", status_code=404)


def _video(known: Services, player: int, data: PlacementRequest, now_s: int) -> VideoPlace | None:
    config = known.config
    if not config.live_url or not data.table:
        return None
    token = seal_playback(Playback(player, data.table, now_s + PLAYBACK_S_MAX), config.playback_secret)
    edges = known.placer.edges_for(player, data.table, data.avoid_edge)
    return VideoPlace(token, [EdgePlace(edge.edge, edge.number, edge.url) for edge in edges], config.live_url)
