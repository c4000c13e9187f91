"""Which gateway a player is sent to: load reports in, a choice out."""

import time
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.domain.messages import GatewayReport
from reference_impl.domain.placement import two_choices

REPORT_S_MAX = 3.0
"""A gateway that has not reported for so long is not chosen."""


class Placer:
    """Chooses gateways by power of two choices over reported load plus what was placed since the report.

    Parameters
    ----------
    uniform : callable
        A source of uniforms in [0, 1).
    """

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform
        self._reports: dict[str, tuple[float, GatewayReport]] = {}
        self._placed_since: dict[str, int] = {}

    async def listen(self, bus: Client) -> None:
        """Follow the gateways' reports."""
        await bus.subscribe("report.gateway", cb=self._on_report)

    def choose(self, avoid: str = "") -> GatewayReport | None:
        """Return a gateway that is alive, another than `avoid` if there is another; None if there is none."""
        since_s = time.monotonic() - REPORT_S_MAX
        alive = [report for heard_s, report in self._reports.values() if heard_s > since_s]
        wanted = [report for report in alive if report.gateway != avoid] or alive
        if not wanted:
            return None
        loads = [report.connections + self._placed_since.get(report.gateway, 0) for report in wanted]
        chosen = wanted[two_choices(loads, self._uniform(), self._uniform())]
        self._placed_since[chosen.gateway] = self._placed_since.get(chosen.gateway, 0) + 1
        return chosen

    async def _on_report(self, msg: Msg) -> None:
        report = msgspec.msgpack.decode(msg.data, type=GatewayReport)
        self._reports[report.gateway] = (time.monotonic(), report)
        self._placed_since[report.gateway] = 0
