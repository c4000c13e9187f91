"""Locust's entry: ``locust -f locustfile.py`` with the load plan named by the environment.

Locust starts and counts users, shows them and writes its statistics. When a bet is due, what is recorded and when a
user leaves is decided elsewhere; response times count from the intended start.

Every kind of user is a tag, so ``--tags viewer`` lets only viewers come, and the first word of what they do in Locust's
statistics: ``high-roller bet``, ``viewer part``.
"""

from collections.abc import Callable
from typing import Any

import gevent
from locust import User, constant, events, stats, tag
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtest.histogram import install
from loadtest.plan import load_plan
from loadtest.shapes import ArrivalShape, wanted_kinds
from loadtest.users.crowd import Crowd
from loadtest.users.hub import HubReactor
from loadtest.users.punctuality import keep_time
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.records import FetchKind, OpKind
from sim.scenario import Kind

_REQUEST_TYPE = {OpKind.BET: "WS", OpKind.LOGIN: "POST", OpKind.CONNECT: "WS"}  # whatever else happens is a GET

_state: dict[str, Crowd] = {}


class Arrivals(ArrivalShape):
    """The plan's arrivals."""

    plan = load_plan()


class PersonUser(User):
    """One person, from arrival to leaving. Whom tags leave out does not come."""

    wait_time = constant(0)

    def live(self) -> None:
        """Play one person's whole life."""
        crowd = _crowd(self.environment)
        person = crowd.next_person(self._report)
        if person is not None:
            crowd.playing += 1
            try:
                person.run()
            finally:
                crowd.playing -= 1
        raise StopUser

    def _report(self, user: Kind, kind: OpKind | FetchKind, response_ms: float, problem: str) -> None:
        self.environment.events.request.fire(
            request_type=_REQUEST_TYPE.get(kind, "GET") if isinstance(kind, OpKind) else "GET",
            name=f"{user} {kind.name.lower()}",
            response_time=response_ms,
            response_length=0,
            exception=OperationalError(problem) if problem else None,
            context={},
        )


def _task_of(kind: Kind) -> Callable[[PersonUser], None]:
    @tag(str(kind))
    def live(user: PersonUser) -> None:
        user.live()

    return live


PersonUser.tasks = [_task_of(kind) for kind in Kind]


def _crowd(environment: Environment) -> Crowd:
    if "crowd" not in _state:
        runner = environment.runner
        worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        crowd = Crowd(load_plan(), worker, HubReactor(), wanted_kinds(environment))
        _state["crowd"] = crowd
        gevent.spawn(crowd.watch)
    return _state["crowd"]


def _open(environment: Environment, **_: Any) -> None:
    keep_time()
    if not isinstance(environment.runner, MasterRunner):
        _crowd(environment)


def _close(**_: Any) -> None:
    if crowd := _state.pop("crowd", None):
        crowd.close()


install(stats)
events.test_start.add_listener(_open)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_close)  # type: ignore[no-untyped-call]
