"""The streaming half in simulated time: studios, the origin, edges and viewers, wired.

Assumptions
-----------
* The media timeline begins with the simulation; where in a part the load starts is not aligned with a measured Run.
* Streaming and betting share the machine only through the fitted times: neither slows the other down in the model.
* Between faults, what starves the host is drawn by chance: it cuts films (``Video.cut_share``), and nothing else.
* Nobody watches but the headless viewers. Players' requests for placement do not count as load on an edge.

Invariants
----------
* Every draw has a stream of its own, so that viewers and their faults change no bet.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import simpy

from sim.draws import Draws
from sim.edge import REPORT_NS, Edge
from sim.faults import Victim
from sim.laws import Books
from sim.observations import Observations
from sim.origin import Origin
from sim.scenario import Scenario
from sim.studio import Studio
from sim.viewers import Viewers


class Load(NamedTuple):
    """A process's load, as a row of the Run's ``nodes``."""

    node: str
    connections: int
    queue: int
    lag_ns_max: int
    cpu_ns: int
    ops: int
    egress_bytes: int


class VideoSystem:
    """All streaming processes of a scenario, and their viewers; nothing at all without edges.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    scenario : Scenario
        Sizes and viewers.
    draws : Draws
        Times and sizes.
    seen : Observations
        Where fetches and placements are noted.
    load_start_ns : int
        The scenario's zero.
    """

    def __init__(
        self, env: simpy.Environment, scenario: Scenario, draws: Draws, seen: Observations, load_start_ns: int
    ) -> None:
        timing = draws.model.video.timing
        self._env = env
        self._timing = timing
        self._model = draws.model.video
        self._open = bool(scenario.edges)
        self._origin = Origin(env, timing, self._model)
        tables = range(1, scenario.tables + 1) if scenario.edges else ()
        self._studios = [Studio(env, table, timing, draws, self._origin) for table in tables]
        self._edges = [Edge(env, number, draws, self._origin) for number in range(scenario.edges)]
        self._viewers = Viewers(env, scenario, timing, draws, self._edges, seen, load_start_ns)

    def start(self) -> None:
        """Let the viewers come, if there is anything to see."""
        if self._open:
            self._env.process(self._report())
            self._viewers.start()

    def stop(self) -> None:
        """End the films, once the last viewer has left."""
        self._open = False
        self._env.process(self._close())

    def victims(self) -> dict[str, list[Victim]]:
        """Return what can be broken."""
        if not self._open:
            return {}
        return {
            "origin": [Victim(self._kill_origin, self._restart_origin)],
            **{studio.name: [Victim(studio.kill, studio.restart)] for studio in self._studios},
            **{edge.name: [Victim(edge.kill, edge.restart)] for edge in self._edges},
        }

    def books(self) -> Iterator[Books]:
        """Return what the laws are checked by."""
        if self._edges:
            yield self._origin.server.books(self._origin.name)
        for edge in self._edges:
            yield from edge.books()

    def loads(self) -> Iterator[Load]:
        """Return every process's load now."""
        for edge in self._edges:
            yield Load(
                edge.name, edge.connections, edge.fetching, edge.server.take_lag_ns_max(), edge.server.busy_ns,
                edge.requests, edge.egress_bytes,
            )  # fmt: skip
        if self._open:
            origin = self._origin
            yield Load(
                origin.name, len(self._studios) + sum(edge.links for edge in self._edges), origin.waiting,
                origin.server.take_lag_ns_max(), origin.server.busy_ns + origin.parts * self._model.origin_part_ns,
                origin.requests, origin.egress_bytes,
            )  # fmt: skip
        for studio in self._studios:
            frames, cpu_ns = studio.parts * self._timing.part_frames, studio.parts * self._model.studio_part_ns
            yield Load(studio.name, int(studio.connected), studio.waiting, 0, cpu_ns, frames, studio.egress_bytes)

    def _report(self) -> Any:
        while self._open:
            for edge in self._edges:
                edge.report()
            yield self._env.timeout(REPORT_NS)

    def _close(self) -> Any:
        while self._viewers.watching:
            yield self._env.timeout(REPORT_NS)
        for studio in self._studios:
            studio.stop()

    def _kill_origin(self) -> None:
        self._origin.kill()
        for studio in self._studios:
            studio.lose_origin()

    def _restart_origin(self) -> None:
        self._origin.restart()
        for studio in self._studios:
            studio.find_origin()
