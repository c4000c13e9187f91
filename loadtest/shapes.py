"""The load's shape, as Locust draws it: users are spawned a little before they arrive, and leave by themselves."""

import time
from typing import Protocol

from locust import LoadTestShape
from locust.env import Environment

from loadtest.plan import SPAWN_LEAD_S, LoadPlan
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Kind, people


def wanted_kinds(environment: Environment) -> frozenset[Kind]:
    """Return the kinds of users that ``--tags`` and ``--exclude-tags`` leave: each is the tag of a task."""
    tasks = [task for user in environment.user_classes for task in user.tasks]
    return frozenset(Kind(kind) for task in tasks for kind in getattr(task, "locust_tag_set", ()))


class Company(Protocol):
    """The workers of other machines."""

    def gather(self) -> None:
        """Wait until they are ready to begin."""

    def begin(self, start_ns: int) -> None:
        """Tell them the load's zero."""

    def dismissed(self) -> bool:
        """Have them deliver their records; tell whether that is over."""


class Nobody:
    """No workers but those of this machine, who see for themselves."""

    def gather(self) -> None:
        """Wait for nobody."""

    def begin(self, start_ns: int) -> None:
        """Tell nobody."""

    def dismissed(self) -> bool:
        """Tell that nothing is to come."""
        return True


class ArrivalShape(LoadTestShape):
    """Follows the scenario's arrivals and ends when the last of them has left.

    Locust adjusts the number of users once a second; the exact instant of an arrival is kept by the user, who waits
    for it. Nobody is stopped from outside before the drain's bound, so no operation is cut off.
    """

    abstract = True
    plan: LoadPlan

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._people = people(self.plan.scenario)
        self._wanted = 1
        self.company: Company = Nobody()

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there should be, or None at the end."""
        start_ns = self.plan.start_ns()
        if start_ns is None:
            self.company.gather()
            start_ns = time.monotonic_ns() + round(SPAWN_LEAD_S * NS_PER_S)
            self.plan.announce_start(start_ns)
            self.company.begin(start_ns)
        now_s = (time.monotonic_ns() - start_ns) / NS_PER_S
        load_s = self.plan.scenario.load_s
        everybody_left = now_s > load_s + 1.0 and (self.runner is None or self.runner.user_count == 0)
        if everybody_left or now_s > load_s + self.plan.drain_s_max:
            return None if self.company.dismissed() else (self._wanted, float(self._wanted))
        kinds = frozenset(Kind) if self.runner is None else wanted_kinds(self.runner.environment)
        wanted = sum(person.at_s <= now_s + SPAWN_LEAD_S for person in self._people if person.kind in kinds)
        self._wanted = max(wanted, 1)
        return self._wanted, float(self._wanted)
