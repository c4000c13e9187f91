"""What the handlers of the API share."""

import time
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from nats.aio.client import Client

from reference_impl.accounts.players import Players
from reference_impl.accounts.sessions import Sessions
from reference_impl.balancer.placer import Placer
from reference_impl.domain.bets import TableLimits
from reference_impl.domain.lobby import Lobby
from reference_impl.domain.seamless import Conventions


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


@dataclass(frozen=True)
class Services:
    """The configuration and the parts that answer for the handlers."""

    config: ApiConfig
    players: Players
    sessions: Sessions
    placer: Placer
    lobby: Lobby
    bus: Client


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


def bearer(request: Request[Any, Any, State]) -> str:
    """Return the request's bearer token, or refuse the request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthorizedException("this needs the header 'Authorization: Bearer <token>'")
    return token
