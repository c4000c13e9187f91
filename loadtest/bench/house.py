"""A house in one process, for benches of the generator: plays rounds at one table and accepts every bet at once.

``python -m loadtest.bench.house PORT [ADDRESS]`` listens on loopback unless told otherwise. It speaks the players'
protocol of the reference implementation and nothing else: no log-in, no tickets, no ledger. So it costs little, and
what is measured is whoever drives it.
"""

import asyncio
import itertools
import sys
import time
from typing import NamedTuple

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from reference_impl.domain.bets import Status
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, ClientMessage, Hello, Paid, PlaceBet, TableNews, Welcome
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.units import NS_PER_S

TABLE = 1
DEPOSIT_MINOR = 10**9
WINDOW_S = 3.0
PHASES = (
    (Phase.BETS_OPEN, 2.0), (Phase.CLOSING_SOON, 1.0), (Phase.NO_MORE_BETS, 0.05), (Phase.BETS_CLOSED, 0.05),
    (Phase.DEALING, 0.5), (Phase.RESULT, 0.1), (Phase.SETTLED, 0.3),
)  # fmt: skip
"""A round: each phase and how long it lasts, in seconds. The first two are the window of :data:`WINDOW_S`."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ClientMessage).decode


class _Bet(NamedTuple):
    id: str
    amount_minor: int


class Seat(WSListener):
    """A player's socket."""

    def __init__(self, house: "House") -> None:
        super().__init__()
        self._house = house
        self._transport: WSTransport | None = None
        self._player = 0
        self._balance = DEPOSIT_MINOR
        self._version = 1
        self._bets: list[_Bet] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the socket."""
        self._transport = transport

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Forget the player."""
        self._house.seats.discard(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Welcome a player, or accept a bet."""
        if frame.msg_type is not WSMsgType.TEXT:
            transport.disconnect()
            return
        message = _decode(frame.get_payload_as_memoryview())
        if isinstance(message, Hello):
            self._player = int(message.ticket)
            welcome = Welcome(self._player, 0, self._balance, self._version, 978, time.time_ns(), self._house.state)
            self._house.seats.add(self)
            transport.send(WSMsgType.TEXT, _encode(welcome))
        elif isinstance(message, PlaceBet):
            self._balance -= message.amount_minor
            self._version += 1
            self._bets.append(_Bet(message.id, message.amount_minor))
            answer = BetAnswer(message.id, Status.ACCEPTED, self._balance, self._version, 0, next(self._house.journal))
            transport.send(WSMsgType.TEXT, _encode(answer))

    def push(self, frame: bytes) -> None:
        """Send a table event."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, frame)

    def settle(self, round_: int) -> None:
        """Return every stake."""
        if self._bets:
            amounts = [bet.amount_minor for bet in self._bets]
            self._balance += sum(amounts)
            self._version += len(amounts)
            self.push(_encode(Paid(round_, [bet.id for bet in self._bets], amounts, self._balance, self._version)))
            self._bets.clear()


class House:
    """A table and its players."""

    def __init__(self) -> None:
        self.seats: set[Seat] = set()
        self.state: TableEnvelope | None = None
        self.journal = itertools.count(1)

    async def play(self) -> None:
        """Play rounds for ever."""
        numbers = itertools.count(1)
        for number in itertools.count(1):
            round_, opens_ns = round_id(TABLE, number), time.time_ns()
            closes_ns = opens_ns + round(WINDOW_S * NS_PER_S)
            due_s = time.monotonic()
            for phase, lasts_s in PHASES:
                outcome = 17 if phase in {Phase.RESULT, Phase.SETTLED} else -1
                event = TableEvent(TABLE, round_, 0, phase, time.time_ns(), opens_ns, closes_ns, (0,), outcome)
                self.state = TableEnvelope(TABLE, 1, next(numbers), event)
                self._broadcast(_encode(TableNews(self.state)))
                if phase is Phase.RESULT:
                    for seat in list(self.seats):
                        seat.settle(round_)
                due_s += lasts_s
                await asyncio.sleep(max(due_s - time.monotonic(), 0.0))

    def _broadcast(self, frame: bytes) -> None:
        for seat in self.seats:
            seat.push(frame)


async def _serve(port: int, address: str = "127.0.0.1") -> None:
    house = House()

    def seat(_request: WSUpgradeRequest) -> Seat:
        return Seat(house)

    server = await ws_create_server(seat, address, port)
    async with server:
        await house.play()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), *sys.argv[2:3]))
