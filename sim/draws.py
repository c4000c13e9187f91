"""Draws of stage times: a model's tables, made ready for the compiled sampler.

A draw is named by its stream, by who draws and by a counter. Nodes count for themselves; a player's counter comes from
the bet that it is for, so that a changed scenario leaves other bets' draws alone.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import simpy

from sim import kernels
from sim.cores import Pressure, Work
from sim.kernels import Floats, Int64s
from sim.parameters import LEVELS, Cycle, Model, Stages, Table
from sim.random_streams import Stream

_LEVELS = np.array(LEVELS)


@cache
def _ready(table_ns: Table) -> Floats:
    return np.array(table_ns if len(table_ns) > 1 else table_ns * len(LEVELS), dtype=np.float64)


class Draws:
    """Random times of one simulation.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time: the host's state changes with it.
    seed : int
        The scenario's seed.
    model : Model
        Where the tables come from.
    work : callable
        Tells what was done so far, on which the pressure of a host with cores depends.
    senders : int
        Senders of all gateways.
    """

    def __init__(
        self, env: simpy.Environment, seed: int, model: Model, work: Callable[[], Work] = Work, senders: int = 1
    ) -> None:
        self.model = model
        self._env = env
        self._seed = seed
        self._work = work
        self._state = 0
        self._kind = 0
        cores = model.host.cores
        self._pressure = Pressure(cores, model.host.slice_ns, senders) if cores else None
        self._next_slice_ns = 0
        self._disturbed_until_ns = -1
        self._counters: dict[tuple[Stream, int], int] = defaultdict(int)

    @property
    def state(self) -> int:
        """The host's state, as of the last time that anybody asked for its stages."""
        return self._state

    @property
    def next_slice_ns(self) -> int:
        """When the host's next slice begins."""
        return self._next_slice_ns

    @property
    def stages(self) -> Stages:
        """Stage times that hold now."""
        host = self.model.host
        while len(host.states) > 1 and self._next_slice_ns <= self._env.now:
            self._change(self._next_slice_ns, disturbed=self._next_slice_ns < self._disturbed_until_ns)
            self._next_slice_ns += host.slice_ns
        return host.states[self._state]

    def disturb(self) -> None:
        """Take note that a window opens: everybody wants a core now."""
        if len(self.model.host.states) > 1:
            _ = self.stages  # the slices before now are undisturbed
            now_ns = int(self._env.now)
            self._disturbed_until_ns = now_ns + self.model.host.disturbance_ns
            self._next_slice_ns = now_ns + self.model.host.slice_ns
            self._change(now_ns, disturbed=True)

    def _change(self, now_ns: int, *, disturbed: bool) -> None:
        host = self.model.host
        row = (host.disturbed if disturbed else host.quiet)[self._kind]
        u = self.uniform(Stream.HOST, 0, self._next(Stream.HOST, 0))
        self._kind = min(int(np.searchsorted(np.cumsum(row), u)), len(row) - 1)
        pressed = self._pressure
        level = pressed.level(pressed.after(now_ns, self._work())) if pressed else 0
        self._state = level * len(row) + self._kind

    def follow(self, over: Callable[[], bool]) -> Any:
        """Let the host's state change when its slices begin, and not when somebody asks; a SimPy process."""
        while not over():
            _ = self.stages
            yield self._env.timeout(max(1, self._next_slice_ns - int(self._env.now)))

    def drawn(self, stream: Stream) -> int:
        """Return how many draws nodes made from a stream."""
        return sum(count for (of, _), count in self._counters.items() if of is stream)

    def uniform(self, stream: Stream, who: int, k: int) -> float:
        """Return a draw from (0, 1)."""
        return float(kernels.uniform(self._seed, int(stream), who, k))

    def ns(self, table_ns: Table, stream: Stream, who: int, k: int) -> int:
        """Return a draw from a table."""
        return int(kernels.table_ns_of(self._seed, int(stream), who, k, _LEVELS, _ready(table_ns)))

    def node_ns(self, table_ns: Table, stream: Stream, node: int) -> int:
        """Return a node's next draw from a table."""
        return self.ns(table_ns, stream, node, self._next(stream, node))

    def many_ns(self, table_ns: Table, stream: Stream, who: Int64s, k: int) -> Int64s:
        """Return one draw for each of `who`."""
        drawn: Int64s = kernels.tables_ns(self._seed, int(stream), who, k, _LEVELS, _ready(table_ns))
        return drawn

    def cycle_ns(self, cycle: Cycle, stream: Stream, node: int, rows: int) -> int:
        """Return how long a node's next call with so many rows takes; at least 1 ns."""
        return max(cycle.alpha_ns + cycle.beta_ns * rows + self.node_ns(cycle.residual_ns, stream, node), 1)

    def _next(self, stream: Stream, node: int) -> int:
        self._counters[stream, node] += 1
        return self._counters[stream, node]
