"""What the users of one load worker share: the plan, the clocks, the recorder, and the queue of people."""

import resource
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final

from loadtest.adapters.base import Target
from loadtest.adapters.loading import load_adapter
from loadtest.clock import HostClock, ServerClock
from loadtest.plan import LoadPlan
from loadtest.pushed import NewsRows
from loadtest.recorder import Recorder
from loadtest.users.adversary import AdversaryScript
from loadtest.users.bettor import PlayerScript
from loadtest.users.browser import BrowserScript
from loadtest.users.player import Player
from loadtest.users.reactor import Reactor
from loadtest.users.screening import Watching
from loadtest.users.viewer import Viewer
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.records import FetchKind, OpKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim import kernels
from sim.arrivals import PlanRules, planned_bets
from sim.scenario import Arrival, Kind, Scenario, people

SCRIPTS: Final[dict[Kind, type[PlayerScript]]] = {
    Kind.BETTOR: PlayerScript,
    Kind.HIGH_ROLLER: PlayerScript,
    Kind.LOBBY_BROWSER: BrowserScript,
    Kind.ADVERSARY: AdversaryScript,
}
"""What everybody does who does not only watch."""

COMPILED: Final = PlanRules(kernels.bets_count, kernels.planned_bet)
"""A whole table plans its next round in the same instant: compiled, that takes a twentieth of the time."""

KindReport = Callable[[Kind, OpKind | FetchKind, float, str], None]
"""Told of each operation's and fetch's end: whose, what, milliseconds, and what went wrong or an empty text."""

planned_bets(Scenario(), 1, 1, rules=COMPILED)  # the machine code is there before a load begins

LAG_PROBE_NS = 10 * NS_PER_MS
HEALTH_NS = NS_PER_S


class Crowd:
    """One worker's share of the people.

    Parameters
    ----------
    plan : LoadPlan
        What the conductor ordered.
    worker : int
        The worker's number.
    reactor : Reactor
        Serves players' connections.
    kinds : collection of Kind
        Whom to play; nobody else comes.
    claim : callable
        Returns a place in the order of arrival that no other worker has.
    """

    def __init__(
        self, plan: LoadPlan, worker: int, reactor: Reactor, kinds: Collection[Kind], claim: Callable[[], int]
    ) -> None:
        start_ns = plan.start_ns()
        if start_ns is None:
            raise OperationalError(f"worker {worker}: the load's start is not announced")
        self.playing = 0
        self.reactor = reactor
        self._closed = False
        self._plan = plan
        self._start_ns = start_ns
        self._arrivals = [arrival for arrival in people(plan.scenario) if arrival.kind in kinds]
        firsts: dict[int, int] = {}
        for arrival in self._arrivals:
            if arrival.kind is Kind.VIEWER:
                firsts.setdefault(arrival.table, arrival.player)
        self._keep_clips = set(firsts.values())
        self._clock = HostClock()
        self._server_clock = ServerClock()
        self._adapter = load_adapter(plan.adapter)(Target(plan.api_url), self._clock)
        self._recorder = Recorder(Path(plan.record_dir), worker)
        self._claim = claim
        self._news_rows = NewsRows()

    def next_person(self, report: KindReport) -> Player | Viewer | None:
        """Return the next person whom nobody plays yet, or None."""
        place = self._claim()
        if place >= len(self._arrivals):
            return None
        arrival = self._arrivals[place]
        arrives_ns = self._start_ns + round(arrival.at_s * NS_PER_S)
        if arrival.kind is Kind.VIEWER:
            return self._viewer(arrival, arrives_ns, report)
        return self._player(arrival, arrives_ns, report)

    def _player(self, arrival: Arrival, arrives_ns: int, report: KindReport) -> Player:
        plan = self._plan
        load_end_ns = plan.end_ns(self._start_ns)
        script = SCRIPTS[arrival.kind](
            arrival, plan.scenario, plan.nonce, self._server_clock, load_end_ns, plan.answers_s_max, plan.round_s_max,
            COMPILED,
        )  # fmt: skip
        leaves_ns = load_end_ns + round(plan.answers_s_max * NS_PER_S)
        told = partial(report, arrival.kind)
        return Player(script, self._adapter, self._recorder, arrives_ns, leaves_ns, told, self.reactor, self._news_rows)

    def _viewer(self, arrival: Arrival, arrives_ns: int, report: KindReport) -> Viewer:
        watching = Watching(
            arrival, self._plan.scenario.viewing, self._recorder, self._clock, self._plan.end_ns(self._start_ns),
            partial(report, arrival.kind), keeps_clips=arrival.player in self._keep_clips,
        )  # fmt: skip
        return Viewer(watching, self._adapter, arrives_ns)

    def watch(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Record the worker's health until it closes: a 10 ms timer shows how late it runs what is due."""
        lag_ns_max = 0
        health_ns = time.monotonic_ns() + HEALTH_NS
        while not self._closed:
            due_ns = time.monotonic_ns() + LAG_PROBE_NS
            sleep(LAG_PROBE_NS / NS_PER_S)
            now_ns = time.monotonic_ns()
            lag_ns_max = max(lag_ns_max, now_ns - due_ns)
            if now_ns >= health_ns and not self._closed:
                usage = resource.getrusage(resource.RUSAGE_SELF)
                cpu_ns = round((usage.ru_utime + usage.ru_stime) * NS_PER_S)
                offset_ns = self._server_clock.ahead_of(time.time_ns(), now_ns) if self._server_clock.known else 0
                error_ns = self._server_clock.error_ns
                self._recorder.health(now_ns, self.playing, lag_ns_max, cpu_ns, offset_ns, error_ns)
                self._clock.sample()
                lag_ns_max, health_ns = 0, max(health_ns + HEALTH_NS, now_ns)

    def close(self) -> None:
        """Write what is buffered and close the files."""
        self._closed = True
        self._recorder.close()
