"""Faults in the system beside us, one at a time: struck by signals, and followed until whoever was struck is ready."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from loadtest.config_faults import parameter_problems, target_problems
from loadtest.faults.doctor import examine
from loadtest.faults.injector import BY_SIGNAL, signalled
from loadtest.faults.strike import Struck, strike
from loadtest.faults.table import known_of
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.config import LAB
from reference_impl.stack.sightings import SeenProcesses
from sim.fault_kinds import KINDS, Fault, FaultKind

KEPT_MAX: Final = 20
AFTER_S: Final = 0.3
"""A fault strikes so long after it was ordered: the order is answered first, though it be by whoever is struck."""
FOR_S_MAX: Final = 60.0
READY_S_MAX: Final = 60.0
"""Whoever is not ready again for so long is given up."""
LOOK_S: Final = 0.05
ELSEWHERE: Final = "a campaign can do it to a system of its own"


class KindSeen(Struct, frozen=True):
    """A kind of fault: what is done, whether it lasts until it is undone, and why it cannot be had, if it cannot."""

    kind: FaultKind
    meaning: str
    lasts: bool
    why_not: str


class FaultSeen(Struct, kw_only=True):
    """A fault that was ordered.

    ``ready_s`` after it struck, the supervisor found the process ready again, or the fault was undone; 0: not yet.
    """

    kind: FaultKind
    target: str
    for_s: float
    at_unix_ns: int
    over: bool = False
    ready_s: float = 0.0
    said: str = ""


class Faults:
    """The faults that can be struck and those that were.

    Parameters
    ----------
    processes : SeenProcesses
        The processes of the system beside us.
    """

    def __init__(self, processes: SeenProcesses) -> None:
        self._processes = processes
        self._kinds: list[KindSeen] = []
        self.struck: deque[FaultSeen] = deque(maxlen=KEPT_MAX)

    @property
    def targets(self) -> list[str]:
        """Whom a fault can strike: everybody but us."""
        return [name for name in self._processes.names if name != LAB]

    async def kinds(self) -> list[KindSeen]:
        """Return every kind of fault, those first that can be had; what this machine can do is tried once."""
        if not self._kinds:
            found = await asyncio.to_thread(examine)
            why_not = {one.kind: ELSEWHERE if one.possible else one.reason for one in found}
            seen = [
                KindSeen(kind, told.meaning, told.lasts, "" if kind in BY_SIGNAL else why_not[kind])
                for kind, told in KINDS.items()
                if kind is not FaultKind.DRAIN  # the control room has it beside each gateway
            ]
            self._kinds = sorted(seen, key=lambda one: bool(one.why_not))
        return self._kinds

    def take(self, kind: str, target: str, for_s: float) -> Fault:
        """Return the fault that is ordered, noted as struck from now on.

        Raises
        ------
        ConfigError
            If there is no such fault or target here.
        OperationalError
            If another one is not over.
        """
        here = [str(one) for one in BY_SIGNAL]
        if kind not in here:
            raise ConfigError(f"kind = '{kind}': cannot be done here, what can is {', '.join(here)}")
        if not 0 <= for_s <= FOR_S_MAX:
            raise ConfigError(f"for_s = {for_s:g}: must lie between 0 and {FOR_S_MAX:g}")
        fault = Fault(kind=FaultKind(kind), target=target, at_s=AFTER_S, for_s=for_s)
        for problem in (*target_problems(fault, self.targets), *parameter_problems(fault)):
            raise ConfigError(problem)
        if self.struck and not (last := self.struck[0]).over:
            raise OperationalError(f"{last.kind} of {last.target} is not over: 1 fault at a time")
        self.struck.appendleft(FaultSeen(kind=fault.kind, target=target, for_s=for_s, at_unix_ns=time.time_ns()))
        return fault

    async def carry_out(self, fault: Fault) -> None:
        """Strike, undo what lasts, and wait until whom it struck is ready again."""
        seen = self.struck[0]
        try:
            said: list[str] = []
            by_signal = partial(signalled, self._processes)
            struck = await strike(by_signal, [fault], time.monotonic_ns(), _never, said.append)
            seen.said = said[0] if said else struck[0].how
            if struck:
                await self._follow(struck[0], seen)
        finally:
            seen.over = True

    async def _follow(self, struck: Struck, seen: FaultSeen) -> None:
        deadline_s = time.monotonic() + READY_S_MAX
        while not (recovered_ns := known_of(struck, self._processes.events)[1]):
            if time.monotonic() > deadline_s:
                seen.said = f"{struck.target} was not ready again within {READY_S_MAX:g} s"
                return
            await asyncio.sleep(LOOK_S)
        seen.ready_s = round((recovered_ns - struck.t_ns) / NS_PER_S, 2)


async def _never() -> Sequence[int]:
    return ()
