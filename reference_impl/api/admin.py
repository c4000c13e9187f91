"""What the operator may ask."""

import hashlib
import hmac
from typing import Any

from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException
from nats.aio.client import Client

from reference_impl.accounts.players import NewPlayer
from reference_impl.api.messages import PlayersToOpen, PlayerToOpen, Reason
from reference_impl.api.services import Services, bearer, services
from reference_impl.bus import ask_wallet
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.ids import AccountKind, account_id, shard_of
from reference_impl.domain.messages import Done, OpenAccounts
from reference_impl.domain.money import Currency

OPEN_S_MAX = 10.0


class AdminController(Controller):
    """What the operator may ask."""

    path = "/admin"

    @post("/players")
    async def open_players(
        self, request: Request[Any, Any, State], data: PlayersToOpen, state: State
    ) -> dict[str, int]:
        """Register players and open their accounts; repeating it changes nothing."""
        known = operated(request, state)
        await known.players.register([NewPlayer(p.id, p.name, p.password, p.currency) for p in data.players])
        try:
            return {"count": await open_accounts(known.bus, known.config.shards, data.players)}
        except OutcomeUnknownError as error:
            raise HTTPException(str(error), status_code=503) from None

    @post("/players/{player:int}/log-out")
    async def log_out(
        self, request: Request[Any, Any, State], player: int, data: Reason, state: State
    ) -> dict[str, bool]:
        """End a player's session with a reason; the player may log in again."""
        ended = await operated(request, state).sessions.end(player, f"operator: {data.reason}")
        return {"ended": ended}


def operated(request: Request[Any, Any, State], state: State) -> Services:
    """Return what the handlers share, if the operator asks."""
    known = services(state)
    if not hmac.compare_digest(bearer(request).encode(), known.config.admin_token.encode()):
        raise NotAuthorizedException("wrong admin token")
    return known


async def open_accounts(bus: Client, shards: int, players: list[PlayerToOpen]) -> int:
    """Open the players' accounts in their shards; return how many are new.

    Raises
    ------
    OutcomeUnknownError
        If a shard does not answer. Asking again is safe.
    """
    opened = 0
    by_shard: dict[tuple[int, Currency], list[PlayerToOpen]] = {}
    for player in players:
        by_shard.setdefault((shard_of(player.id, shards), player.currency), []).append(player)
    for (shard, currency), mine in by_shard.items():
        refs = [hashlib.sha256(f"first deposit of {player.id}".encode()).digest()[:16] for player in mine]
        accounts = [account_id(AccountKind.PLAYER, p.id, currency) for p in mine]
        request = OpenAccounts(refs, accounts, [p.deposit_minor for p in mine], currency)
        reply = await ask_wallet(bus, shard, request, Done, timeout_s=OPEN_S_MAX)
        opened += reply.count if isinstance(reply, Done) else 0
    return opened
