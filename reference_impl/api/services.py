"""What the handlers of the API share."""

import time
from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException
from nats.aio.client import Client

from reference_impl.accounts.operators import Operators
from reference_impl.accounts.orders import Orders
from reference_impl.accounts.players import Players
from reference_impl.accounts.presence import Presence
from reference_impl.accounts.sessions import Sessions
from reference_impl.balancer.placer import Placer
from reference_impl.bus import ask_wallet
from reference_impl.domain.bets import TableLimits
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.ids import shard_of
from reference_impl.domain.lobby import Lobby
from reference_impl.domain.rates import TokenBucket
from reference_impl.domain.seamless import Conventions
from reference_impl.domain.waiting_room import LOOKING, PLAYING, WaitingRoom
from reference_impl.domain.wallet_messages import ControlRequest, Refused

ASKS_PER_S, ASKS_BURST = 5.0, 30
"""How often a player may ask about the own account, or change it."""
PLACED_PER_S, PLACED_BURST = 1_000.0, 2_000.0
"""How many players are placed in a second, and at once after a quiet time: what gateways take in without their bets
waiting for it. An **assumption**, of one machine."""
PLAYED_S = 300.0
PLAYING_MAX = 1_000_000
"""Who had a bet settled so lately plays, and is placed before those who look; so many are remembered."""
ASKING_MAX = 100_000
"""Players whose asking is counted; beyond, all counts begin anew."""

Reply = TypeVar("Reply")


@dataclass(frozen=True, kw_only=True)
class ApiConfig:
    """What the API is told.

    Parameters
    ----------
    port : int
        Loopback port.
    shards, tables : int
        Size of the system.
    limits : dict of int to TableLimits
        The limits of each table.
    games : tuple of str
        The tables' games, dealt out in turn.
    ticket_secret, playback_secret : bytes
        Sign tickets and playback tokens.
    live_url : str
        Where interactive video is; empty if the system has no video.
    admin_token : str
        What administration asks for.
    dsns : list of str
        The shards' databases: the seamless wallet keeps there which transaction ids were used.
    seamless_secrets : dict of str to str
        Each game provider's secret.
    conventions : Conventions
        How the seamless wallet behaves where providers disagree.
    lab_url : str
        Who starts campaigns and strikes faults; empty if nobody does.
    """

    port: int
    shards: int
    tables: int
    limits: dict[int, TableLimits]
    games: tuple[str, ...]
    ticket_secret: bytes
    playback_secret: bytes
    live_url: str
    admin_token: str
    dsns: list[str]
    seamless_secrets: dict[str, str]
    conventions: Conventions
    lab_url: str


@dataclass(frozen=True)
class Services:
    """The configuration and the parts that answer for the handlers."""

    config: ApiConfig
    players: Players
    sessions: Sessions
    presence: Presence
    operators: Operators
    orders: Orders
    placer: Placer
    lobby: Lobby
    bus: Client
    waiting: WaitingRoom = field(default_factory=lambda: WaitingRoom(PLACED_PER_S, PLACED_BURST))
    playing: dict[int, float] = field(default_factory=dict)
    asking: dict[int, TokenBucket] = field(default_factory=dict)

    def heard_paid(self, accounts: list[int], now_s: float) -> None:
        """Note who plays: those whose bets were settled or voided just now."""
        if len(self.playing) >= PLAYING_MAX:
            self.playing.clear()
        self.playing.update(dict.fromkeys(accounts, now_s))

    def kind_of(self, player: int, now_s: float) -> int:
        """Return a player's class in the waiting room."""
        return PLAYING if self.playing.get(player, -PLAYED_S) > now_s - PLAYED_S else LOOKING

    async def ask(self, account: int, request: ControlRequest, expected: type[Reply]) -> Reply:
        """Ask the wallet of an account's shard, or refuse the request that is being answered."""
        try:
            reply = await ask_wallet(self.bus, shard_of(account, self.config.shards), request, expected)
        except OutcomeUnknownError as error:
            raise HTTPException(str(error), status_code=503) from None
        if isinstance(reply, Refused):
            raise HTTPException(reply.reason, status_code=503)
        return reply


def services(state: State) -> Services:
    """Return what the application was made with."""
    known: Services = state["services"]
    return known


async def signed_in(request: Request[Any, Any, State], known: Services) -> tuple[int, str]:
    """Return the player who asks and the player's session, or refuse the request."""
    who = await known.sessions.of(bearer(request), int(time.time()))
    if who is None:
        raise NotAuthorizedException("the session has ended; log in again")
    return who


async def own_account(request: Request[Any, Any, State], known: Services) -> tuple[int, str]:
    """Return the account and the session of the player who asks, or refuse whoever asks too often."""
    account, session = await signed_in(request, known)
    if len(known.asking) >= ASKING_MAX:
        known.asking.clear()
    bucket = known.asking.setdefault(account, TokenBucket(ASKS_PER_S, ASKS_BURST))
    if not bucket.take(time.monotonic_ns()):
        raise HTTPException(f"too many requests: at most {ASKS_PER_S:g} a second", status_code=429)
    return account, session


def bearer(request: Request[Any, Any, State]) -> str:
    """Return the request's bearer token, or refuse the request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthorizedException("this needs the header 'Authorization: Bearer <token>'")
    return token
