"""One event to thousands of sockets: ours, through the bus and the real gateway, against the `websockets` library.

An event is the same text for both. What it costs is the CPU of the process that sends, over all sends of a leg; how
long it takes counts from before the event is handed over (for ours, to the bus) to the kernel's stamp of its arrival
at the last socket, so that the clients' own reading is not measured. What an idle socket costs is how much the sending
process grew by while they all connected.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import msgspec

from loadtest.bench.clients import PushLeg, Sockets
from loadtest.bench.crowd_process import CrowdProcess
from loadtest.bench.listening import listening
from loadtest.bench.result import Result, percentile, summarise
from loadtest.bench.seats import Seats
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import TableNews
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.units import KIB, NS_PER_MS, NS_PER_S
from reference_impl.pulse import cost_of
from reference_impl.stack.config import StackConfig
from reference_impl.stack.processes import free_port
from reference_impl.stack.telemetry import resident_bytes

SOCKETS = 5_000
TABLE = 99
"""A table without a dealer: its events are the bench's own."""
OF_NO_CHAIN = {"Nats-Msg-Id": "0-0"}
"""The audit trail takes it for a batch that it has."""
EVENTS = 10
GAP_S = 0.15
WAIT_S_MAX = 20.0
SETTLE_S = 2.0
SYSTEM = StackConfig(tables=1, gateways=1, shards=2, edges=0, timings=(Timing(window_ms=3_600_000),))

Send = Callable[[TableEnvelope], Awaitable[None]]


class Sender(NamedTuple):
    """One of the two: how it is told an event, its process, its sockets, and what one of them costs when idle."""

    send: Send
    pid: int
    crowd: CrowdProcess
    idle_kib: float

    async def leg(self, first_seq: int) -> "Leg":
        """Send some events; return what that took."""
        told = PushLeg(f"leg-{first_seq}", EVENTS, WAIT_S_MAX)
        sent_ns = []

        async def send() -> None:
            for seq in range(first_seq, first_seq + EVENTS):
                sent_ns.append(time.time_ns())
                await self.send(_event(seq, told.mark))
                await asyncio.sleep(GAP_S)

        done, cpu_s = await self.crowd.watch(told, lambda: cost_of(self.pid).cpu_ns / NS_PER_S, send)
        if done.missing:
            raise OperationalError(f"{done.missing} events did not arrive within {WAIT_S_MAX} s")
        last_ms = [(last - sent) / NS_PER_MS for last, sent in zip(done.last_unix_ns, sent_ns, strict=True)]
        return Leg(cpu_s / (EVENTS * SOCKETS) * 1e6, last_ms)


class Leg(NamedTuple):
    """CPU a send, and when each event reached the last socket."""

    cpu_us: float
    last_ms: list[float]

    @property
    def words(self) -> str:
        """The leg in a few words."""
        return f"{self.cpu_us:.1f} µs a send, last socket after {max(self.last_ms):.0f} ms at most"


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs.

    Raises
    ------
    ConfigError
        If the `websockets` library is not installed.
    """
    if find_spec("websockets") is None:
        raise ConfigError("bench broadcast needs the websockets library: run `make setup`")
    async with AsyncExitStack() as opened:
        progress.say(f"connecting {SOCKETS:,} sockets to a gateway, and as many to the peer")
        senders = {
            "ours": await opened.enter_async_context(_gateway()),
            "peer": await opened.enter_async_context(_websockets()),
        }
        legs: dict[str, list[Leg]] = {name: [] for name in senders}
        for turn in range(n):
            for name, sender in senders.items():
                legs[name].append(await sender.leg(1_000 * (turn + 1)))
            progress.say(f"{turn + 1}/{n}: " + ", ".join(f"{name} {of[-1].words}" for name, of in legs.items()))
    detail = {name: _figures(legs[name], senders[name].idle_kib) for name in senders}
    return summarise(
        "broadcast", "µs CPU a send", [leg.cpu_us for leg in legs["ours"]], [leg.cpu_us for leg in legs["peer"]],
        "websockets broadcast", {"sockets": SOCKETS, "event_bytes": len(_text(_event(1, "leg-1"))), **detail},
        lower_is_better=True,
    )  # fmt: skip


def _figures(legs: list[Leg], idle_kib: float) -> dict[str, Any]:
    last_ms = [ms for leg in legs for ms in leg.last_ms]
    return {
        "events": len(last_ms), "last_socket_ms_p50": round(statistics.median(last_ms), 1),
        "last_socket_ms_p95": percentile(last_ms, 0.95), "last_socket_ms_max": round(max(last_ms), 1),
        "idle_kib_per_socket": round(idle_kib, 1),
    }  # fmt: skip


def _event(seq: int, mark: str) -> TableEnvelope:
    now_ns = time.time_ns()
    happened = TableEvent(TABLE, 1, 0, Phase.BETS_OPEN, now_ns, now_ns, now_ns + NS_PER_S, (0, 1), commitment=mark)
    return TableEnvelope(TABLE, 1, seq, happened)


def _text(event: TableEnvelope) -> bytes:
    return msgspec.json.encode(TableNews(event))


@asynccontextmanager
async def _gateway() -> AsyncIterator[Sender]:
    async with Seats(SYSTEM) as seats:
        players = range(1, SOCKETS + 1)
        await seats.open_accounts(players)
        await seats.open_round(1)
        pid = seats.stack.pid("gateway-0")

        async def send(event: TableEnvelope) -> None:
            await seats.bus.publish(f"table.{TABLE}", msgspec.json.encode(event), headers=OF_NO_CHAIN)

        before = resident_bytes(pid)
        async with CrowdProcess(seats.sockets(players, TABLE, stamped=True)) as crowd:
            await asyncio.sleep(SETTLE_S)
            yield Sender(send, pid, crowd, (resident_bytes(pid) - before) / SOCKETS / KIB)


@asynccontextmanager
async def _websockets() -> AsyncIterator[Sender]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.websockets_server", str(port)), stdin=asyncio.subprocess.PIPE
    )
    try:
        await listening(port)

        async def send(event: TableEnvelope) -> None:
            if process.stdin is not None:
                process.stdin.write(_text(event) + b"\n")
                await process.stdin.drain()

        before = resident_bytes(process.pid)
        sockets = Sockets([f"ws://127.0.0.1:{port}/"] * SOCKETS, [""] * SOCKETS, stamped=True)
        async with CrowdProcess(sockets) as crowd:
            await asyncio.sleep(SETTLE_S)
            yield Sender(send, process.pid, crowd, (resident_bytes(process.pid) - before) / SOCKETS / KIB)
    finally:
        process.terminate()
        await process.wait()
