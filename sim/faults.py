"""Faults in simulated time: what a scenario breaks, who suffers, and when it is back.

What the model does not have cannot be broken: such faults are left out, and named by :func:`not_modelled`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import simpy

from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.draws import Draws
from sim.fault_kinds import Fault, FaultKind
from sim.observations import Observations
from sim.random_streams import Stream
from sim.scenario import Pace, Scenario, StormKind, other_arrivals
from sim.server import after

ASK_AGAIN_NS = 100 * NS_PER_MS
"""How long a fault that is aimed at a cut-off waits before it looks again for one."""


MODELLED_KINDS = frozenset({FaultKind.KILL, FaultKind.RESTART})
"""A process ends and comes back; what else is done to it, the model does not have."""


class Victim(NamedTuple):
    """How a process dies and how it comes back."""

    kill: Callable[[], None]
    restart: Callable[[], None]


def modelled(scenario: Scenario) -> frozenset[str]:
    """Return the names of the processes that a simulated scenario can break."""
    return frozenset({"postgres"} | {f"wallet-{n}" for n in range(scenario.shards)}
                     | {f"gateway-{n}" for n in range(scenario.gateways)}) | streaming(scenario)  # fmt: skip


def streaming(scenario: Scenario) -> frozenset[str]:
    """Return the names of a scenario's streaming processes."""
    if not scenario.edges:
        return frozenset()
    studios = {f"studio-{table}" for table in range(1, scenario.tables + 1)}
    return frozenset({"origin"} | studios | {f"edge-{n}" for n in range(scenario.edges)})


def not_modelled(scenario: Scenario) -> list[str]:
    """Return what a scenario asks for and the model does not have, for people."""
    known = modelled(scenario)
    policies = {timing.close_policy for timing in (scenario.timing, *scenario.timings)} - {ClosePolicy.SERVER}
    links = [f"round trips under close policy {policy}" for policy in sorted(policies)]
    faults = [str(f) for f in scenario.faults if f.target not in known or f.kind not in MODELLED_KINDS]
    absent = Counter(arrival.kind for arrival in other_arrivals(scenario))
    crowds = [f"{count} of kind {kind}" for kind, count in absent.items()]
    storms = [f"{s.kind} at {s.at_s:g} s" for s in scenario.storms if s.kind is StormKind.EXIT_TO_LOBBY]
    styles = [scenario.betting, *(crowd.betting for crowd in scenario.crowds if crowd.betting)]
    closed = ["a closed pace of betting"] if any(style.pace is Pace.CLOSED for style in styles) else []
    return faults + crowds + storms + closed + links


class Faults:
    """Carries out a scenario's faults.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    draws : Draws
        Times of detection and restart.
    victims : mapping
        The simulated processes behind each name that can be broken.
    apart : set of str
        Names whose times are drawn apart from the others': breaking one of them leaves the others' draws alone.
    cut_offs : callable
        Returns the cut-offs that the tables announced last.
    seen : Observations
        Where faults are noted.
    """

    def __init__(
        self,
        env: simpy.Environment,
        draws: Draws,
        victims: Mapping[str, Sequence[Victim]],
        apart: frozenset[str],
        cut_offs: Callable[[], list[int]],
        seen: Observations,
    ) -> None:
        self._env = env
        self._draws = draws
        self._victims = victims
        self._apart = apart
        self._cut_offs = cut_offs
        self._seen = seen
        self._struck: Counter[Stream] = Counter()

    def plan(self, faults: Iterable[Fault], load_start_ns: int) -> None:
        """Schedule the faults of processes that the model has."""
        for fault in faults:
            if fault.target in self._victims and fault.kind in MODELLED_KINDS:
                at_ns = load_start_ns + round(fault.at_s * NS_PER_S)
                after(self._env, at_ns - int(self._env.now), self._aim, fault)

    def _aim(self, fault: Fault) -> None:
        """Strike now, or at the fault's distance from the next cut-off, as soon as one is announced."""
        now_ns = int(self._env.now)
        after_ms = fault.after_cut_off_ms
        moments = [closes_ns + (after_ms or 0) * NS_PER_MS for closes_ns in self._cut_offs()]
        coming = [moment_ns for moment_ns in moments if moment_ns > now_ns]
        if after_ms is None:
            self._strike(fault)
        elif coming:
            after(self._env, min(coming) - now_ns, self._strike, fault)
        else:
            after(self._env, ASK_AGAIN_NS, self._aim, fault)

    def _strike(self, fault: Fault) -> None:
        now_ns, model = int(self._env.now), self._draws.model
        apart = fault.target in self._apart
        stream = Stream.VIDEO_RESTART if apart else Stream.RESTART
        detect_ns, restart_ns = (
            (model.video.detect_ns, model.video.restart_ns) if apart else (model.detect_ns, model.restart_ns)
        )
        who = self._struck[stream]
        self._struck[stream] += 1
        detected_ns = now_ns + self._draws.ns(detect_ns, stream, who, 0)
        recovered_ns = max(detected_ns, now_ns + self._draws.ns(restart_ns, stream, who, 1))
        self._seen.faults.append(
            {"t_ns": now_ns, "kind": str(fault.kind), "target": fault.target, "detected_ns": detected_ns,
             "recovered_ns": recovered_ns}
        )  # fmt: skip
        for victim in self._victims[fault.target]:
            victim.kill()
            after(self._env, recovered_ns - now_ns, victim.restart)
