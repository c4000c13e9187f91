"""The master of a load from several machines, within Locust's own (see :mod:`loadtest.machines`)."""

import itertools
import logging
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner

from loadtest.machines import (
    CLAIM,
    CLAIMED,
    CLOCK_S_MAX,
    DELIVERY_S_MAX,
    FINISH,
    HELLO,
    PING,
    PLAN,
    PONG,
    READY,
    RECEIVED,
    RECORDS,
    START,
    Inbox,
    Piece,
)
from loadtest.plan import LoadPlan
from reference_impl.domain.errors import RemoteProtocolError

POLL_S = 0.05
_log = logging.getLogger(__name__)


class Master:
    """What workers of other machines ask for, and where their records come in.

    Parameters
    ----------
    runner : MasterRunner
        Locust's own.
    plan : LoadPlan
        The load.
    """

    def __init__(self, runner: MasterRunner, plan: LoadPlan) -> None:
        self._runner = runner
        self._plan = plan
        self._inbox = Inbox(Path(plan.record_dir))
        self._places = itertools.count()
        self._ready: set[str] = set()
        self._start_ns: int | None = None
        self._finish_by_s: float | None = None
        answers = {
            HELLO: self._hello,
            PING: self._ping,
            READY: self._note_ready,
            CLAIM: self._claim,
            RECORDS: self._take,
        }
        for kind, answer in answers.items():
            runner.register_message(kind, answer)

    def gather(self) -> None:
        """Wait until every worker knows how far its clock is from this one."""
        deadline_s = time.monotonic() + CLOCK_S_MAX
        while not self._ready.issuperset(self._runner.clients) and time.monotonic() < deadline_s:
            gevent.sleep(POLL_S)

    def begin(self, start_ns: int) -> None:
        """Tell all workers the load's zero, CLOCK_MONOTONIC ns of this host."""
        self._start_ns = start_ns
        for client in self._ready:
            self._tell(client, START, {"start_ns": start_ns})

    def dismissed(self) -> bool:
        """Ask, at first, all workers for the rest of their records; tell whether those came or are given up."""
        if self._finish_by_s is None:
            self._finish_by_s = time.monotonic() + DELIVERY_S_MAX
            for client in list(self._runner.clients):
                self._tell(client, FINISH, None)
        present = [node.id for node in self._runner.clients.values() if node.state != STATE_MISSING]
        awaited = map(self._number, present)
        return time.monotonic() > self._finish_by_s or all(map(self._inbox.is_complete, awaited))

    def _number(self, client: str) -> int:
        return int(self._runner.get_worker_index(client))  # type: ignore[no-untyped-call]

    def _tell(self, client: str, kind: str, data: Any) -> None:
        self._runner.send_message(kind, data, client)

    def _hello(self, msg: Message, **_: Any) -> None:
        plan = msgspec.structs.replace(self._plan, record_dir="")
        self._tell(msg.node_id, PLAN, {"plan": msgspec.json.encode(plan), "worker": self._number(msg.node_id)})

    def _ping(self, msg: Message, **_: Any) -> None:
        self._tell(msg.node_id, PONG, {**msg.data, "master_ns": time.monotonic_ns()})

    def _note_ready(self, msg: Message, **_: Any) -> None:
        self._ready.add(msg.node_id)
        if self._start_ns is not None:  # it came late
            self._tell(msg.node_id, START, {"start_ns": self._start_ns})

    def _claim(self, msg: Message, **_: Any) -> None:
        places = list(itertools.islice(self._places, msg.data["people"]))
        self._tell(msg.node_id, CLAIMED, {"places": places})

    def _take(self, msg: Message, **_: Any) -> None:
        piece = Piece(**msg.data)
        try:
            size_bytes = self._inbox.take(piece)
        except RemoteProtocolError:
            _log.exception("records of %s are refused", msg.node_id)
            return
        self._tell(msg.node_id, RECEIVED, {"name": piece.name, "size_bytes": size_bytes})
