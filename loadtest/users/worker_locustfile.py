"""Locust's entry on a machine that takes part in another's load: ``locust --worker``, told by the environment where."""

import os
from pathlib import Path
from typing import Any

from locust import events, stats
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtest.histogram import install
from loadtest.users.persons import PersonUser, people_from
from loadtest.users.punctuality import keep_time
from loadtest.users.worker import Worker
from loadtest.worker import ADAPTER_VARIABLE, FOLDER_VARIABLE

__all__ = ["PersonUser"]


def _set_up(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        raise TypeError(f"{type(environment.runner).__name__}: this is the entry of --worker")
    worker = Worker(environment.runner, Path(os.environ[FOLDER_VARIABLE]), os.environ[ADAPTER_VARIABLE])
    people_from(worker.crowd)
    events.quitting.add_listener(lambda **_: worker.close())  # type: ignore[no-untyped-call]


def _open(**_: Any) -> None:
    keep_time()


install(stats)
events.init.add_listener(_set_up)  # type: ignore[no-untyped-call]
events.test_start.add_listener(_open)  # type: ignore[no-untyped-call]
