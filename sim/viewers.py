"""Viewers in simulated time: they come, log in, are sent to an edge, watch, change the edge if it fails, and leave."""

from collections.abc import Sequence

import simpy

from reference_impl.domain.balancing.policies import policy_of
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.records import Switch
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim import placing
from sim.draws import Draws
from sim.edge import Edge
from sim.observations import Observations, PlacementSeen
from sim.random_streams import Stream
from sim.scenario import Arrival, Choosing, Ladder, Scenario, viewer_arrivals
from sim.screening import EdgeLostError, Screening, Setting, Steps, Watching, bandwidths

RETURN_NS_MAX = 200 * NS_PER_MS
"""A viewer that lost its edge waits up to so long: a dead edge sends all of its viewers off at once."""

NOWHERE_NS = 250 * NS_PER_MS
"""A viewer for whom there is no edge asks again after so long."""


class Viewers:
    """All viewers of a scenario.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    scenario : Scenario
        Who comes when.
    timing : MediaTiming
        How streams are cut.
    draws : Draws
        Delays.
    edges : sequence of Edge
        Where viewers may be sent.
    seen : Observations
        Where fetches and placements are noted.
    load_start_ns : int
        The scenario's zero.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        timing: MediaTiming,
        draws: Draws,
        edges: Sequence[Edge],
        seen: Observations,
        load_start_ns: int,
    ) -> None:
        self.watching = 0
        self._env = env
        self._draws = draws
        self._edges = edges
        self._policy = policy_of(scenario.balancer.edge_policy)
        self._copies = placing.copies_by_table(scenario)
        self._seen = seen
        self._load_start_ns = load_start_ns
        self._leaves_ns = load_start_ns + round(scenario.load_s * NS_PER_S)
        self._arrivals = viewer_arrivals(scenario) if edges else []
        if self._arrivals and scenario.viewing.rule is not Choosing.THROUGHPUT:
            raise ConfigError(
                f"scenario.viewing.rule is {scenario.viewing.rule}: simulated viewers know only throughput"
            )
        if self._arrivals and scenario.ladder is not Ladder.SMALL:
            raise ConfigError(f"scenario.ladder is {scenario.ladder}: simulated studios know only {Ladder.SMALL}")
        self._setting = Setting(
            env, draws, seen, timing, scenario.viewing, bandwidths(draws.model.video.bandwidths_bps)
        )

    def start(self) -> None:
        """Let the viewers come."""
        self.watching = len(self._arrivals)
        for arrival in self._arrivals:
            self._env.process(self._live(arrival))

    def _live(self, arrival: Arrival) -> Steps:
        env, draws, model = self._env, self._draws, self._draws.model
        yield env.timeout(self._load_start_ns + round(arrival.at_s * NS_PER_S) - int(env.now))
        yield env.timeout(draws.ns(model.login_ns, Stream.VIEWER_LOGIN, arrival.player, 0))
        watching = Watching(arrival.player, arrival.table, self._leaves_ns)
        avoid, requests = -1, 0
        while int(env.now) < self._leaves_ns:
            requests += 1
            yield env.timeout(draws.ns(model.video.place_ns, Stream.EDGE_REQUEST, arrival.player, requests))
            edge = self._place(watching, avoid, requests)
            if edge is None:
                yield env.timeout(NOWHERE_NS)
                continue
            try:
                yield from Screening(self._setting, watching, edge).run()
            except EdgeLostError:
                watching.switched, avoid = Switch.EDGE, edge.number
                pause = draws.uniform(Stream.EDGE_RETURN, arrival.player, requests)
                yield env.timeout(round(pause * RETURN_NS_MAX))
        self.watching -= 1

    def _place(self, watching: Watching, avoid: int, k: int) -> Edge | None:
        """Let the policy choose a living edge, as far as the balancer knows; another than the one to avoid."""
        alive = [edge for edge in self._edges if edge.listed]
        if len(alive) > 1:
            alive = [edge for edge in alive if edge.number != avoid]
        if not alive:
            return None
        first = self._draws.uniform(Stream.EDGE_FIRST, watching.number, k)
        second = self._draws.uniform(Stream.EDGE_SECOND, watching.number, k)
        loads, numbers = [float(edge.load) for edge in alive], [edge.number for edge in alive]
        copies = int(self._copies[watching.table])
        chosen = placing.chosen(self._policy, numbers, loads, watching.table, copies, first, second)
        edge = alive[chosen]
        edge.placed_since += 1
        self._seen.placements.append(
            PlacementSeen(int(self._env.now), watching.number, watching.table, "edge", edge.name, edge.number,
                          loads[chosen], len(alive))
        )  # fmt: skip
        return edge
