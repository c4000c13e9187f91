"""What an edge tells the balancer, once a second. An edge that falls silent is sent no more viewers.

The other edges hear it too: it is what they steer by.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from nats.aio.client import Client

from reference_impl.domain.balance_messages import BalanceMap, EdgeReport, Stand
from reference_impl.pulse import Pulse
from reference_impl.streaming.edge import Edge

REPORT_S = 1.0
LISTENS_S = 0.02


class EdgeReporter:
    """Reports one edge's load.

    Parameters
    ----------
    edge : Edge
        The edge.
    number : int
        Its number in records.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(self, edge: Edge, number: int, bus: Client) -> None:
        self._edge = edge
        self._number = number
        self._bus = bus
        self._answered = (0, 0)
        self._pulse = Pulse()
        self._decoder = msgspec.msgpack.Decoder(EdgeReport)

    async def run(self, ready: Callable[[], None]) -> None:
        """Report until cancelled."""
        ready()
        while not self._edge.port:  # noqa: ASYNC110 - before that there is no address to report
            await asyncio.sleep(LISTENS_S)
        await self._bus.subscribe("report.edge", cb=self._hear)
        await self._bus.subscribe("balance.map", cb=self._weigh)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pulse.run())
            while True:
                await self._bus.publish("report.edge", msgspec.msgpack.encode(self.report()))
                await asyncio.sleep(REPORT_S)

    async def _hear(self, message: Any) -> None:
        self._edge.pathways.hear(self._decoder.decode(message.data), time.monotonic())

    async def _weigh(self, message: Any) -> None:
        self._edge.pathways.weigh(msgspec.msgpack.decode(message.data, type=BalanceMap))

    def report(self) -> EdgeReport:
        """Return the report of now; shares and rates count from the report before."""
        edge = self._edge
        beat = self._pulse.beat(edge.http.requests, edge.http.egress_bytes)
        counters = edge.counters
        hits, answered = counters.hits, counters.hits + counters.misses + counters.coalesced
        hits_before, answered_before = self._answered
        self._answered = (hits, answered)
        share = (hits - hits_before) / max(1, answered - answered_before)
        requests_per_s, egress_bytes_per_s = beat.per_s
        url = f"http://{edge.config.host}:{edge.port}"
        return EdgeReport(
            edge.config.name, self._number, url, len(edge.http.connections), edge.http.egress_bytes, share,
            beat.lag_ms, Stand.SERVING, beat.cpu_share, beat.run_delay_share, requests_per_s,
            egress_bytes_per_s, beat.lag_ms_mean, edge.take_p99_ms(),
            beat.lag_ms_p98,
        )  # fmt: skip
