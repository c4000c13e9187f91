"""The seamless-wallet API under ``/v1/seamless``: signatures, bodies and refusals; what calls mean is elsewhere.

A call is judged before it is understood: its signature over the exact body, then its timestamp, then its form. Every
refusal is a problem document with a code, whatever refused it.
"""

import asyncio
import logging
import time
from typing import Any, TypeAlias

import msgspec
from litestar import Controller, Request, Response, Router, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, JSONBody

from reference_impl.api.seamless_wallet import SeamlessWallet
from reference_impl.domain.seamless import (
    CALLS,
    HEADER_PROVIDER,
    HEADER_SIGNATURE,
    HEADER_TIMESTAMP,
    HTTP_STATUS,
    Answer,
    Authenticate,
    Authenticated,
    Balance,
    BalanceNow,
    Cancel,
    Code,
    Credit,
    Debit,
    Problem,
    Promo,
    Receipt,
    Signature,
    problem,
)
from reference_impl.domain.seamless_signature import Verifier, judge, verifier_of
from reference_impl.domain.units import NS_PER_MS

BODY_BYTES_MAX = 16 * 1024
BODY_S_MAX = 5.0
RETRY_AFTER_S = 1

log = logging.getLogger(__name__)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in CALLS.items()}

AnyRequest: TypeAlias = Request[Any, Any, State]


