"""Locust's entry: ``locust -f locustfile.py`` with the load plan named by the environment.

It serves a load from one machine, whose workers share the folder of records, and the master of a load from several.
"""

from pathlib import Path
from typing import Any

import gevent
from locust import events, stats
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtest.claims import SharedClaims
from loadtest.histogram import install
from loadtest.plan import load_plan
from loadtest.shapes import ArrivalShape, wanted_kinds
from loadtest.users.crowd import Crowd
from loadtest.users.hub import HubReactor
from loadtest.users.master import Master
from loadtest.users.persons import PersonUser, people_from
from loadtest.users.punctuality import keep_time

__all__ = ["Arrivals", "PersonUser"]

_crowds: list[Crowd] = []


class Arrivals(ArrivalShape):
    """The plan's arrivals."""

    plan = load_plan()


def _set_up(environment: Environment, **_: Any) -> None:
    shape = environment.shape_class
    if isinstance(environment.runner, MasterRunner) and isinstance(shape, Arrivals) and shape.plan.workers_elsewhere:
        shape.company = Master(environment.runner, shape.plan)
    people_from(lambda: _crowd(environment))


def _crowd(environment: Environment) -> Crowd:
    if not _crowds:
        runner, plan = environment.runner, load_plan()
        worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        claim = SharedClaims(Path(plan.record_dir))
        _crowds.append(Crowd(plan, worker, HubReactor(), wanted_kinds(environment), claim))
        gevent.spawn(_crowds[0].watch)
    return _crowds[0]


def _open(environment: Environment, **_: Any) -> None:
    keep_time()
    if not isinstance(environment.runner, MasterRunner):
        _crowd(environment)


def _close(**_: Any) -> None:
    while _crowds:
        _crowds.pop().close()


install(stats)
events.init.add_listener(_set_up)  # type: ignore[no-untyped-call]
events.test_start.add_listener(_open)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_close)  # type: ignore[no-untyped-call]
