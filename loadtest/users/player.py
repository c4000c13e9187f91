"""A player's life: log in, connect, play, reconnect, leave. Carries out what :class:`PlayerScript` decides.

Whoever else sits at a table or looks at the lobby is another script carried out by the same player.

The way in and back blocks, in a greenlet of the player's own. Play itself does not: the worker's reactor calls
:meth:`Player.step` when something arrived or a bet is due. What delays a bet is the process alone, and that delay is in
the records, between due and invoke.
"""

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.adapters.base import Arrived, Placement, PlayerLink, TargetAdapter, TokenRefusedError
from loadtest.operations import Operation
from loadtest.pushed import NewsRows, pushes_of, shown_in
from loadtest.recorder import Recorder, Returned, Seat
from loadtest.users.bettor import PlayerScript
from loadtest.users.reactor import Reactor
from loadtest.users.websocket import ConnectionLostError
from reference_impl.domain.errors import OperationalError, RemoteProtocolError, RetryableError
from reference_impl.domain.protocol import HANDSHAKE_S_MAX, BetAnswer, GoAway, Paid, Problem, TableNews
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

TRIES_MAX = 60
BACKOFF_S_FIRST = 0.1
BACKOFF_S_MAX = 1.0
RECONNECT_S_MAX = 0.5
PART_S_MAX = 1.0
PART_POLL_S = 0.05

_BROKEN = 1006
_NORMAL = 1000

Report = Callable[[OpKind, float, str], None]
"""Told of each operation's end: kind, milliseconds from its intended start, and what went wrong or an empty text."""


def backoff_s(attempt: int, uniform: float) -> float:
    """Return the pause before another try: full jitter below a doubling, bounded ceiling.

    Parameters
    ----------
    attempt : int
        Tries so far, from 1.
    uniform : float
        A uniform in [0, 1).
    """
    return uniform * min(BACKOFF_S_MAX, BACKOFF_S_FIRST * 2.0 ** min(attempt - 1, 10))


