"""Which gateway and which edge a player is sent to: load reports in, choices out.

A candidate's load is what it reported plus what was placed on it since. A candidate that has been silent for
`REPORT_S_MAX` is not chosen, so that the dead vanish without anybody telling; the one that a player has just lost is
avoided at once, if there is another.
"""

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.domain.balance import EdgeReport, GatewayReport, Stand
from reference_impl.domain.placement import two_choices

REPORT_S_MAX = 3.0


class Report(Protocol):
    """What both kinds of reports say."""

    @property
    def number(self) -> int:
        """The number in records."""

    @property
    def url(self) -> str:
        """Where players connect."""

    @property
    def connections(self) -> int:
        """Open connections."""

    @property
    def stand(self) -> int:
        """How it stands to new players, a :class:`Stand`."""


R = TypeVar("R", bound=Report)


class Choice(NamedTuple, Generic[R]):
    """Candidates that are alive, the chosen one first, the others by load; and the chosen one's load."""

    reports: list[R]
    load: int


class Candidates(Generic[R]):
    """The places of one kind, by name.

    Parameters
    ----------
    uniform : callable
        A source of uniforms in [0, 1).
    """

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform
        self._heard: dict[str, tuple[float, R]] = {}
        self._placed_since: dict[str, int] = {}

    def hear(self, name: str, report: R, now_s: float) -> None:
        """Take a report; who takes nobody is forgotten."""
        if report.stand != Stand.SERVING:
            self._heard.pop(name, None)
            return
        self._heard[name] = (now_s, report)
        self._placed_since[name] = 0

    def choose(self, avoid: str, now_s: float) -> Choice[R] | None:
        """Return who is alive, the better of two random ones first; None if nobody is.

        The one to `avoid` is left out, unless it is the only one.
        """
        alive = {name: report for name, (heard_s, report) in self._heard.items() if heard_s > now_s - REPORT_S_MAX}
        if len(alive) > 1:
            alive.pop(avoid, None)
        if not alive:
            return None
        load = {name: report.connections + self._placed_since[name] for name, report in alive.items()}
        names = list(alive)
        chosen = names[two_choices([load[name] for name in names], self._uniform(), self._uniform())]
        self._placed_since[chosen] += 1
        names.sort(key=lambda name: (name != chosen, load[name]))
        return Choice([alive[name] for name in names], load[chosen])


class Placer:
    """The balancer role: follows reports, places players, records each placement.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    uniform : callable
        A source of uniforms in [0, 1).
    record : callable
        Takes the fields of a :data:`reference_impl.domain.records.PLACEMENTS` record.
    """

    def __init__(self, bus: Client, uniform: Callable[[], float], record: Callable[..., None]) -> None:
        self._bus = bus
        self._record = record
        self._gateways = Candidates[GatewayReport](uniform)
        self._edges = Candidates[EdgeReport](uniform)

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow reports until cancelled; `ready` is called once there is a gateway to send players to."""
        subscription = await self._bus.subscribe("report.*")
        served = False
        async for msg in subscription.messages:
            self._hear(msg)
            if not served and msg.subject == "report.gateway":
                served = True
                ready()

    def gateway(self, player: int, table: int, avoid: str) -> GatewayReport | None:
        """Return the gateway for a player, or None if none is alive."""
        choice = self._gateways.choose(avoid, time.monotonic())
        if choice is None:
            return None
        self._note(player, table, "gateway", choice.reports[0].gateway, choice)
        return choice.reports[0]

    def edges(self, player: int, table: int, avoid: str) -> list[EdgeReport]:
        """Return the living edges, the one for the player first."""
        choice = self._edges.choose(avoid, time.monotonic())
        if choice is None:
            return []
        self._note(player, table, "edge", choice.reports[0].edge, choice)
        return choice.reports

    def _note(self, player: int, table: int, what: str, chosen: str, choice: Choice[R]) -> None:
        self._record(
            time.monotonic_ns(), player, table, what.encode(), chosen.encode(), choice.reports[0].number,
            float(choice.load), len(choice.reports),
        )  # fmt: skip

    def _hear(self, msg: Msg) -> None:
        now_s = time.monotonic()
        if msg.subject == "report.edge":
            edge = msgspec.msgpack.decode(msg.data, type=EdgeReport)
            self._edges.hear(edge.edge, edge, now_s)
        elif msg.subject == "report.gateway":
            gateway = msgspec.msgpack.decode(msg.data, type=GatewayReport)
            self._gateways.hear(gateway.gateway, gateway, now_s)
