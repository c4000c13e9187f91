"""One player's socket: who it is, what it says, and what it is told.

Frames that arrive are decoded, counted against a rate, and handed to the gateway with the instant at which they were
read. Frames that leave are finished ones. What waits for a player who does not read is bounded: beyond it the socket is
closed with the reason, and cut off if that is not read either.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from reference_impl.background import Background
from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.fanout import Fanout, Write, nowhere
from reference_impl.bets.frames import frame_of
from reference_impl.bets.lobby_feed import LobbyFeed
from reference_impl.domain import protocol
from reference_impl.domain.ids import shard_of
from reference_impl.domain.rates import TokenBucket
from reference_impl.domain.round_trip import RoundTrip
from reference_impl.domain.tickets import Ticket
from reference_impl.domain.units import KIB

WRITE_BYTES_MAX = 64 * KIB
FAREWELL_S_MAX = 5.0
"""Who does not read a close frame for so long is cut off without it."""
FRAMES_PER_S = 100.0
FRAMES_BURST = 1_000
"""A player who covers the whole layout several times over stays below this; a program that floods does not."""
QUESTION_BYTES = 8

_CLOSE, _PONG, _TEXT = WSMsgType.CLOSE, WSMsgType.PONG, WSMsgType.TEXT


class Stalled(Protocol):
    """Counts how often pictures stood still."""

    stalls: int


class Host(Protocol):
    """What a socket needs of its gateway."""

    shards: int
    strangers: int
    fanout: Fanout
    lobby: LobbyFeed
    metrics: BetMetrics
    beside: Background
    decode: Callable[[memoryview], protocol.ClientMessage]

    @property
    def reporter(self) -> Stalled:
        """Who counts how often pictures stood still."""

    def admit(self, text: str) -> Ticket | None:
        """Return a ticket that opens a socket here."""

    async def welcome(self, player: "Player", ticket: Ticket) -> None:
        """Tell a new player where things stand."""

    def take(self, player: "Player", account: int, bet: protocol.PlaceBet, received_ns: int) -> None:
        """Take a bet."""

    def take_decision(self, player: "Player", account: int, decide: protocol.Decide, received_ns: int) -> None:
        """Take a decision."""

    def take_back(self, player: "Player", account: int, undo: protocol.UndoBet, received_ns: int) -> None:
        """Take a bet back."""


class Player(WSListener):
    """One player's socket."""

    __slots__ = (
        "_frames",
        "_gateway",
        "_timer",
        "_transport",
        "bet_round",
        "push",
        "round_trip",
        "shard",
        "stalls",
        "ticket",
    )

    def __init__(self, gateway: Host) -> None:
        super().__init__()
        self._gateway = gateway
        self._transport: WSTransport | None = None
        self.push: Write = nowhere
        """Sends finished frames: to the socket itself, unless it is closed or does not keep up."""
        self._timer: asyncio.TimerHandle | None = None
        self._frames = TokenBucket(FRAMES_PER_S, FRAMES_BURST)
        self.ticket: Ticket | None = None
        self.shard = 0
        self.bet_round = 0
        """The last round that the player bet in."""
        self.stalls = 0
        self.round_trip = RoundTrip()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Give the new socket a moment to say who it is."""
        self._transport = transport
        self.push = transport.underlying_transport.write
        # The door has read them and the answer is out; kept, they would be a sixth of what an idle socket costs.
        transport.request.headers.clear()
        transport.response.headers.clear()
        transport.underlying_transport.set_write_buffer_limits(WRITE_BYTES_MAX)
        self._gateway.strangers += 1
        self._timer = asyncio.get_running_loop().call_later(
            protocol.HANDSHAKE_S_MAX, self.close, protocol.CloseCode.HANDSHAKE_TIMEOUT, "no hello in time"
        )

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Forget the socket; bets that were taken stand."""
        self._stop_timer()
        self._transport, self.push = None, nowhere
        if self.ticket is not None:
            self._gateway.fanout.leave(self.ticket.table, self.ticket.player, self)
            self._gateway.lobby.leave(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame."""
        received_ns = time.monotonic_ns()
        kind = frame.msg_type
        if kind is _CLOSE:
            self._turn(nowhere)
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if not self._frames.take(received_ns):
            self.close(protocol.CloseCode.TOO_FAST, f"more than {FRAMES_PER_S:g} frames a second")
            return
        if kind is _PONG:
            self.round_trip.answer(frame.get_payload_as_bytes(), received_ns)
            return
        if kind is not _TEXT or not frame.fin:
            self.close(protocol.CloseCode.MALFORMED, "only whole text frames are understood")
            return
        try:
            message = self._gateway.decode(frame.get_payload_as_memoryview())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.close(protocol.CloseCode.MALFORMED, str(error))
            return
        self._dispatch(message, received_ns)

    def pause_writing(self) -> None:
        """Note that more than :data:`WRITE_BYTES_MAX` bytes wait for the player."""
        self._turn(self._refuse)

    def resume_writing(self) -> None:
        """Note that the player has caught up."""
        if self._transport is not None:
            self._turn(self._transport.underlying_transport.write)

    def measure(self) -> None:
        """Ask for a sign of life that cannot be given before the question is there."""
        if self._transport is not None and not self.round_trip.waiting:
            question = secrets.token_bytes(QUESTION_BYTES)
            self.round_trip.ask(question, time.monotonic_ns())
            self._transport.send_ping(question)

    def close(self, code: protocol.CloseCode, reason: str) -> None:
        """Close politely, with a reason of one line, and for good if that is not read either."""
        if self._transport is not None:
            self._gateway.metrics.count_closed(code)
            transport, self._transport = self._transport, None
            self._turn(nowhere)
            transport.send_close(code, reason.encode()[:120])  # type: ignore[arg-type] # codes from 4000 up are ours
            transport.disconnect()
            asyncio.get_running_loop().call_later(FAREWELL_S_MAX, transport.disconnect, False)

    def _dispatch(self, message: protocol.ClientMessage, received_ns: int) -> None:
        if self.ticket is None:
            self._greet(message)
        elif isinstance(message, protocol.PlaceBet):
            self._gateway.take(self, self.ticket.player, message, received_ns)
        elif isinstance(message, protocol.Decide):
            self._gateway.take_decision(self, self.ticket.player, message, received_ns)
        elif isinstance(message, protocol.UndoBet):
            self._gateway.take_back(self, self.ticket.player, message, received_ns)
        elif isinstance(message, protocol.WatchLobby):
            (self._gateway.lobby.watch if message.watch else self._gateway.lobby.leave)(self)
        elif isinstance(message, protocol.Ping):
            self.push(frame_of(protocol.Pong(message.sent_ns, time.time_ns())))
            self._gateway.reporter.stalls += max(0, message.stalls - self.stalls)
            self.stalls = message.stalls
        else:
            self.close(protocol.CloseCode.BAD_TICKET, "a socket says hello once")

    def _greet(self, hello: protocol.ClientMessage) -> None:
        if not isinstance(hello, protocol.Hello):
            self.close(protocol.CloseCode.BAD_TICKET, "the first frame must be hello")
            return
        ticket = self._gateway.admit(hello.ticket)
        if ticket is None:
            self.close(protocol.CloseCode.BAD_TICKET, "the ticket is false, used, expired or for another gateway")
            return
        self._stop_timer()
        self.ticket = ticket
        self.shard = shard_of(ticket.player, self._gateway.shards)
        former = self._gateway.fanout.join(ticket.table, ticket.player, self, self.push)
        if isinstance(former, Player):
            former.close(protocol.CloseCode.REPLACED, "the player connected again")
        for frame in self._gateway.fanout.missed(ticket.table, hello.seq):
            self.push(frame)
        self._gateway.beside.spawn(self._gateway.welcome(self, ticket))

    def _turn(self, write: Write) -> None:
        """Say where frames go from now on."""
        self.push = write
        if self.ticket is not None:
            self._gateway.fanout.turn(self.ticket.table, self, write)

    def _refuse(self, _frame: bytes) -> None:
        self.close(protocol.CloseCode.SLOW_CONSUMER, f"more than {WRITE_BYTES_MAX} bytes unread")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._gateway.strangers -= 1