@dataclass
class Player:
    """One player, playing.

    Parameters
    ----------
    script : PlayerScript
        What the player decides.
    adapter : TargetAdapter
        How the target is reached.
    recorder : Recorder
        Where operations are recorded.
    arrives_ns : int
        When the player comes.
    leaves_ns : int
        When the player stops trying to connect.
    report : Report
        Told of each operation's end.
    reactor : Reactor
        Serves the open connection.
    news_rows : NewsRows
        Rows of table events; shared by all who hear the same.
    sleep : callable
        Waits for so many seconds.
    """

    script: PlayerScript
    adapter: TargetAdapter
    recorder: Recorder
    arrives_ns: int
    leaves_ns: int
    report: Report
    reactor: Reactor
    news_rows: NewsRows = field(default_factory=NewsRows)
    sleep: Callable[[float], None] = time.sleep
    _link: PlayerLink = field(init=False)
    _code: int = _NORMAL
    _done: bool = False
    listening: bool = True
    _wake_ns: int = 0
    _heard_from_ns: int = 0
    _token: str = ""
    _connections: int = 0
    _seated_ns: int = 0
    _avoid: str = ""
    _back_s: float = 0.0
    _going: GoAway | None = None
    _go_ns: int = 0
    _seen_in_lobby: set[tuple[int, int]] = field(default_factory=set)

    def run(self) -> None:
        """Live from arrival to leaving."""
        self._sleep_until(self.arrives_ns)
        due_ns = self.arrives_ns
        try:
            if not self._log_in(due_ns):
                return
            link, seat = self._enter(time.monotonic_ns())
            while link is not None and seat is not None and not self._play(link, seat):
                if self._going is not None:
                    link, seat = self._move(link, seat, self._going)
                    continue
                lost_ns = time.monotonic_ns()
                # a gateway that dies sends all its players off at once: each has a moment of its own to return
                self.sleep(self._back_s or random.random() * RECONNECT_S_MAX)
                link, seat = self._enter(lost_ns)
        finally:
            for op in self.script.unanswered:
                self.report(op.kind, 0.0, "no answer: the outcome is unknown")

    def _log_in(self, due_ns: int) -> bool:
        op = self.script.new_operation(OpKind.LOGIN, due_ns)

        def log_in() -> bool:
            self._token = self.adapter.log_in(op.account)
            return True

        if not self._try_for(op, log_in):
            return False
        self._end(op, Returned(Outcome.OK, time.monotonic_ns()))
        return True

    def _enter(self, due_ns: int) -> tuple[PlayerLink | None, Seat | None]:
        """Look round the lobby as long as the script wants, then sit down."""
        for look_ns in self.script.lobby_looks(due_ns):
            self._sleep_until(look_ns)
            op = self.script.new_operation(OpKind.LOBBY, look_ns)
            if self._try_for(op, self._look):
                self._end(op, Returned(Outcome.OK, time.monotonic_ns()))
            due_ns = time.monotonic_ns()
        return self._sit_down(due_ns)

    def _look(self) -> bool:
        lobby = self.adapter.lobby()
        for push in shown_in(lobby, self._seen_in_lobby, self.script.arrival.player, self._connections):
            self.recorder.push(push)
        return True

    def _sit_down(self, due_ns: int) -> tuple[PlayerLink | None, Seat | None]:
        """Get a placement and open a session there; one operation, however many tries it takes."""
        op = self.script.new_operation(OpKind.CONNECT, due_ns)
        op.connection = self._connections + 1
        link: PlayerLink | None = None
        came: list[Arrived] = []

        def connect() -> bool:
            nonlocal link, came
            placement = self.adapter.place(self._token, op.table, self._avoid)
            self._avoid, op.gateway = placement.gateway, placement.number
            link, came = self._open_session(placement, op)
            return True

        if not self._try_for(op, connect) or link is None:
            return None, None
        return link, self._seat(op, came)

    def _seat(self, op: Operation, came: list[Arrived]) -> Seat:
        """Take a seat at the open connection."""
        self._connections += 1
        self._seated_ns = now_ns = time.monotonic_ns()
        self._end(op, Returned(Outcome.OK, now_ns, came[0].kernel_ns))
        seat = Seat(op.session, self._connections, op.gateway, op.table, op.account, now_ns)
        self._take(came)
        return seat

    def _open_session(
        self, placement: Placement, op: Operation, leave: Callable[[], None] = lambda: None
    ) -> tuple[PlayerLink, list[Arrived]]:
        """Open a session; `leave` is called when the new gateway has welcomed the player."""
        link = self.adapter.connect(placement.url)
        asked_ns = time.monotonic_ns()
        try:
            welcome, came = link.greet(placement.ticket, HANDSHAKE_S_MAX)
        except BaseException:
            link.close()
            raise
        self.script.clock.trip((came[0].kernel_ns or came[0].app_ns) - asked_ns)
        self._back_s = welcome.back_ms / 1000
        leave()
        self.script.connected(welcome, op.gateway, op.connection, came[0].kernel_ns or came[0].app_ns)
        return link, came

    def _move(self, old: PlayerLink, seat: Seat, to: GoAway) -> tuple[PlayerLink, Seat]:
        """Go on at another gateway: the new connection is there before the old one goes. Without it, stay."""
        self._going = None
        self._hear_answers(old)
        op = self.script.new_operation(OpKind.CONNECT, time.monotonic_ns())
        op.connection, op.gateway, op.attempt = self._connections + 1, to.number, 1
        self.recorder.invoke(op, op.due_ns)
        try:
            placement = Placement(to.gateway, to.number, to.url, to.ticket)
            link, came = self._open_session(placement, op, lambda: self._part(old, seat))
        except (RetryableError, RemoteProtocolError, OSError) as error:
            self._end(op, Returned(Outcome.REJECTED, time.monotonic_ns()), f"not moved to {to.gateway}: {error}")
            return old, seat
        self._avoid = to.gateway
        return link, self._seat(op, came)

    def _hear_answers(self, link: PlayerLink) -> None:
        """Hear what was asked before leaving, for a while."""
        until_ns = time.monotonic_ns() + round(PART_S_MAX * NS_PER_S)
        with contextlib.suppress(ConnectionLostError):
            while self.script.outstanding and time.monotonic_ns() < until_ns:
                self._take(link.receive(PART_POLL_S))

    def _part(self, link: PlayerLink, seat: Seat) -> None:
        link.close()
        self.recorder.session_ended(seat, time.monotonic_ns(), _NORMAL)
        if self.script.outstanding:
            self.script.disconnected()

    def _try_for(self, op: Operation, attempt: Callable[[], bool]) -> bool:
        """Attempt an operation until it succeeds, is refused for good, or patience ends; record each try."""
        while op.attempt < TRIES_MAX and time.monotonic_ns() < self.leaves_ns:
            op.attempt += 1
            self.recorder.invoke(op, time.monotonic_ns())
            try:
                return attempt()
            except TokenRefusedError as error:
                if op.kind is OpKind.LOGIN or not self._log_in(time.monotonic_ns()):
                    self._end(op, Returned(Outcome.REJECTED, time.monotonic_ns()), str(error))
                    return False
            except (RetryableError, RemoteProtocolError, OSError):
                self.sleep(backoff_s(op.attempt, random.random()))
            except OperationalError as error:
                self._end(op, Returned(Outcome.REJECTED, time.monotonic_ns()), str(error))
                return False
        self.report(op.kind, (time.monotonic_ns() - op.due_ns) / NS_PER_MS, f"gave up after {op.attempt} tries")
        return False

    def _play(self, link: PlayerLink, seat: Seat) -> bool:
        """Play until the connection ends (False) or the player leaves (True)."""
        self._link, self._code, self._done, self.listening, self._wake_ns = link, _NORMAL, False, True, 0
        try:
            self.reactor.attend(self)
        except BaseException:
            self._code, self._going = _BROKEN, None
            raise
        finally:
            if self._going is None:
                link.close()
                self.recorder.session_ended(seat, time.monotonic_ns(), self._code)
                self.script.disconnected()
        return self._done

    def fileno(self) -> int:
        """Return the descriptor of the open connection."""
        return self._link.fileno()

    def step(self, now_ns: int, *, readable: bool) -> int | None:
        """Take what arrived and send what is due; return when to be woken, or None when the connection has ended.

        Most of what a table hears changes nothing for most of its players: then nothing more is looked at.
        """
        try:
            changed = now_ns >= self._wake_ns
            if readable:
                deaf = self.script.deaf_until_ns(now_ns) > now_ns
                changed |= deaf or self._take(self._link.receive(0.0))
            if not changed:
                return self._wake_ns
            self._send_due(self._link, now_ns)
        except ConnectionLostError as lost:
            self._code, self._going = lost.code, None
            return None
        except RemoteProtocolError as error:
            self.script.complaints.append(f"player {self.script.arrival.player}: {error}")
            self._pass_complaints_on()
            self._code, self._going = _BROKEN, None
            return None
        if self.script.overdue(now_ns):
            self._going = None
            return None
        if self._going is not None and now_ns >= self._go_ns:
            return None
        self._done = self.script.finished(now_ns)
        if self._done:
            self._going = None
            return None
        deaf_until_ns = self.script.deaf_until_ns(now_ns)
        listens = deaf_until_ns <= now_ns
        if listens and not self.listening:
            self._heard_from_ns = now_ns  # what came while nobody listened is heard only now
        self.listening = listens
        wake_ns = self.script.wake_ns(now_ns)
        if self._going is not None:
            wake_ns = min(wake_ns, self._go_ns)
        self._wake_ns = wake_ns if listens else min(wake_ns, deaf_until_ns)
        return self._wake_ns

    def _send_due(self, link: PlayerLink, now_ns: int) -> None:
        for op in self.script.take_due(now_ns):
            invoke_ns = time.monotonic_ns()
            if op.attempt == 1:
                lag_ns = invoke_ns - max(op.due_ns, self._seated_ns)
                self.recorder.start_lag_ns_max = max(self.recorder.start_lag_ns_max, lag_ns)
            self.recorder.invoke(op, invoke_ns)
            link.send_bet(op)
        if self.script.given_up:
            for op in self.script.given_up:
                self.recorder.refused(op, now_ns)
            self.script.given_up.clear()
        if self.script.missed:
            self.recorder.missed += self.script.missed
            self.script.missed = 0

    def _take(self, came: list[Arrived]) -> bool:
        """Record what came and tell the script; return whether there may be something to do or to wake for now."""
        changed = False
        for arrived in came:
            message = arrived.message
            if isinstance(message, TableNews):
                row = self.news_rows.row(message, self.script.arrival.player, self._connections, arrived)
                self.recorder.push_packed(row)
                heard_ns = max(arrived.kernel_ns or arrived.app_ns, self._heard_from_ns)
                changed |= self.script.table_event(message.state.event, heard_ns)
            else:
                self._take_own(arrived)
                changed = True
        if self.script.complaints:
            self._pass_complaints_on()
        return changed

    def _take_own(self, arrived: Arrived) -> None:
        """Take what was meant for this player alone."""
        message, arrival = arrived.message, self.script.arrival
        if isinstance(message, BetAnswer):
            ended = self.script.answered(message, arrived.app_ns, arrived.kernel_ns)
            if ended is not None:
                self._end(*ended)
            return
        for push in pushes_of(arrived, arrival.player, self._connections, arrival.table):
            self.recorder.push(push)
        if isinstance(message, Paid):
            self.script.paid(message)
        elif isinstance(message, GoAway):
            self._going, self._go_ns = message, arrived.app_ns + message.after_ms * NS_PER_MS
        elif isinstance(message, Problem):
            self.script.complaints.append(f"player {arrival.player}: {message.message}")

    def _end(self, op: Operation, returned: Returned, problem: str = "") -> None:
        self.recorder.returned(op, returned)
        self.report(op.kind, (returned.return_ns - op.due_ns) / NS_PER_MS, problem)

    def _pass_complaints_on(self) -> None:
        for complaint in self.script.complaints:
            self.report(OpKind.BET, 0.0, complaint)
        self.script.complaints.clear()

    def _sleep_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - time.monotonic_ns()) > 0:
            self.sleep(left_ns / NS_PER_S)
