"""What the operator may ask."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.params import Parameter
from nats.aio.client import Client

from reference_impl.accounts.passwords import LockedError
from reference_impl.accounts.players import NewPlayer
from reference_impl.api.messages import LogIn, NewOperator, OperatorIn, PlayersToOpen, PlayerToOpen, Reason
from reference_impl.api.services import Services, bearer, services
from reference_impl.bus import ask_wallet
from reference_impl.domain.errors import OutcomeUnknownError, RetryableError
from reference_impl.domain.ids import PLAYER_ID_MAX, AccountKind, account_id, shard_of
from reference_impl.domain.money import Currency
from reference_impl.domain.wallet_messages import Done, OpenAccounts

PlayerId = Annotated[int, Parameter(ge=1, le=PLAYER_ID_MAX)]
OPEN_S_MAX = 10.0
ADMIN = "the system's own token"
"""Who is on record where no operator's name is known."""


class AdminController(Controller):
    """What the operator may ask."""

    path = "/admin"

    @post("/players")
    async def open_players(
        self, request: Request[Any, Any, State], data: PlayersToOpen, state: State
    ) -> dict[str, int]:
        """Register players and open their accounts; repeating it changes nothing."""
        known, _ = await operated(request, state)
        await known.players.register([NewPlayer(p.id, p.name, p.password, p.currency) for p in data.players])
        try:
            return {"count": await open_accounts(known.bus, known.config.shards, data.players)}
        except OutcomeUnknownError as error:
            raise HTTPException(str(error), status_code=503) from None

    @post("/players/{player:int}/log-out")
    async def log_out(
        self, request: Request[Any, Any, State], player: PlayerId, data: Reason, state: State
    ) -> dict[str, bool]:
        """End a player's session with a reason; the player may log in again."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "log out", f"player {player}", data.reason) as order:
            ended = await known.sessions.end(player, f"operator: {data.reason}")
            order.answer = "logged out" if ended else "was not logged in"
        return {"ended": ended}

    @post("/operators", status_code=201)
    async def open_operator(
        self, request: Request[Any, Any, State], data: NewOperator, state: State
    ) -> dict[str, bool]:
        """Register an operator. It takes the system's own token: operators make no operators."""
        known, operator = await operated(request, state)
        if operator != ADMIN:
            raise PermissionDeniedException("operators are registered with the system's own token")
        async with on_record(known, operator, "register operator", data.name, "a new operator") as order:
            fresh = await known.operators.register(data.name, data.password)
            order.answer = "registered" if fresh else "the name is taken"
        return {"registered": fresh}

    @post("/login", status_code=201)
    async def log_in(self, data: LogIn, state: State) -> OperatorIn:
        """Exchange an operator's name and password for a token."""
        try:
            token = await services(state).operators.log_in(data.name, data.password)
        except LockedError as error:
            raise HTTPException(str(error), status_code=429) from None
        except RetryableError as error:
            raise HTTPException(str(error), status_code=503) from None
        if token is None:
            raise NotAuthorizedException("wrong name or password")
        return OperatorIn(token, data.name)

    @post("/logout", status_code=204)
    async def log_out_operator(self, request: Request[Any, Any, State], state: State) -> None:
        """End the operator's session; its token is worth nothing any more."""
        await services(state).operators.log_out(bearer(request))


async def operated(request: Request[Any, Any, State], state: State) -> tuple[Services, str]:
    """Return what the handlers share and which operator asks, or refuse the request."""
    known, token = services(state), bearer(request)
    if hmac.compare_digest(token.encode(), known.config.admin_token.encode()):
        return known, ADMIN
    operator = await known.operators.who(token)
    if operator is None:
        raise NotAuthorizedException("wrong admin token, or the operator's session has ended; log in again")
    return known, operator


@dataclass
class Order:
    """An order that is being carried out, and what is to be noted of it."""

    answer: str = "done"


@asynccontextmanager
async def on_record(known: Services, operator: str, what: str, target: str, reason: str) -> AsyncIterator[Order]:
    """Put an order on record before it is carried out, and afterwards what came of it."""
    number = await known.orders.begin(operator, what, target, reason)
    order = Order()
    try:
        yield order
    except HTTPException as error:
        await known.orders.end(number, f"{'not known' if error.status_code == 503 else 'refused'}: {error.detail}")
        raise
    await known.orders.end(number, order.answer)


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
