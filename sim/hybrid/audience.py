"""The video of a crowd: studios and faults in SimPy, viewers in kernels, one call a part.

A part of every table is filmed at the same instants, since the media timeline is the wall clock. Between two of them
edges share nothing, so each is served on its own and in its own order of time. What the model of single viewers has
and this one has not: cut films, broken studios and origins (a scenario's faults in these are named in the Run), and
the requests with which a viewer starts, which come as one delay.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import simpy

from reference_impl.domain.balancing.policies import policy_of
from reference_impl.domain.hls import part_filmed_ns, playlist_age_s_max
from reference_impl.domain.records import CacheState, FetchKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import frame_of
from sim import kernels, placing
from sim.draws import Draws
from sim.faults import Victim
from sim.hybrid import landing, screens, serving
from sim.hybrid.exact import quantiles_ms
from sim.hybrid.handles import made
from sim.hybrid.screens import Hall, HallHandle, empty_hall
from sim.hybrid.sharing import FAR_NS
from sim.kernels import Floats, Int64s
from sim.laws import Books
from sim.random_streams import Stream
from sim.scenario import Scenario, bettors, size_of, viewers
from sim.viewers import RETURN_NS_MAX

START_TRIPS = 2
"""What comes before a viewer asks for the playlist that waits: a multivariant and a media playlist."""

START_REQUESTS = 4
"""With the playlist that waits, and the init section."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What all viewers of a crowd saw.

    Parameters
    ----------
    viewers, parts, stalls, skips, switches_up, switches_down : int
        Viewers, and what they did.
    stalled_share : float
        Share of the watched time that pictures stood still.
    latency_ms : dict
        Quantiles of how far the frame at the playhead lies behind, after each part; exact to 0.8 %.
    latency_mean_ms : float
        Its mean.
    edge_utilisation, edge_bps : list of float
        Share of its core that each edge used, and the bits a second on its link.
    origin_requests, coalesced_share : int, float
        Requests that reached origin or shield, and the share of part requests that waited for one of them.
    """

    viewers: int
    parts: int
    stalls: int
    skips: int
    switches_up: int
    switches_down: int
    stalled_share: float
    latency_ms: dict[str, float]
    latency_mean_ms: float
    edge_utilisation: list[float]
    edge_bps: list[float]
    origin_requests: int
    coalesced_share: float


class Audience:
    """All viewers of a scenario, and what serves them.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    scenario : Scenario
        Who watches, through how many edges.
    draws : Draws
        Times and sizes.
    load_start_ns : int
        The scenario's zero.
    share : float
        Share of the viewers who are followed.
    trace : collection of int
        Viewers who are followed in any case.
    """

    def __init__(
        self, env: simpy.Environment, scenario: Scenario, draws: Draws, load_start_ns: int, share: float, trace: Any
    ) -> None:
        self._env = env
        self._scenario = scenario
        self._draws = draws
        self._video = draws.model.video
        self._timing = self._video.timing
        self._load_start_ns = load_start_ns
        self._leaves_ns = load_start_ns + round(scenario.load_s * NS_PER_S)
        self._published_ns = np.zeros(scenario.tables, dtype=np.int64)
        self._cores_ns = np.zeros(self._video.origins + self._video.shields, dtype=np.int64)
        self._listed = np.zeros((scenario.edges, scenario.tables, 2), dtype=np.int64)
        self._change(empty_hall(scenario, self._video))
        self._coming = self._arrivals(share, trace)
        self._count = len(self._coming)
        self._followed = self._last = 0
        self._watch_ns = int(np.maximum(0, self._leaves_ns - self._coming["asked_ns"]).sum())
        self._way_count: Counter[int] = Counter()

    @property
    def edges(self) -> Any:
        """One record an edge."""
        return self._hall.edges

    def start(self) -> None:
        """Let the films run, if anybody watches."""
        if self._count:
            self._env.process(self._run())

    def forget(self) -> None:
        """Begin the histogram of latencies anew."""
        self._hall.latencies[:] = 0
        self._hall.totals[screens.LATENCY_NS] = 0

    def victims(self) -> dict[str, list[Victim]]:
        """Return what can be broken: edges."""
        return {
            f"edge-{number}": [Victim(partial(self._kill, number), partial(self._restart, number))]
            for number in range(len(self.edges))
        }

    def watched(self) -> Watched:
        """Return what was seen."""
        totals, latencies, now_ns = self._hall.totals, self._hall.latencies, max(int(self._env.now), 1)
        load_s = self._scenario.load_s
        started = max(int(latencies.sum()), 1)
        return Watched(
            viewers=self._count,
            parts=int(totals[screens.PARTS]),
            stalls=int(totals[screens.STALLS]),
            skips=int(totals[screens.SKIPPED]),
            switches_up=int(totals[screens.UP]),
            switches_down=int(totals[screens.DOWN]),
            stalled_share=float(totals[screens.STALL_NS] / max(self._watch_ns, 1)),
            latency_ms=quantiles_ms(latencies),
            latency_mean_ms=float(totals[screens.LATENCY_NS] / started / NS_PER_MS),
            edge_utilisation=(self.edges["busy_ns"] / now_ns).round(4).tolist(),
            edge_bps=(self.edges["bytes"] * 8 / load_s).round().tolist(),
            origin_requests=int(self.edges["misses"].sum()),
            coalesced_share=float(totals[screens.COALESCED] / max(int(totals[screens.PARTS]), 1)),
        )

    def frame(self) -> pd.DataFrame:
        """Return the followed viewers' part fetches as the Run's table; other requests are counted, not listed."""
        rows = self._hall.watched[: self._hall.totals[screens.WATCHED_N]]
        msn, part = np.divmod(rows["number"], self._timing.parts_per_segment)
        part_ns = self._hall.part_ns
        cache = np.where(rows["cache"] == 1, int(CacheState.COALESCED), int(CacheState.HIT))
        return frame_of(
            "video",
            {
                "viewer": rows["viewer"], "table": rows["table"] + 1, "edge": rows["edge"],
                "rendition": rows["rendition"], "kind": np.full(len(rows), int(FetchKind.PART)), "msn": msn,
                "part": part, "bytes": rows["bytes"], "due_ns": rows["due_ns"], "start_ns": rows["due_ns"],
                "first_byte_ns": rows["first_byte_ns"], "end_ns": rows["end_ns"], "status": np.full(len(rows), 200),
                "cache": cache, "media_ns": (rows["number"] + 1) * part_ns - self._timing.frame_ns,
                "buffer_ms": rows["buffer_ns"] // NS_PER_MS, "latency_ms": rows["latency_ns"] // NS_PER_MS,
                "stalled_ms": rows["stall_ns"] // NS_PER_MS, "switched": rows["switched"],
            },
        )  # fmt: skip

    def _arrivals(self, share: float, trace: Any) -> Any:
        groups, first = viewers(self._scenario) if self._scenario.edges else [], 1 + size_of(bettors(self._scenario))
        coming: Any = np.zeros(size_of(groups), dtype=screens.VIEWER)
        who = np.arange(first, first + len(coming), dtype=np.int64)
        seed, model = self._scenario.seed, self._draws.model
        coming["number"] = who
        coming["table"] = np.repeat([group.table - 1 for group in groups], [len(group.at_s) for group in groups])
        at_s = np.concatenate([np.zeros(0), *(group.at_s for group in groups)])
        coming["asked_ns"] = self._load_start_ns + np.rint(at_s * NS_PER_S).astype(np.int64)
        coming["asked_ns"] += self._draws.many_ns(model.login_ns, Stream.VIEWER_LOGIN, who, 0)
        coming["asked_ns"] += self._way_to_edge_ns(who, 0)
        coming["key"] = kernels.pair_keys(seed, int(Stream.WAKE), who)
        coming["followed"] = (kernels.uniforms(seed, int(Stream.FOLLOW), who, 0) < share) | np.isin(who, list(trace))
        coming = coming[np.argsort(coming["asked_ns"], kind="stable")]
        coming["edge"] = self._place(coming["number"].astype(np.int64), coming["table"].astype(np.int64), 0)
        return coming

    def _way_to_edge_ns(self, who: Int64s, k: int) -> Int64s:
        """Return how long viewers need until they ask their `k`-th edge for the playlist that waits."""
        way_ns = self._draws.many_ns(self._video.place_ns, Stream.EDGE_REQUEST, who, 1 + k)
        for i in range(START_TRIPS):
            way_ns += self._draws.many_ns(self._video.trip_ns, Stream.CONNECT, who, START_TRIPS * k + i)
        return way_ns

    def _place(self, who: Int64s, tables: Int64s, k: int) -> Int64s:
        """Send viewers to living edges, one after the other, as the policy chooses."""
        alive = np.flatnonzero(self.edges["up"])
        if not len(alive):
            return np.zeros(len(who), dtype=np.int64)  # they wait at a dead edge until it is back
        firsts, seconds = (self._uniforms(stream, who, k) for stream in (Stream.EDGE_FIRST, Stream.EDGE_SECOND))
        policy = policy_of(self._scenario.balancer.edge_policy)
        orders = placing.orders_of(policy, range(1, self._scenario.tables + 1), alive.tolist())
        copies = placing.copies_by_table(self._scenario)[1:]
        loads = self.edges["viewers"][alive].astype(np.float64)
        chosen = landing.place(loads, policy.code, orders, copies, tables, firsts, seconds)
        self.edges["viewers"][alive] = loads
        whither: Int64s = alive[chosen]
        return whither

    def _uniforms(self, stream: Stream, who: Int64s, k: int) -> Floats:
        drawn: Floats = kernels.uniforms(self._scenario.seed, int(stream), who, k)
        return drawn

    def _run(self) -> Any:
        number, part_ns, frame_ns = 0, self._hall.part_ns, self._timing.frame_ns
        while True:
            msn, part = divmod(number, self._timing.parts_per_segment)
            filmed_ns = part_filmed_ns(msn, part, part_ns, frame_ns, self._timing.parts_per_segment)
            yield self._env.timeout(max(0, filmed_ns - int(self._env.now)))
            if filmed_ns - part_ns >= self._leaves_ns:
                return  # what was asked for before they left is still served
            self._publish(number)
            self._join(number, filmed_ns + part_ns)
            if len(self._hall.viewers):
                last = filmed_ns >= self._leaves_ns
                self._show(number, FAR_NS if last else filmed_ns + part_ns)
            number += 1

    def _join(self, number: int, until_ns: int) -> None:
        """Take in those who come before the next part is filmed."""
        last = int(np.searchsorted(self._coming["asked_ns"], until_ns))
        if not last:
            return
        fresh, self._coming = self._coming[:last].copy(), self._coming[last:].copy()  # the whole is let go
        publish_ns, fetch_ns, wake_ns = (
            table_ns[len(table_ns) // 2]
            for table_ns in (self._video.publish_ns, self._video.fetch_ns, self._video.wake_ns)
        )  # fmt: skip
        keep_s = playlist_age_s_max(self._timing.target_duration_s, blocking=False, ok=True)
        landing.join(
            self._handle, fresh, number, self._published_ns, until_ns + publish_ns, self._listed,
            round(keep_s * NS_PER_S), fetch_ns + wake_ns,
        )  # fmt: skip
        np.add.at(self.edges["requests"], fresh["edge"], START_REQUESTS)
        for name in ("busy_ns", "begun_ns"):
            np.add.at(self.edges[name], fresh["edge"], START_REQUESTS * self._video.edge_request_ns)
        self._regroup(fresh)

    def _regroup(self, fresh: Any) -> None:
        """Keep rows in the order of edge and table, so that a crowd lies together."""
        hall, tables = self._hall, self._scenario.tables
        rows: Any = np.empty(len(hall.viewers) + len(fresh), dtype=screens.VIEWER)
        landing.regroup(hall.viewers, fresh, rows, hall.groups, hall.played)
        most = int((hall.groups[:, -1] - hall.groups[:, 0]).max())
        hall = hall._replace(viewers=rows)
        if len(hall.heap) < 2 * most + 4 * tables + 16:
            room = 4 * most + 8 * tables + 16
            hall = hall._replace(
                heap=np.zeros((room, 3), dtype=np.int64), flows=np.zeros(room, dtype=screens.FLOW),
                line=np.zeros(room, dtype=screens.FLOW),
            )  # fmt: skip
        used = int(hall.totals[screens.KEPT])
        if hall.kept.shape[1] < 2 * len(rows):  # a viewer waits for a part and a playlist at most
            kept: Any = np.zeros((2, 4 * len(rows)), dtype=screens.FLOW)
            kept[:, :used] = hall.kept[:, :used]
            hall = hall._replace(kept=kept)
        hall.kept["row"][:, :used] = 0  # they are to be looked for
        self._followed = int(np.count_nonzero(rows["followed"]))
        self._change(hall)

    def _change(self, hall: Hall) -> None:
        self._hall, self._handle = hall, made(HallHandle, hall)

    def _publish(self, number: int) -> None:
        """Bring one part of every table to the origin; an uplink keeps order."""
        tables = np.arange(1, self._scenario.tables + 1)
        way_ns = self._draws.many_ns(self._video.publish_ns, Stream.PUBLISH, tables, number)
        self._published_ns = np.maximum(self._published_ns, int(self._env.now) + way_ns)

    def _show(self, number: int, until_ns: int) -> None:
        """Bring one part of every table from the origin to everybody."""
        tables, edges = self._scenario.tables, len(self.edges)
        hall = self._hall
        for rendition, table_ns in enumerate(self._video.part_bytes):
            which = np.arange(1, tables + 1) << 8 | rendition
            hall.sizes[:, rendition] = self._draws.many_ns(table_ns, Stream.PART_BYTES, which, number)
        hall.sends_ns[:] = hall.sizes * 8 * NS_PER_S // self._video.edge_link_bps
        who = np.arange(2 * edges * tables, dtype=np.int64)
        ways = self._draws.many_ns(self._video.fetch_ns, Stream.FETCH, who, number).reshape(2, edges, tables) // 2
        objects = np.count_nonzero(hall.played, axis=2)
        landing.land(
            self._handle, self._published_ns, objects, ways, self._video.origins, self._video.shields,
            self._video.origin_request_ns, self._cores_ns,
        )  # fmt: skip
        self._make_room()
        serving.serve_all(self._handle, number, until_ns)
        self._last = number

    def _make_room(self) -> None:
        """Enlarge what is noted until one call cannot run out of rows."""
        hall, followed = self._hall, self._followed
        behind = 4 + hall.hold_ns // hall.part_ns
        rows = hall.watched
        while len(rows) < int(hall.totals[screens.WATCHED_N]) + behind * followed + 16:
            rows = np.concatenate([rows, np.zeros_like(rows)])
        if rows is not hall.watched:
            self._change(hall._replace(watched=rows))

    def _kill(self, number: int) -> None:
        """Let an edge die: its viewers look for another one."""
        edge, now_ns = self.edges[number], int(self._env.now)
        self._stop(edge, now_ns)
        self._hall.unlisted[number] = 0
        for group in (self._hall.viewers, self._coming):
            self._move(group, np.flatnonzero(group["edge"] == number), now_ns)
        if len(self._hall.viewers):
            self._regroup(self._hall.viewers[:0])

    def _stop(self, edge: Any, now_ns: int) -> None:
        """Drop what an edge's core and link have under way."""
        kept = self._hall.kept[self._last & 1][edge["kept"] : edge["kept"] + edge["flows"]]
        edge["inside_ns"] += edge["sharing"] * (now_ns - edge["since_ns"])
        edge["stays_ns"] += int((kept["members"] * (now_ns - kept["at_ns"])).sum())
        edge["busy_ns"] -= max(0, edge["cpu_ns"] - now_ns)
        edge["idle_ns"] += max(0, now_ns - edge["cpu_ns"])
        edge["cpu_ns"] = edge["since_ns"] = now_ns
        edge["up"] = edge["behind"] = edge["viewers"] = edge["sharing"] = edge["flows"] = edge["line"] = 0

    def books(self) -> Iterator[Books]:
        """Return what the laws are checked by: each edge's core and link. What viewers begin with is one delay."""
        now_ns = int(self._env.now)
        for number, edge in enumerate(self.edges):
            cpu_ns, idle_ns = int(edge["cpu_ns"]), int(edge["idle_ns"])
            work_ns = int(edge["busy_ns"] - edge["begun_ns"]) - max(0, cpu_ns - now_ns)
            yield Books(f"edge-{number}", work=work_ns, busy=min(cpu_ns, now_ns) - idle_ns)
            kept = self._hall.kept[self._last & 1][edge["kept"] : edge["kept"] + edge["flows"]]
            until_ns = int(edge["since_ns"])
            stays_ns = int(edge["stays_ns"]) + int((kept["members"] * (until_ns - kept["at_ns"])).sum())
            yield Books(f"edge-{number}'s link", inside=int(edge["inside_ns"]), stays=stays_ns)

    def _move(self, group: Any, rows: Any, now_ns: int) -> None:
        if not len(rows):
            return
        who = group["number"][rows].astype(np.int64)
        self._way_count[0] += 1
        k = self._way_count[0]
        group["edge"][rows] = self._place(who, group["table"][rows].astype(np.int64), k)
        pause_ns = np.rint(self._uniforms(Stream.EDGE_RETURN, who, k) * RETURN_NS_MAX).astype(np.int64)
        again_ns = now_ns + pause_ns + self._way_to_edge_ns(who, k)
        group["asked_ns"][rows] = np.maximum(group["asked_ns"][rows], again_ns)
        group["switched"][rows], group["state"][rows] = 2, screens.ASKING
        np.add.at(self.edges["behind"], group["edge"][rows], 1)

    def _restart(self, number: int) -> None:
        self.edges["up"][number] = 1
