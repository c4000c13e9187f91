"""A load worker on another machine than its master, within Locust's own (see :mod:`loadtest.machines`)."""

import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from locust.rpc import Message
from locust.runners import WorkerRunner

from loadtest.machines import (
    CLAIM,
    CLAIMED,
    CLOCK_PINGS,
    FINISH,
    HELLO,
    PIECE_S_MAX,
    PING,
    PLAN,
    PONG,
    READY,
    RECEIVED,
    RECORDS,
    REFUSED,
    START,
    Outbox,
    own_folder,
)
from loadtest.plan import LoadPlan
from loadtest.shapes import wanted_kinds
from loadtest.users.crowd import Crowd
from loadtest.users.hub import HubReactor
from reference_impl.domain.records import CLOCKS
from reference_impl.stack.recording import RecordFile

ROUND_S = 0.5
"""How often what has been recorded is sent."""

PING_S = 1.0
QUICK_S = 0.02
"""How often the master is asked for the time, during the load and before it."""


class _Desk(NamedTuple):
    """Where a worker writes, once it has a plan."""

    plan: LoadPlan
    folder: Path
    outbox: Outbox
    clocks: RecordFile


class Worker:
    """What a worker asks of its master, and how its records get there.

    Parameters
    ----------
    runner : WorkerRunner
        Locust's own.
    folder : Path
        Where this machine's workers write; each makes a folder of its own in it.
    adapter : str
        The only adapter that it loads: a master names code, and does not choose it.
    """

    def __init__(self, runner: WorkerRunner, folder: Path, adapter: str) -> None:
        self._runner = runner
        self._folder = folder
        self._adapter = adapter
        self._desk: _Desk | None = None
        self._ahead_ns = 0
        self._trips_ns: list[int] = []
        self._begun = Event()
        self._over = Event()
        self._crowd: Crowd | None = None
        self._asking: deque[AsyncResult[int]] = deque()
        self._asked = 0
        self._acknowledged = Event()
        told: dict[str, Callable[..., None]] = {
            PLAN: self._take_plan, PONG: self._pong, START: self._start, CLAIMED: self._claimed,
            RECEIVED: self._received, FINISH: self._finish,
        }  # fmt: skip
        for kind, take in told.items():
            runner.register_message(kind, take)
        gevent.spawn(self._introduce)

    def crowd(self) -> Crowd:
        """Return this worker's share of the people, when the load has begun."""
        self._begun.wait()
        if self._crowd is None:
            raise RuntimeError("the load begins with a crowd")
        return self._crowd

    def close(self) -> None:
        """End the recording, if the master has not ended it; what it did not get stays on this machine."""
        if not self._over.is_set():
            self._over.set()
            if self._crowd is not None:
                self._crowd.close()
            if self._desk is not None:
                self._desk.clocks.close()

    def _introduce(self) -> None:
        while self._desk is None:
            self._runner.send_message(HELLO)
            gevent.sleep(PING_S)

    def _take_plan(self, msg: Message, **_: Any) -> None:
        if self._desk is not None:
            return
        plan = msgspec.json.decode(msg.data["plan"], type=LoadPlan)
        if plan.adapter != self._adapter:
            refused = f"the master's load needs --adapter {plan.adapter}, this worker has {self._adapter}"
            (self._folder / REFUSED).write_text(refused, encoding="utf-8")
            self._runner.quit()
            return
        worker = msg.data["worker"]
        own = own_folder(self._folder, worker)
        own.mkdir()
        clocks = RecordFile(own / f"{CLOCKS.name}-w{worker}.bin", CLOCKS, unbuffered=True)
        self._desk = _Desk(msgspec.structs.replace(plan, record_dir=str(own)), own, Outbox(own), clocks)
        gevent.spawn(self._follow_clock)

    def _follow_clock(self) -> None:
        while not self._over.is_set():
            self._runner.send_message(PING, {"asked_ns": time.monotonic_ns()})
            gevent.sleep(QUICK_S if len(self._trips_ns) < CLOCK_PINGS else PING_S)

    def _pong(self, msg: Message, **_: Any) -> None:
        now_ns, asked_ns = time.monotonic_ns(), msg.data["asked_ns"]
        trip_ns, ahead_ns = now_ns - asked_ns, msg.data["master_ns"] - (asked_ns + now_ns) // 2
        if self._over.is_set() or self._desk is None:
            return
        self._desk.clocks.append(now_ns, ahead_ns, trip_ns)
        if len(self._trips_ns) >= CLOCK_PINGS:
            return
        self._trips_ns.append(trip_ns)
        if trip_ns == min(self._trips_ns):
            self._ahead_ns = ahead_ns
        if len(self._trips_ns) == CLOCK_PINGS:
            self._runner.send_message(READY)

    def _start(self, msg: Message, **_: Any) -> None:
        if self._desk is None or self._begun.is_set():
            return
        self._desk.plan.announce_start(msg.data["start_ns"] - self._ahead_ns)
        kinds = wanted_kinds(self._runner.environment)
        self._crowd = Crowd(self._desk.plan, self._runner.worker_index, HubReactor(), kinds, self._claim)
        gevent.spawn(self._crowd.watch)
        gevent.spawn(self._send_records, self._desk)
        self._begun.set()

    def _claim(self) -> int:
        """Return a place in the order of arrival. Those who ask while an answer is under way are asked for together."""
        place: AsyncResult[int] = AsyncResult()
        self._asking.append(place)
        self._ask()
        return int(place.get())

    def _ask(self) -> None:
        if self._asking and not self._asked:
            self._asked = len(self._asking)
            self._runner.send_message(CLAIM, {"people": self._asked})

    def _claimed(self, msg: Message, **_: Any) -> None:
        for place in msg.data["places"]:
            self._asking.popleft().set(place)
        self._asked = 0
        self._ask()

    def _send_records(self, desk: _Desk) -> None:
        """Send what grows until the load is over, then the rest, and last how much there was; then forget it here."""
        while not self._over.is_set():
            self._send_some(desk.outbox)
            self._over.wait(ROUND_S)
        while not desk.outbox.is_empty():
            self._send_some(desk.outbox)
        desk.outbox.seal(self._runner.worker_index)
        self._send_some(desk.outbox)
        shutil.rmtree(desk.folder)

    def _send_some(self, outbox: Outbox) -> None:
        for piece in outbox.pieces():
            self._acknowledged.clear()
            self._runner.send_message(RECORDS, piece._asdict())
            while not self._acknowledged.wait(PIECE_S_MAX):
                self._runner.send_message(RECORDS, piece._asdict())

    def _received(self, msg: Message, **_: Any) -> None:
        if self._desk is not None:
            self._desk.outbox.received(**msg.data)
        self._acknowledged.set()

    def _finish(self, **_: Any) -> None:
        if self._runner.user_count:
            self._runner.stop()
        self.close()
