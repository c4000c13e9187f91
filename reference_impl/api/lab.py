"""The operators' door to the lab: who may start campaigns and strike faults is known here, and so is what was ordered.

The lab is a process of its own that takes no orders but from here, with the system's own token. What it says goes
through as it is; without a lab nothing can be started.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import Parameter
from msgspec import Struct

from reference_impl.api.admin import on_record, operated
from reference_impl.api.messages import Name, NodeName, Reason, Why
from reference_impl.api.services import Services, services

_lists = msgspec.json.Decoder(dict[str, list[Any]]).decode
ANSWER_S_MAX: Final = 10.0
ANSWER_BYTES_MAX: Final = 16 << 20
REPORT_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:"
)
"""A report carries all that it needs: it reaches neither the operator's session nor anything else."""


class CampaignOrder(Struct, forbid_unknown_fields=True):
    """Which campaign is to be started, and why."""

    campaign: Name
    reason: Why


class FaultOrder(Struct, forbid_unknown_fields=True):
    """What is to be done to which process, for how long if it does not end by itself, and why."""

    kind: Name
    target: NodeName
    reason: Why
    for_s: float = 0.0


class Taken(Struct):
    """That the lab took an order."""

    taken: bool = True


class LabController(Controller):
    """What the control room shows of campaigns and faults, and orders."""

    path = "/admin/lab"

    @get("")
    async def lab(self, request: Request[Any, Any, State], state: State) -> dict[str, list[Any]]:
        """Return what runs, what ran, and what was broken."""
        known, _ = await operated(request, state)
        return _lists(await _ask(known, ""))

    @get("/offers")
    async def offers(self, request: Request[Any, Any, State], state: State) -> dict[str, list[Any]]:
        """Return which campaigns can be started, and what can be broken here."""
        known, _ = await operated(request, state)
        return _lists(await _ask(known, "offers"))

    @post("/campaign", status_code=202)
    async def start(self, request: Request[Any, Any, State], data: CampaignOrder, state: State) -> Taken:
        """Start a campaign; one runs at a time."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "start campaign", data.campaign, data.reason):
            await _ask(known, "campaign", {"campaign": data.campaign})
        return Taken()

    @post("/campaign/stop", status_code=202)
    async def stop(self, request: Request[Any, Any, State], data: Reason, state: State) -> Taken:
        """Stop the campaign that runs; what it recorded so far is kept."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, "stop campaign", "the one that runs", data.reason):
            await _ask(known, "campaign/stop", {})
        return Taken()

    @post("/fault", status_code=202)
    async def strike(self, request: Request[Any, Any, State], data: FaultOrder, state: State) -> Taken:
        """Break a process of this system on purpose; one fault at a time."""
        known, operator = await operated(request, state)
        async with on_record(known, operator, f"fault: {data.kind}", data.target, data.reason):
            await _ask(known, "fault", {"kind": data.kind, "target": data.target, "for_s": data.for_s})
        return Taken()

    @get("/reports/{key:str}", include_in_schema=False)
    async def report(
        self, key: Annotated[str, Parameter(pattern="^[A-Za-z0-9_-]{22}$")], state: State
    ) -> Response[bytes]:
        """Return a run's report to whoever has its key, which operators are told: a link can carry no token."""
        page = await _ask(services(state), f"reports/{key}")
        headers = {"Content-Security-Policy": REPORT_POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page, media_type=MediaType.HTML, headers=headers)


async def _ask(known: Services, path: str, body: dict[str, Any] | None = None) -> bytes:
    """Return the lab's answer, or refuse the request as the lab does."""
    config = known.config
    if not config.lab_url:
        raise HTTPException("this system was started without --lab: nothing can be started here", status_code=404)
    request = urllib.request.Request(  # noqa: S310 - the lab's own address on loopback
        f"{config.lab_url}/{path}",
        None if body is None else msgspec.json.encode(body),
        {"Authorization": f"Bearer {config.admin_token}", "Content-Type": "application/json"},
    )
    return await asyncio.to_thread(_sent, request)


def _sent(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as answer:  # noqa: S310 - as above
            read: bytes = answer.read(ANSWER_BYTES_MAX)
    except urllib.error.HTTPError as error:
        with error:
            detail = msgspec.json.decode(error.read())["detail"]
        raise HTTPException(detail, status_code=error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise HTTPException(f"the lab does not answer: {error}", status_code=503) from None
    return read
