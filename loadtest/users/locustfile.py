"""Locust's entry: ``locust -f locustfile.py`` with the load plan named by the environment.

Locust starts and counts users, shows them and writes its statistics. When a bet is due, what is recorded and when a
user leaves is decided elsewhere; response times count from the intended start.
"""

import contextlib
import gc
import os
from typing import Any

import gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtest.plan import load_plan
from loadtest.shapes import ArrivalShape
from loadtest.users.crowd import Crowd
from loadtest.users.hub import HubReactor
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.records import FetchKind, OpKind

_REQUEST_TYPE = {OpKind.BET: "WS", OpKind.LOGIN: "POST", OpKind.CONNECT: "WS"}

_NICENESS = -10
GC_OBJECTS = 50_000
"""Objects between two collections: a full one over thousands of players delays whoever is due."""

_state: dict[str, Crowd] = {}


class Arrivals(ArrivalShape):
    """The plan's arrivals."""

    plan = load_plan()


class PersonUser(User):
    """One player or viewer, from arrival to leaving."""

    wait_time = constant(0)

    @task
    def live(self) -> None:
        """Play one person's whole life."""
        crowd = _crowd(self.environment)
        person = crowd.next_person(self._report, self._report_fetch)
        if person is not None:
            crowd.playing += 1
            try:
                person.run()
            finally:
                crowd.playing -= 1
        raise StopUser

    def _report(self, kind: OpKind, response_ms: float, problem: str) -> None:
        self._fire(_REQUEST_TYPE[kind], kind.name.lower(), response_ms, problem)

    def _report_fetch(self, kind: FetchKind, response_ms: float, problem: str) -> None:
        self._fire("GET", kind.name.lower(), response_ms, problem)

    def _fire(self, request_type: str, name: str, response_ms: float, problem: str) -> None:
        self.environment.events.request.fire(
            request_type=request_type,
            name=name,
            response_time=response_ms,
            response_length=0,
            exception=OperationalError(problem) if problem else None,
            context={},
        )


def _crowd(environment: Environment) -> Crowd:
    if "crowd" not in _state:
        runner = environment.runner
        crowd = Crowd(load_plan(), runner.worker_index if isinstance(runner, WorkerRunner) else 0, HubReactor())
        _state["crowd"] = crowd
        gevent.spawn(crowd.watch)
    return _state["crowd"]


def _keep_time() -> None:
    """Run before the system under test where the two share a machine: a late generator measures itself."""
    with contextlib.suppress(PermissionError):  # the lag is recorded, and judged, either way
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    gc.freeze()  # what is loaded by now stays: collections need not look at it
    gc.set_threshold(GC_OBJECTS, 20, 100)


def _open(environment: Environment, **_: Any) -> None:
    _keep_time()
    if not isinstance(environment.runner, MasterRunner):
        _crowd(environment)


def _close(**_: Any) -> None:
    if crowd := _state.pop("crowd", None):
        crowd.close()


events.test_start.add_listener(_open)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_close)  # type: ignore[no-untyped-call]
