"""The cores of a host that all processes share: what wants them, and how hard they are pressed.

The mechanism is a fluid queue. Every bet, call, push and log-in brings CPU work, wherever it is done; the cores serve
what is there, and what they cannot serve is left over. *Pressure* is the work that came in the last moments, what was
left over included, in cores: below the number of cores processes mostly run at once, above it everybody waits. What a
stage takes at a pressure is measured (:mod:`sim.contention`); how pressure comes about in a load that was never
measured follows from that load, and not from its resemblance to one that was.

Two things keep pressure from telling the opposite. *Calls are those that bets ask for*, not those that were made: a
sender makes fewer when they are slow, so that few calls may mean little load, and may mean a host that is pressed. And
*it forgets quickly*: else the moments after a window opens count as calm, for the sake of the pause before them, and
what is slow in heavy loads becomes what light loads look like.

References
----------
D. Anick, D. Mitra, M. M. Sondhi, Stochastic theory of a data-handling system with multiple sources, Bell System
Technical Journal 61 (1982): fluid queues. L. Kleinrock, Time-shared systems: a theoretical treatment, Journal of the
ACM 14 (1967): under processor sharing a job's time grows in proportion to what shares the processor.
"""

import math
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from reference_impl.domain.units import NS_PER_MS, NS_PER_S

MEMORY_NS = 50 * NS_PER_MS
"""Time after which a slice's work weighs 1/e as much in the pressure."""

Whole = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0.0)]


class Work(NamedTuple):
    """What was done since the beginning: bets started, calls of gateways to wallets, frames pushed, log-ins."""

    bets: int = 0
    calls: int = 0
    pushes: int = 0
    logins: int = 0


class Cores(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host's cores and what wants them.

    Parameters
    ----------
    count : int
        Cores.
    bet_ns, call_ns, push_ns, login_ns : int
        CPU time that one of each costs all processes together, the players' included.
    cycle_ns : int
        How long a sender is busy with a call, its rest included; for so long it makes no other.
    base : float
        Cores that the system's own processes take without any load.
    others : tuple of float
        Cores that processes of nobody here take, in successive seconds, over and over.
    bounds : tuple of float
        Pressures, in cores, at which the next level of the host's states begins.
    """

    count: Annotated[int, Meta(ge=1)] = 2
    bet_ns: Whole = 0
    call_ns: Whole = 0
    push_ns: Whole = 0
    login_ns: Whole = 0
    cycle_ns: Whole = 0
    base: Share = 0.0
    others: Annotated[tuple[Share, ...], Meta(min_length=1)] = (0.0,)
    bounds: tuple[Share, ...] = ()

    @property
    def levels(self) -> int:
        """Levels of pressure."""
        return len(self.bounds) + 1

    def cost_ns(self, work: Work, earlier: Work) -> int:
        """Return the CPU time of what was done between two notes."""
        costs = (self.bet_ns, self.call_ns, self.push_ns, self.login_ns)
        return sum(cost * (now - before) for cost, now, before in zip(costs, work, earlier, strict=True))

    def calls_asked(self, bets: float, elapsed_ns: int, senders: int) -> float:
        """Return how many calls bets ask for: each sender's next bet after a cycle begins one."""
        return bets / (1.0 + bets * self.cycle_ns / max(senders * elapsed_ns, 1))


class Pressure:
    """How hard the cores are pressed, slice by slice.

    Parameters
    ----------
    cores : Cores
        The cores.
    slice_ns : int
        Usual length of a slice; work that came in a shorter one is spread over it.
    senders : int
        Senders of all gateways: one for each of them and shard.
    """

    def __init__(self, cores: Cores, slice_ns: int, senders: int = 1) -> None:
        self._cores = cores
        self._slice_ns = slice_ns
        self._senders = senders
        self._done = Work()
        self._then_ns = 0
        self._left_ns = 0.0
        self._mean = cores.base

    def after(self, now_ns: int, done: Work) -> float:
        """Return the pressure now, in cores: that of the time since the last call, and less of what was before.

        Parameters
        ----------
        now_ns : int
            The instant, never earlier than the last one.
        done : Work
            All that was done so far; its calls do not count.
        """
        cores = self._cores
        elapsed_ns = now_ns - self._then_ns
        taken = cores.base + cores.others[now_ns // NS_PER_S % len(cores.others)]
        came_ns = self._left_ns + cores.cost_ns(done._replace(calls=self._done.calls), self._done) + taken * elapsed_ns
        self._left_ns = max(0.0, came_ns - cores.count * elapsed_ns)
        calls = cores.calls_asked(done.bets - self._done.bets, elapsed_ns, self._senders)
        work_ns = came_ns + cores.call_ns * calls
        self._then_ns, self._done = now_ns, done
        keeps = math.exp(-elapsed_ns / MEMORY_NS)
        self._mean = keeps * self._mean + (1.0 - keeps) * work_ns / max(elapsed_ns, self._slice_ns)
        return self._mean

    def level(self, pressure: float) -> int:
        """Return the level of a pressure."""
        return int(np.searchsorted(self._cores.bounds, pressure, "right"))