class SeamlessDesk:
    """What the handlers share: who may call, and who carries calls out.

    Parameters
    ----------
    wallet : SeamlessWallet
        Carries calls out.
    secrets : dict of str to str
        Each provider's shared secret or public key; nobody may call if it is empty.
    """

    def __init__(self, wallet: SeamlessWallet, secrets: dict[str, str]) -> None:
        self.wallet = wallet
        kind: Signature = wallet.conventions.signature
        self._verifiers: dict[str, Verifier] = {name: verifier_of(kind, secret) for name, secret in secrets.items()}

    def refuse(self, request: AnyRequest, call: str, body: bytes) -> Problem | None:
        """Return why a call is refused before it is carried out, or None."""
        headers = request.headers
        verifier = self._verifiers.get(headers.get(HEADER_PROVIDER, ""))
        timestamp, signature = headers.get(HEADER_TIMESTAMP, ""), headers.get(HEADER_SIGNATURE, "")
        if verifier is None:
            return problem(Code.BAD_SIGNATURE, f"{HEADER_PROVIDER} names no provider that may call")
        window_ms = self.wallet.conventions.window_ms
        code = judge(verifier, timestamp, call, body, signature, time.time_ns() // NS_PER_MS, window_ms)
        if code is Code.BAD_SIGNATURE:
            return problem(code, f"{HEADER_SIGNATURE} is no signature of this timestamp, call and body")
        if code is not None:
            return problem(code, f"{HEADER_TIMESTAMP} is not within {window_ms} ms of the wallet's clock")
        try:
            _decoders[call].decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return problem(Code.MALFORMED, f"{call}: {error}")
        return None

    async def answer(self, request: AnyRequest, call: Any) -> Response[Any]:
        """Carry a call out whose signature and form were judged."""
        told = await self.wallet.answer(request.headers[HEADER_PROVIDER], call, int(time.time()))
        return _response(told)


def _response(told: Answer) -> Response[Any]:
    if not isinstance(told, Problem):
        return Response(told, status_code=200)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if told.status == HTTP_STATUS[Code.OVERLOADED] else {}
    return Response(told, status_code=told.status, media_type="application/problem+json", headers=headers)


def _desk(state: State) -> SeamlessDesk:
    known: SeamlessDesk = state["seamless"]
    return known


async def _judge(request: AnyRequest) -> Response[Any] | None:
    """Refuse what is unsigned, old, too slow or malformed, before anything of it is used."""
    call = request.url.path.rpartition("/")[2]
    if call not in CALLS:
        return None
    try:
        async with asyncio.timeout(BODY_S_MAX):
            body = await request.body()
    except TimeoutError:
        return _response(problem(Code.MALFORMED, f"the body did not come within {BODY_S_MAX:g} s"))
    refusal = _desk(request.app.state).refuse(request, call, body)
    return None if refusal is None else _response(refusal)


def _refused_by_framework(_request: AnyRequest, error: HTTPException) -> Response[Any]:
    code = Code.TOO_LARGE if error.status_code == HTTP_STATUS[Code.TOO_LARGE] else Code.MALFORMED
    detail = f"the body is above the limit of {BODY_BYTES_MAX} bytes" if code is Code.TOO_LARGE else error.detail
    said = Problem(code, error.status_code, code.replace("_", " ").lower(), detail)
    return Response(said, status_code=error.status_code, media_type="application/problem+json")


def _failed(request: AnyRequest, error: Exception) -> Response[Any]:
    log.error("seamless %s: %s: %s", request.url.path, type(error).__name__, error)
    return _response(problem(Code.OUTCOME_UNKNOWN, "outcome unknown, send the same transaction again"))


_PROBLEM = ResponseSpec(
    Problem,
    description="Refused; `code` says why.",
    media_type="application/problem+json",
)
_REFUSALS = dict.fromkeys(sorted(set(HTTP_STATUS.values())), _PROBLEM)


class SeamlessController(Controller):
    """Calls of game providers; each is signed."""

    tags = ["seamless wallet"]  # noqa: RUF012 - Litestar's way to say it

    @post("/authenticate", status_code=200, responses=_REFUSALS)
    async def authenticate(
        self, request: AnyRequest, data: JSONBody[Authenticate], state: State
    ) -> Response[Authenticated]:
        """Exchange a launch token for a session."""
        return await _desk(state).answer(request, data)

    @post("/balance", status_code=200, responses=_REFUSALS)
    async def balance(self, request: AnyRequest, data: JSONBody[Balance], state: State) -> Response[BalanceNow]:
        """Return a player's balance."""
        return await _desk(state).answer(request, data)

    @post("/debit", status_code=200, responses=_REFUSALS)
    async def debit(self, request: AnyRequest, data: JSONBody[Debit], state: State) -> Response[Receipt]:
        """Take a stake. The same transaction gets the same answer for ever."""
        return await _desk(state).answer(request, data)

    @post("/credit", status_code=200, responses=_REFUSALS)
    async def credit(self, request: AnyRequest, data: JSONBody[Credit], state: State) -> Response[Receipt]:
        """Settle a bet with its gross return, which may be 0. Accepted with an expired session."""
        return await _desk(state).answer(request, data)

    @post("/cancel", status_code=200, responses=_REFUSALS)
    async def cancel(self, request: AnyRequest, data: JSONBody[Cancel], state: State) -> Response[Receipt]:
        """Roll a bet back, seen or not. Accepted with an expired session."""
        return await _desk(state).answer(request, data)

    @post("/promo", status_code=200, responses=_REFUSALS)
    async def promo(self, request: AnyRequest, data: JSONBody[Promo], state: State) -> Response[Receipt]:
        """Give a player money that no bet won."""
        return await _desk(state).answer(request, data)


def router() -> Router:
    """Return the routes; the application's state holds the desk under ``seamless``."""
    return Router(
        "/seamless",
        route_handlers=[SeamlessController],
        before_request=_judge,
        request_max_body_size=BODY_BYTES_MAX,
        exception_handlers={HTTPException: _refused_by_framework, Exception: _failed},
        parameters={
            "provider": HeaderParameter(name=HEADER_PROVIDER, annotation=str, required=False, description="Who calls."),
            "timestamp": HeaderParameter(
                name=HEADER_TIMESTAMP, annotation=str, required=False, description="Unix milliseconds."
            ),
            "signature": HeaderParameter(
                name=HEADER_SIGNATURE,
                annotation=str,
                required=False,
                description="Over `<timestamp>.<call>.` and the exact body, in hexadecimal digits.",
            ),
        },
    )
