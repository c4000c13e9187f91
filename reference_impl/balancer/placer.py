"""Which gateway and which edge a player is sent to: load reports in, choices out.

The rules are :mod:`reference_impl.domain.balancing`'s. A place's load is what it reported plus what was placed on it
since; who has been silent too long is not chosen, so that the dead vanish without anybody telling, and the one that a
player has just lost is avoided at once, if there is another.

The placer needs no balancer: it hears the reports itself. What the balancer adds comes with its map (over how many
edges a table's viewers are spread); while there is none, the last map serves.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.balancer.places import Choice, R, edges, gateways
from reference_impl.balancer.reports import LoadReport, Reports
from reference_impl.domain.balance_messages import BalanceMap, EdgeReport, Fence, GatewayReport
from reference_impl.domain.balancing.policies import Balancing, Decision, Wish, policy_of
from reference_impl.domain.table_messages import Joined

DEFAULT = Balancing()


class Placer:
    """Follows reports, places players, records each placement.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    reports : Reports
        Where gateways and edges are heard.
    uniform : callable
        A source of uniforms in [0, 1).
    record : callable
        Takes the fields of a :data:`reference_impl.domain.records.PLACEMENTS` record.
    log : callable
        Takes each decision with what it was made from.
    balancing : Balancing
        Which policies choose.
    """

    def __init__(
        self, bus: Client, reports: Reports, uniform: Callable[[], float], record: Callable[..., None],
        log: Callable[[Decision], None] = lambda _decision: None, balancing: Balancing = DEFAULT,
    ) -> None:  # fmt: skip
        self.gateways, self.edges = gateways(), edges()
        self.map: BalanceMap | None = None
        """The newest map; of the highest epoch heard."""
        self._bus = bus
        self._reports = reports
        self._serves = asyncio.Event()
        self._uniform = uniform
        self._record = record
        self._log = log
        self._policy, self._edge_policy = policy_of(balancing.policy), policy_of(balancing.edge_policy)
        self._fence = Fence()

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow reports until cancelled; `ready` is called once there is a gateway to send players to."""
        await self._bus.subscribe("balance.map", cb=self._on_map)
        await self._bus.subscribe("joined", cb=self._on_joined)
        await self._reports.tell(self._hear)
        await self._serves.wait()
        ready()
        await asyncio.Event().wait()

    def gateway(self, player: int, table: int, avoid: str) -> GatewayReport | None:
        """Return the gateway for a player, or None if none is alive."""
        wish = Wish(player, 1, self._uniform(), self._uniform())
        choice = self.gateways.choose(self._policy, wish, player, avoid, time.monotonic_ns())
        if choice is None:
            return None
        self._note(player, table, "gateway", choice.reports[0].gateway, choice)
        return choice.reports[0]

    def edges_for(self, player: int, table: int, avoid: str) -> list[EdgeReport]:
        """Return the living edges, the one for the player first."""
        copies = self.map.copies.get(table, len(self.edges.reports)) if self.map else len(self.edges.reports)
        wish = Wish(table, max(1, copies), self._uniform(), self._uniform())
        choice = self.edges.choose(self._edge_policy, wish, player, avoid, time.monotonic_ns())
        if choice is None:
            return []
        self._note(player, table, "edge", choice.reports[0].edge, choice)
        return choice.reports

    def take(self, known: BalanceMap) -> None:
        """Take a map, unless a balancer of a later epoch has spoken."""
        if self._fence.admits(known.epoch):
            self.map = known

    def _note(self, player: int, table: int, what: str, chosen: str, choice: Choice[R]) -> None:
        self._log(choice.decision)
        self._record(
            choice.decision.t_ns, player, table, what.encode(), chosen.encode(), choice.reports[0].number,
            float(choice.load), len(choice.reports),
        )  # fmt: skip

    async def _on_joined(self, msg: Msg) -> None:
        joined = msgspec.msgpack.decode(msg.data, type=Joined)
        if joined.moved:  # everybody else was placed here
            self.gateways.joined(joined.gateway)

    async def _on_map(self, msg: Msg) -> None:
        self.take(msgspec.msgpack.decode(msg.data, type=BalanceMap))

    def _hear(self, report: LoadReport, now_s: float) -> None:
        if isinstance(report, EdgeReport):
            self.edges.hear(report.edge, report, now_s)
        else:
            self.gateways.hear(report.gateway, report, now_s)
            self._serves.set()
