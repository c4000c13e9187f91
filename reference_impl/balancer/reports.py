"""Load reports off the bus, decoded once for everybody in a process who wants to hear them."""

import time
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.domain.balance_messages import EdgeReport, GatewayReport

LoadReport: TypeAlias = GatewayReport | EdgeReport
Listener: TypeAlias = Callable[[LoadReport, float], None]

_KINDS: dict[str, type[LoadReport]] = {"report.gateway": GatewayReport, "report.edge": EdgeReport}


class Reports:
    """Follows all reports.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(self, bus: Client) -> None:
        self._bus = bus
        self._listeners: list[Listener] = []

    async def tell(self, listener: Listener) -> None:
        """Call a listener with each report from now on, and with the monotonic second in which it came."""
        self._listeners.append(listener)
        if len(self._listeners) == 1:
            await self._bus.subscribe("report.*", cb=self._hear)

    async def _hear(self, msg: Msg) -> None:
        if (kind := _KINDS.get(msg.subject)) is None:
            return
        report, now_s = msgspec.msgpack.decode(msg.data, type=kind), time.monotonic()
        for listener in self._listeners:
            listener(report, now_s)
