"""A link that all its transfers share equally: processor sharing, with whatever is not yet through as its backlog.

Theory: let every transfer under way have had the same attained service since time began, the *virtual* time. It runs at
1/n of the real one while n transfers share the link, and a transfer ends when the virtual time has grown by what the
transfer would keep the link alone. So one heap of virtual ends says who is next, however many come and go meanwhile.

References
----------
Kleinrock, "Time-shared systems: a theoretical treatment", J. ACM 14 (1967): in an M/G/1 queue with processor sharing
the mean sojourn is E[S] / (1 - rho), whatever the distribution.
"""

import heapq
import math
from collections.abc import Callable

import simpy

from sim.laws import Books
from sim.server import after


class Link:
    """One link.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time, integer ns.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._virtual_ns = 0.0
        self._since_ns = 0
        self._order = 0
        self._plan = 0
        self._ends: list[tuple[float, int, int, Callable[[], None]]] = []
        self._inside_ns = 0
        self._stays_ns = 0

    @property
    def transfers(self) -> int:
        """Transfers under way."""
        return len(self._ends)

    def books(self, name: str) -> Books:
        """Return what the laws are checked by."""
        self._advance()
        return Books(name, inside=self._inside_ns, stays=self._stays_until_now())

    def send(self, alone_ns: int, then: Callable[[], None]) -> None:
        """Begin a transfer that would keep the link for `alone_ns` by itself; call `then` at its end."""
        self._advance()
        self._order += 1
        heapq.heappush(self._ends, (self._virtual_ns + alone_ns, self._order, self._since_ns, then))
        self._await_next()

    def stop(self) -> None:
        """Break every transfer off: nobody hears of its end."""
        self._advance()
        self._stays_ns = self._stays_until_now()
        self._ends.clear()
        self._plan += 1

    def _stays_until_now(self) -> int:
        return self._stays_ns + sum(int(self._env.now) - from_ns for _, _, from_ns, _ in self._ends)

    def _advance(self) -> None:
        now_ns = int(self._env.now)
        if self._ends:
            self._virtual_ns += (now_ns - self._since_ns) / len(self._ends)
            self._inside_ns += (now_ns - self._since_ns) * len(self._ends)
        self._since_ns = now_ns

    def _await_next(self) -> None:
        self._plan += 1
        if self._ends:
            left_ns = (self._ends[0][0] - self._virtual_ns) * len(self._ends)
            after(self._env, max(0, math.ceil(left_ns)), self._end, self._plan)

    def _end(self, plan: int) -> None:
        if plan != self._plan:
            return
        self._advance()
        self._virtual_ns = max(self._virtual_ns, self._ends[0][0])
        ended = []
        while self._ends and self._ends[0][0] <= self._virtual_ns:
            _, _, from_ns, then = heapq.heappop(self._ends)
            self._stays_ns += self._since_ns - from_ns
            ended.append(then)
        self._await_next()
        for then in ended:
            then()
