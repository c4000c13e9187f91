"""The peer of ``bench loadgen``: what an engineer writes with plain Locust and websocket-client, at equal fidelity.

The same players with the same schedule (:func:`sim.arrivals.planned_bets`), open loop; the same records: each bet with
its due, invoke and return instants, journalled before it is sent, and every push; connections that break or fall silent
are opened again and their bets sent again with the same ids. One greenlet reads, one sends. Kernel stamps are missing:
websocket-client hands out no ancillary data.
"""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
import websocket
from gevent.queue import Empty, SimpleQueue
from locust import User, constant, events, task
from locust.exception import StopUser

from loadtest.adapters.base import Arrived
from loadtest.operations import Operation, operation_id
from loadtest.plan import load_plan
from loadtest.pushed import pushes_of
from loadtest.recorder import Recorder, Returned, Seat
from loadtest.users.punctuality import keep_time
from reference_impl.domain.ids import round_no_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, ServerMessage, TableNews
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_S
from sim.arrivals import planned_bets
from sim.scenario import people

PLAN = load_plan()
RECORDER = Recorder(Path(PLAN.record_dir), 0)
PEOPLE = iter(people(PLAN.scenario))
ANSWER_NS_MAX = round(PLAN.scenario.answer_s_max * NS_PER_S)
IDLE_S = 1.0
DECODE = msgspec.json.Decoder(ServerMessage).decode


class PlainPlayer(User):
    """One player: a greenlet that sends what is due, and one that reads."""

    wait_time = constant(0)

    @task
    def live(self) -> None:
        """Play until the load's end."""
        self.arrival = next(PEOPLE)
        start_ns = PLAN.start_ns() or 0
        gevent.sleep(max(start_ns + self.arrival.at_s * NS_PER_S - time.monotonic_ns(), 0) / NS_PER_S)
        self.end_ns = PLAN.end_ns(start_ns)
        self.numbers = itertools.count(1)
        self.todo: SimpleQueue[Operation] = SimpleQueue()
        self.waiting: dict[str, Operation] = {}
        self.round = 0
        while time.monotonic_ns() < self.end_ns:
            self.connect()
            reader = gevent.spawn(self.read)
            self.send(reader)
            reader.kill()
            self.socket.close()
            RECORDER.session_ended(self.seat, time.monotonic_ns(), 1000)
        raise StopUser

    def connect(self) -> None:
        """Open the session and send lost bets again."""
        self.socket = websocket.create_connection(PLAN.api_url, timeout=5)
        self.socket.send(json.dumps({"t": "hello", "ticket": str(self.arrival.player)}))
        welcome = DECODE(self.socket.recv())
        self.socket.settimeout(None)
        player = self.arrival.player
        self.seat = Seat(player, 1, 0, self.arrival.table, player, time.monotonic_ns())
        self.ahead_ns = welcome.server_unix_ns - time.monotonic_ns()
        for op in self.waiting.values():
            self.put(op)
        if welcome.state is not None:
            self.table_event(welcome.state.event)

    def send(self, reader: gevent.Greenlet) -> None:
        """Send each bet at its time; return when the connection is broken, silent, or no longer needed."""
        ahead: list[Operation] = []
        while not reader.dead:
            now_ns = time.monotonic_ns()
            if now_ns >= self.end_ns + 2 * NS_PER_S:
                return
            if any(op.answer_by_ns <= now_ns for op in self.waiting.values()):
                return
            while ahead and ahead[0].due_ns <= now_ns:
                self.put(ahead.pop(0))
            wake_ns = ahead[0].due_ns if ahead else now_ns + IDLE_S * NS_PER_S
            try:
                ahead.append(self.todo.get(timeout=(wake_ns - now_ns) / NS_PER_S))
                ahead.sort(key=lambda op: op.due_ns)
            except Empty:
                continue

    def put(self, op: Operation) -> None:
        """Journal a bet and send it."""
        now_ns = time.monotonic_ns()
        op.attempt += 1
        op.answer_by_ns = now_ns + ANSWER_NS_MAX
        self.waiting[op.ref.hex()] = op
        RECORDER.invoke(op, now_ns)
        bet = {
            "t": "bet", "id": op.ref.hex(), "table": op.table, "round": op.round_id, "window": op.window,
            "selection": op.selection, "amount_minor": op.amount_minor,
        }  # fmt: skip
        self.socket.send(json.dumps(bet))

    def read(self) -> None:
        """Take messages until the connection ends."""
        while True:
            try:
                text = self.socket.recv()
            except (OSError, websocket.WebSocketException):
                return
            now_ns = time.monotonic_ns()
            message = DECODE(text)
            if isinstance(message, BetAnswer):
                self.answered(message, now_ns)
            elif isinstance(message, TableNews):
                self.table_event(message.state.event)
            for push in pushes_of(Arrived(message, 0, now_ns), self.arrival.player, 1, self.arrival.table):
                RECORDER.push(push)

    def answered(self, message: BetAnswer, now_ns: int) -> None:
        """Journal an answer."""
        op = self.waiting.pop(message.id, None)
        if op is None:
            return
        outcome = Outcome.OK if message.status == 1 else Outcome.REJECTED
        RECORDER.returned(
            op,
            Returned(
                outcome, now_ns, 0, message.status, message.balance_minor, message.version, message.shard, message.seq,
            ),
        )  # fmt: skip
        self.environment.events.request.fire(
            request_type="WS", name="bet", response_time=(now_ns - op.due_ns) / 1e6, response_length=0, exception=None,
            context={},
        )  # fmt: skip

    def table_event(self, event: TableEvent) -> None:
        """Plan the bets of a window that opens."""
        if event.phase not in {Phase.BETS_OPEN, Phase.CLOSING_SOON} or event.round <= self.round:
            return
        self.round = event.round
        player, table = self.arrival.player, self.arrival.table
        opens_ns, heard_ns = event.opens_at_unix_ns - self.ahead_ns, time.monotonic_ns()
        for bet in planned_bets(PLAN.scenario, player, round_no_of(event.round)):
            due_ns = opens_ns + bet.offset_ns
            if due_ns < heard_ns:
                if event.phase != Phase.BETS_OPEN:
                    continue
                due_ns = heard_ns
            if due_ns < min(self.end_ns, event.closes_at_unix_ns - self.ahead_ns):
                ref = operation_id(PLAN.nonce, player, next(self.numbers))
                op = Operation(ref, OpKind.BET, player, player, table, due_ns, event.round, event.window)
                op.selection, op.amount_minor = bet.selection, bet.amount_minor
                self.todo.put(op)


def _begin(**_: Any) -> None:
    keep_time()  # both are to run before the house, and to collect as little garbage
    PLAN.announce_start(time.monotonic_ns())


def _end(**_: Any) -> None:
    RECORDER.close()


events.test_start.add_listener(_begin)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_end)  # type: ignore[no-untyped-call]
