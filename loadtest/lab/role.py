"""The lab's process: campaigns and faults over HTTP on loopback, for the API alone.

It takes no order without the system's own token, which the API holds: operators log in there, and what they order is on
record there. ``livetable up --lab`` starts it beside the roles; it stands on the supervisor's file of sightings, so it
works while the bus or the database is away.
"""

import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from loadtest.lab.breaking import Faults, FaultSeen, KindSeen
from loadtest.lab.running import Campaigns, CampaignSeen, Offer
from reference_impl.background import Background
from reference_impl.domain.errors import ConfigError, LabError
from reference_impl.serving import invalid, serve_http
from reference_impl.stack.node import Node, Role
from reference_impl.stack.sightings import SeenProcesses

BODY_BYTES_MAX: Final = 4096


class CampaignAsked(Struct, forbid_unknown_fields=True):
    """Which campaign is to be started."""

    campaign: str


class FaultAsked(Struct, forbid_unknown_fields=True):
    """What is to be done to which process, and for how long."""

    kind: str
    target: str
    for_s: float = 0.0


class LabSeen(Struct):
    """What runs, what ran, and what was broken; newest first."""

    campaigns: list[CampaignSeen]
    faults: list[FaultSeen]


class LabOffers(Struct):
    """What can be started, what can be broken, and whom a fault can strike."""

    campaigns: list[Offer]
    kinds: list[KindSeen]
    targets: list[str]


class Lab:
    """The lab role.

    Parameters
    ----------
    port : int
        Loopback port.
    token : str
        What every request must bear.
    campaigns, faults : Campaigns, Faults
        What it looks after.
    """

    def __init__(self, port: int, token: str, campaigns: Campaigns, faults: Faults) -> None:
        self._port = port
        self.token = token
        self.campaigns = campaigns
        self.faults = faults
        self.background = Background("lab")

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; what a fault stopped goes on then, and a campaign is stopped with us by the kernel."""
        self.background.spawn(self.campaigns.watch())
        try:
            await serve_http(self.app(), self._port, ready)
        finally:
            self.background.cancel()

    def app(self) -> Litestar:
        """Return the application."""
        return Litestar(
            [look, offers, start, stop, strike, report],
            state=State({"lab": self}),
            guards=[_admitted],
            exception_handlers={ValidationException: invalid, LabError: _refused, FileNotFoundError: _missing},
            request_max_body_size=BODY_BYTES_MAX,
            openapi_config=None,
        )


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring = node.wiring
    lab = wiring.config.lab
    if lab is None:
        raise ConfigError("the system was configured without a lab")
    more = Path(lab.campaigns_dir) if lab.campaigns_dir else None
    faults = Faults(SeenProcesses(Path(wiring.sightings_path)))
    return [Lab(wiring.lab_port, wiring.admin_token, Campaigns(Path(lab.runs_dir), more), faults)]


@get("/", sync_to_thread=False)
def look(state: State) -> LabSeen:
    """Return what runs, what ran, and what was broken."""
    lab = _lab(state)
    return LabSeen(lab.campaigns.seen, list(lab.faults.struck))


@get("/offers")
async def offers(state: State) -> LabOffers:
    """Return what can be started, what can be broken, and whom a fault can strike."""
    lab = _lab(state)
    return LabOffers(await asyncio.to_thread(lab.campaigns.offers), await lab.faults.kinds(), lab.faults.targets)


@post("/campaign", status_code=202)
async def start(data: JSONBody[CampaignAsked], state: State) -> None:
    """Start a campaign. Its parent must be the main thread, which lives as long as we do."""
    _lab(state).campaigns.start(data.campaign)


@post("/campaign/stop", status_code=202)
async def stop(state: State) -> None:
    """Stop the campaign that runs."""
    _lab(state).campaigns.stop()


@post("/fault", status_code=202)
async def strike(data: JSONBody[FaultAsked], state: State) -> None:
    """Strike a fault, and follow it in the background."""
    lab = _lab(state)
    fault = lab.faults.take(data.kind, data.target, data.for_s)
    lab.background.spawn(lab.faults.carry_out(fault))


@get("/reports/{key:str}", media_type=MediaType.HTML, sync_to_thread=True)
def report(key: FromPath[str], state: State) -> bytes:
    """Return a report."""
    return _lab(state).campaigns.report(key)


def _lab(state: State) -> Lab:
    lab: Lab = state["lab"]
    return lab


def _admitted(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    lab: Lab = connection.app.state["lab"]
    if not hmac.compare_digest(connection.headers.get("authorization", "").encode(), f"Bearer {lab.token}".encode()):
        raise NotAuthorizedException("this needs the system's own token: ask the API")


def _refused(_request: Request[Any, Any, State], error: LabError) -> Response[dict[str, Any]]:
    status = 400 if isinstance(error, ConfigError) else 409  # the order's fault, or the moment's
    return Response({"status_code": status, "detail": str(error)}, status_code=status)


def _missing(_request: Request[Any, Any, State], error: FileNotFoundError) -> Response[dict[str, Any]]:
    detail = f"there is no report {error}: it is told of the last campaigns only, once they are over"
    return Response({"status_code": 404, "detail": detail}, status_code=404)
