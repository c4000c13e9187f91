"""Faults in simulated time: what a scenario breaks, who suffers, and when it is back.

What the model does not have cannot be broken: such faults are left out, and named by :func:`not_modelled`.

What is done to a process comes down to four things in the model:

=================================  ===================================================================================
fault                              in the model
=================================  ===================================================================================
``kill``, ``restart``              it ends, and is back after the fitted time
``failing-fsync``, ``disk-full``   PostgreSQL ends, and cannot live before the fault is undone; then as above
``stop``, ``blackhole``,           it does nothing meanwhile and loses nothing; a partition heals with TCP's next
``partition``                      attempt only (:func:`heals_ns`)
``slow-fsync``, ``latency``        every call of a shard takes so much longer: an fsync, or there and back
=================================  ===================================================================================
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

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


RTO_NS = 200 * NS_PER_MS
"""TCP's first retransmission timeout on a fast link; each further one is twice as long.

References
----------
RFC 6298, section 5.5; Linux, ``include/net/tcp.h``: TCP_RTO_MIN.
"""

_SHARDS: Final = ("postgres", "wallet")
_AWAY: Final = frozenset({FaultKind.STOP, FaultKind.BLACKHOLE, FaultKind.PARTITION})
_SLOW: Final = frozenset({FaultKind.SLOW_FSYNC, FaultKind.LATENCY})
MODELLED: Final[dict[FaultKind, tuple[str, ...]]] = {
    FaultKind.KILL: (), FaultKind.RESTART: (),
    FaultKind.FAILING_FSYNC: ("postgres",), FaultKind.DISK_FULL: ("postgres",),
    FaultKind.STOP: (*_SHARDS, "gateway"), FaultKind.BLACKHOLE: _SHARDS, FaultKind.PARTITION: _SHARDS,
    FaultKind.SLOW_FSYNC: ("postgres",), FaultKind.LATENCY: ("postgres",),
}  # fmt: skip
"""The kinds that the model carries out, and how the names of what they strike begin; empty is whatever it has."""


class Victim(NamedTuple):
    """How a process dies and comes back, stands still for so long, and how much longer its calls take from now on."""

    kill: Callable[[], None]
    restart: Callable[[], None]
    hold: Callable[[int], None] | None = None
    slow: Callable[[int], None] | None = None


def heals_ns(kind: FaultKind, lasts_ns: int) -> int:
    """Return when nothing stands in the way any longer, counted from the strike.

    What was sent while a cable was out is sent again after the retransmission timeout, which doubles each time.
    """
    if kind != FaultKind.PARTITION:
        return lasts_ns
    waited_ns, timeout_ns = RTO_NS, RTO_NS
    while waited_ns < lasts_ns:
        timeout_ns *= 2
        waited_ns += timeout_ns
    return waited_ns


def strikes(kind: str, target: str) -> bool:
    """Tell whether the model knows this kind of fault of such a process."""
    return kind in MODELLED and target.startswith(MODELLED[FaultKind(kind)] or "")


def carried_out(fault: Fault) -> bool:
    """Tell whether the model of single players carries out a fault of a process that it has."""
    return strikes(fault.kind, fault.target)


def carried_out_in_a_crowd(fault: Fault) -> bool:
    """Tell whether a crowd's model does: there shards stand still, but neither gateways, nor do calls take longer."""
    gateway_held = fault.kind in _AWAY and fault.target.startswith("gateway")
    return carried_out(fault) and fault.kind not in _SLOW and not gateway_held


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


def not_modelled(scenario: Scenario, does: Callable[[Fault], bool] = carried_out) -> list[str]:
    """Return what a scenario asks for and the model does not have, for people; `does` tells which faults it can do."""
    known = modelled(scenario)
    policies = {timing.close_policy for timing in (scenario.timing, *scenario.timings)} - {ClosePolicy.SERVER}
    links = [f"round trips under close policy {policy}" for policy in sorted(policies)]
    faults = [str(f) for f in scenario.faults if f.target not in known or not does(f)]
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
    does : callable
        Which faults can be carried out.
    """

    def __init__(
        self,
        env: simpy.Environment,
        draws: Draws,
        victims: Mapping[str, Sequence[Victim]],
        apart: frozenset[str],
        cut_offs: Callable[[], list[int]],
        seen: Observations,
        does: Callable[[Fault], bool] = carried_out,
    ) -> None:
        self._env = env
        self._draws = draws
        self._victims = victims
        self._apart = apart
        self._cut_offs = cut_offs
        self._seen = seen
        self._does = does
        self._struck: Counter[Stream] = Counter()

    def plan(self, faults: Iterable[Fault], load_start_ns: int) -> None:
        """Schedule the faults of processes that the model has."""
        for fault in faults:
            if fault.target in self._victims and self._does(fault):
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
        now_ns, lasts_ns = int(self._env.now), round(fault.for_s * NS_PER_S)
        victims = self._victims[fault.target]
        if fault.kind in _AWAY:
            self._note(fault, now_ns, lasts_ns, 0, now_ns + lasts_ns)
            for victim in victims:
                self._stand_still(victim, heals_ns(fault.kind, lasts_ns))
        elif fault.kind in _SLOW:
            self._note(fault, now_ns, lasts_ns, 0, now_ns + lasts_ns)
            self._slow(victims, _longer_ns(fault))
            after(self._env, lasts_ns, self._slow, victims, 0)
        else:
            self._end(fault, victims, now_ns, lasts_ns)

    def _stand_still(self, victim: Victim, for_ns: int) -> None:
        if victim.hold is not None:
            victim.hold(for_ns)
            return
        victim.kill()  # of a shard: what was under way is done again, and nothing is lost
        after(self._env, for_ns, victim.restart)

    @staticmethod
    def _slow(victims: Sequence[Victim], longer_ns: int) -> None:
        for victim in victims:
            if victim.slow is not None:
                victim.slow(longer_ns)

    def _end(self, fault: Fault, victims: Sequence[Victim], now_ns: int, lasts_ns: int) -> None:
        model = self._draws.model
        apart = fault.target in self._apart
        stream = Stream.VIDEO_RESTART if apart else Stream.RESTART
        detect_ns, restart_ns = (
            (model.video.detect_ns, model.video.restart_ns) if apart else (model.detect_ns, model.restart_ns)
        )
        who = self._struck[stream]
        self._struck[stream] += 1
        detected_ns = now_ns + self._draws.ns(detect_ns, stream, who, 0)
        recovered_ns = max(detected_ns, now_ns + lasts_ns + self._draws.ns(restart_ns, stream, who, 1))
        self._note(fault, now_ns, lasts_ns, detected_ns, recovered_ns)
        for victim in victims:
            victim.kill()
            after(self._env, recovered_ns - now_ns, victim.restart)

    def _note(self, fault: Fault, now_ns: int, lasts_ns: int, detected_ns: int, recovered_ns: int) -> None:
        self._seen.faults.append(
            {"t_ns": now_ns, "ended_ns": now_ns + lasts_ns if lasts_ns else 0, "kind": str(fault.kind),
             "target": fault.target, "detected_ns": detected_ns, "recovered_ns": recovered_ns}
        )  # fmt: skip


def _longer_ns(fault: Fault) -> int:
    """Return by how much a call takes longer: an fsync, or the way there and back, jitter at its mean."""
    if fault.kind == FaultKind.SLOW_FSYNC:
        return fault.latency_ms * NS_PER_MS
    return (2 * fault.latency_ms + fault.jitter_ms) * NS_PER_MS
