"""People for benches of balancing: they bet steadily while they may, and go on elsewhere when they are told to.

Each is a socket and a clock in one process; how long each bet took is kept with the gateway that answered it.
"""

import asyncio
import secrets
import time
from typing import NamedTuple

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from loadtest.adapters.base import Placement
from reference_impl.domain.bets import Status
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, GoAway, Hello, PlaceBet, ServerMessage, Steer, TableNews, Welcome
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_MS

OPEN = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON})
SPOTS = 37
EDGE_NS = 100 * NS_PER_MS
"""Nobody bets so shortly before a close: a late bet says nothing of balancing."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ServerMessage).decode


class Answered(NamedTuple):
    """A bet's answer: when the bet was sent (monotonic s), by which gateway, and how long it took."""

    sent_s: float
    gateway: str
    ms: float


class Seat(WSListener):
    """One of a person's sockets."""

    def __init__(self, person: "Bettor", gateway: str, hello: bytes) -> None:
        super().__init__()
        self._person = person
        self._hello = hello
        self.gateway = gateway
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Say who it is."""
        self.transport = transport
        transport.send(WSMsgType.TEXT, self._hello)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand a message on."""
        if frame.msg_type is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            self._person.hear(self, _decode(frame.get_payload_as_memoryview()))


class Bettor:
    """A person at a table.

    Parameters
    ----------
    table : int
        Where.
    gap_s : float
        Between two bets.
    answered : list of Answered
        Where answers are kept.
    """

    def __init__(self, table: int, gap_s: float, answered: list[Answered]) -> None:
        self.told: list[tuple[float, str]] = []
        """When the person was told to go on elsewhere, and by which gateway."""
        self.steered_s: list[float] = []
        self.sent: dict[str, tuple[float, str]] = {}
        self.refused = 0
        self.gateway = ""
        self._table = table
        self._gap_s = gap_s
        self._answered = answered
        self._seat: Seat | None = None
        self._event: TableEvent | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, place: Placement) -> None:
        """Open a socket where a placement says; it is used from its welcome on."""
        hello = _encode(Hello(place.ticket))
        await ws_connect(lambda: Seat(self, place.gateway, hello), place.url)

    async def play(self) -> None:
        """Bet until cancelled."""
        while True:
            await asyncio.sleep(self._gap_s * (0.5 + secrets.randbelow(1000) / 1000))
            event, seat = self._event, self._seat
            if seat is None or seat.transport is None or event is None or event.phase not in OPEN:
                continue
            if time.time_ns() > event.closes_at_unix_ns - EDGE_NS:
                continue
            bet = PlaceBet(secrets.token_hex(16), self._table, event.round, event.window, secrets.randbelow(SPOTS), 10)
            self.sent[bet.id] = (time.monotonic(), seat.gateway)
            seat.transport.send(WSMsgType.TEXT, _encode(bet))

    def leave(self) -> None:
        """Close the socket."""
        for task in self._tasks:
            task.cancel()
        if self._seat is not None and self._seat.transport is not None:
            self._seat.transport.disconnect()

    def hear(self, seat: Seat, message: ServerMessage) -> None:
        """Take a message of one of the sockets."""
        if isinstance(message, BetAnswer):
            sent_s, gateway = self.sent.pop(message.id, (0.0, ""))
            self.refused += message.status != Status.ACCEPTED
            if gateway:
                self._answered.append(Answered(sent_s, gateway, (time.monotonic() - sent_s) * 1000))
        elif isinstance(message, TableNews):
            self._event = message.state.event
        elif isinstance(message, Welcome):
            self._seat, self.gateway = seat, seat.gateway
            if message.state is not None:
                self._event = message.state.event
        elif isinstance(message, GoAway):
            self.told.append((time.monotonic(), seat.gateway))
            task = asyncio.get_running_loop().create_task(self._go(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(message, Steer):
            self.steered_s.append(time.monotonic())

    async def _go(self, to: GoAway) -> None:
        await asyncio.sleep(to.after_ms / 1000)
        await self.join(Placement(to.gateway, to.number, to.url, to.ticket))
