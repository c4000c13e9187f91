"""A processor that serves in the order of arrival, and the one way to make something happen later.

Since the server is work-conserving and nothing overtakes, a job's start and end are known when it arrives. So a job
costs no events of its own, and utilisation is exact: the work handed in, less the work not yet done.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import simpy

from sim.laws import Books


def after(env: simpy.Environment, delay_ns: int, then: Callable[..., None], *arguments: Any) -> None:
    """Call ``then(*arguments)`` after a delay; equal instants keep the order in which they were asked for."""
    timeout = env.timeout(delay_ns)
    timeout.callbacks.append(lambda _event: then(*arguments))


class Server:
    """One core.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time, integer ns.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._free_ns = 0
        self._submitted_ns = 0
        self._ends_ns: deque[int] = deque()
        self._lag_ns_max = 0
        self._idle_ns = 0

    def submit(self, service_ns: int) -> tuple[int, int]:
        """Queue a job; return when it starts and when it ends."""
        now_ns = int(self._env.now)
        start_ns = max(now_ns, self._free_ns)
        self._idle_ns += start_ns - self._free_ns
        self._free_ns = start_ns + service_ns
        self._submitted_ns += service_ns
        self._ends_ns.append(self._free_ns)
        self._lag_ns_max = max(self._lag_ns_max, start_ns - now_ns)
        return start_ns, self._free_ns

    @property
    def free_ns(self) -> int:
        """When all that is queued by now is done."""
        return self._free_ns

    @property
    def busy_ns(self) -> int:
        """Work done since the beginning."""
        return self._submitted_ns - max(0, self._free_ns - int(self._env.now))

    @property
    def idle_ns(self) -> int:
        """Time without work since the beginning."""
        return self._idle_ns + max(0, int(self._env.now) - self._free_ns)

    def books(self, name: str) -> Books:
        """Return what the laws are checked by."""
        return Books(name, work=self.busy_ns, busy=int(self._env.now) - self.idle_ns)

    @property
    def jobs(self) -> int:
        """Jobs waiting or in service."""
        while self._ends_ns and self._ends_ns[0] <= self._env.now:
            self._ends_ns.popleft()
        return len(self._ends_ns)

    def take_lag_ns_max(self) -> int:
        """Return the longest wait since the last call."""
        lag_ns, self._lag_ns_max = self._lag_ns_max, 0
        return lag_ns

    def stop(self) -> None:
        """Drop what is waiting or in service: the process died."""
        self._submitted_ns, self._idle_ns = self.busy_ns, self.idle_ns
        self._free_ns = int(self._env.now)
        self._ends_ns.clear()
