"""The HTTP API: log-in, lobby, placement, administration."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import uvicorn
from litestar import Controller, Litestar, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException
from msgspec import Meta, Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.accounts.players import NewPlayer, Players
from reference_impl.balancer.placer import Placer
from reference_impl.bus import ask_wallet
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.game_round import Phase
from reference_impl.domain.ids import PLAYER_ID_MAX, shard_of
from reference_impl.domain.messages import Done, OpenAccounts, TableEnvelope
from reference_impl.domain.money import Currency
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, seal

PLAYERS_A_CALL_MAX = 1000
BODY_BYTES_MAX = 512 * 1024

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class LogIn(Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: Name
    password: Annotated[str, Meta(min_length=1, max_length=128)]


class LoggedIn(Struct):
    """The token, and whose it is."""

    token: str
    player: int


class PlacementRequest(Struct, forbid_unknown_fields=True):
    """The table to join, and the gateway that just failed, if any."""

    table: Annotated[int, Meta(ge=1, le=32767)]
    avoid: Annotated[str, Meta(max_length=64)] = ""


class Placement(Struct):
    """Where to connect, and the ticket for the first frame."""

    gateway: str
    number: int
    url: str
    ticket: str


class PlayerToOpen(Struct, forbid_unknown_fields=True):
    """A player to register, with a first deposit."""

    id: Annotated[int, Meta(ge=1, le=PLAYER_ID_MAX)]
    name: Name
    password: Annotated[str, Meta(min_length=1, max_length=128)]
    deposit_minor: Annotated[int, Meta(ge=0, le=10**12)]
    currency: Currency = Currency.EUR


class PlayersToOpen(Struct, forbid_unknown_fields=True):
    """Players to register."""

    players: Annotated[list[PlayerToOpen], Meta(max_length=PLAYERS_A_CALL_MAX)]


class TableInLobby(Struct):
    """A table as the lobby shows it."""

    table: int
    game: str
    phase: str
    round: int
    closes_at_unix_ns: int


class Lobby:
    """What the lobby knows: the newest event of each table."""

    def __init__(self) -> None:
        self._states: dict[int, TableEnvelope] = {}

    async def listen(self, bus: Client) -> None:
        """Follow the tables' events."""
        await bus.subscribe("table.*", cb=self._on_table)

    def tables(self) -> list[TableInLobby]:
        """Return all tables, by number."""
        return [
            TableInLobby(
                number,
                "european_roulette",
                Phase(state.event.phase).name.lower(),
                state.event.round,
                state.event.closes_at_unix_ns,
            )
            for number, state in sorted(self._states.items())
        ]

    async def _on_table(self, msg: Msg) -> None:
        envelope = msgspec.json.decode(msg.data, type=TableEnvelope)
        self._states[envelope.table] = envelope


class Api:
    """The api role.

    Parameters
    ----------
    port : int
        Loopback port.
    shards, tables : int
        Size of the system.
    ticket_secret : bytes
        Signs tickets.
    admin_token : str
        What administration asks for.
    players, bus
        Accounts, and a connected NATS client.
    """

    def __init__(
        self, port: int, shards: int, tables: int, ticket_secret: bytes, admin_token: str, players: Players, bus: Client
    ) -> None:
        self.port = port
        self.shards = shards
        self.tables = tables
        self.ticket_secret = ticket_secret
        self.admin_token = admin_token
        self.players = players
        self.bus = bus
        self.placer = Placer(secrets.SystemRandom().random)
        self.lobby = Lobby()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        await self.players.open()
        await self.placer.listen(self.bus)
        await self.lobby.listen(self.bus)
        app = Litestar(
            [PublicController, AdminController],
            state=State({"api": self}),
            request_max_body_size=BODY_BYTES_MAX,
            path="/v1",
        )
        server = uvicorn.Server(
            uvicorn.Config(app, "127.0.0.1", self.port, log_level="warning", access_log=False, lifespan="off")
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            ready()
            await serving
        finally:
            serving.cancel()
            await self.players.close()

    async def open_accounts(self, players: list[PlayerToOpen]) -> int:
        """Open the players' accounts in their shards; return how many are new.

        Raises
        ------
        OutcomeUnknownError
            If a shard does not answer. Asking again is safe.
        """
        opened = 0
        by_shard: dict[tuple[int, Currency], list[PlayerToOpen]] = {}
        for player in players:
            by_shard.setdefault((shard_of(player.id, self.shards), player.currency), []).append(player)
        for (shard, currency), mine in by_shard.items():
            refs = [hashlib.sha256(f"first deposit of {player.id}".encode()).digest()[:16] for player in mine]
            request = OpenAccounts(refs, [p.id for p in mine], [p.deposit_minor for p in mine], currency)
            reply = await ask_wallet(self.bus, shard, request, Done, timeout_s=10.0)
            opened += reply.count if isinstance(reply, Done) else 0
        return opened


def _api(state: State) -> Api:
    api: Api = state["api"]
    return api


def _bearer(request: Request[Any, Any, State]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthorizedException("this needs the header 'Authorization: Bearer <token>'")
    return token


class PublicController(Controller):
    """What players may ask."""

    @post("/login")
    async def log_in(self, data: LogIn, state: State) -> LoggedIn:
        """Exchange name and password for a token."""
        found = await _api(state).players.log_in(data.name, data.password, int(time.time()))
        if found is None:
            raise NotAuthorizedException("wrong name or password")
        player, token = found
        return LoggedIn(token, player)

    @get("/lobby")
    async def lobby(self, state: State) -> dict[str, list[TableInLobby]]:
        """Return the tables and where they stand."""
        return {"tables": _api(state).lobby.tables()}

    @post("/placement")
    async def place(self, request: Request[Any, Any, State], data: PlacementRequest, state: State) -> Placement:
        """Return a gateway and a single-use ticket for it."""
        api = _api(state)
        now_s = int(time.time())
        player = api.players.player_of(_bearer(request), now_s)
        if player is None:
            raise NotAuthorizedException("the token is false or expired; log in again")
        if data.table > api.tables:
            raise HTTPException(f"table {data.table} does not exist; tables are 1 to {api.tables}", status_code=404)
        gateway = api.placer.choose(data.avoid)
        if gateway is None:
            raise HTTPException("no gateway is ready; try again", status_code=503)
        ticket = Ticket(player, data.table, gateway.gateway, now_s + TICKET_S_MAX, secrets.token_hex(8))
        return Placement(gateway.gateway, gateway.number, gateway.url, seal(ticket, api.ticket_secret))


class AdminController(Controller):
    """What the operator may ask."""

    path = "/admin"

    @post("/players")
    async def open_players(
        self, request: Request[Any, Any, State], data: PlayersToOpen, state: State
    ) -> dict[str, int]:
        """Register players and open their accounts; repeating it changes nothing."""
        api = _api(state)
        if not hmac.compare_digest(_bearer(request), api.admin_token):
            raise NotAuthorizedException("wrong admin token")
        await api.players.register([NewPlayer(p.id, p.name, p.password, p.currency) for p in data.players])
        try:
            return {"count": await api.open_accounts(data.players)}
        except OutcomeUnknownError as error:
            raise HTTPException(str(error), status_code=503) from None
