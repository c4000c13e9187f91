"""The video of a crowd: studios and faults in SimPy, viewers in kernels, one call a part.

A part of every table is filmed at the same instants, since the media timeline is the wall clock. Between two of them
edges share nothing, so each is served on its own and in its own order of time. What the model of single viewers has
and this one has not: cut films, broken studios and origins (a scenario's faults in these are named in the Run), and
the requests with which a viewer starts, which come as one delay.
"""

from collections import Counter
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import simpy

from reference_impl.domain.hls import part_filmed_ns, playlist_age_s_max
from reference_impl.domain.placement import two_choices
from reference_impl.domain.records import CacheState, FetchKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import frame_of
from sim import random_streams
from sim.draws import Draws
from sim.faults import Victim
from sim.hybrid import viewing
from sim.hybrid.exact import quantiles_ms
from sim.hybrid.layout import HISTOGRAM, table_row
from sim.kernels import Int64s
from sim.parameters import LEVELS
from sim.random_streams import LANE_A, LANE_B, Stream
from sim.scenario import Scenario, viewer_arrivals
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
        self._fixed = self._numbers()
        self._levels = np.array(LEVELS)
        self._tables = np.array([table_row(t) for t in (self._video.trip_ns, self._video.wake_ns, self._video.body_ns)])
        self._bandwidths = np.array(self._video.bandwidths_bps, dtype=np.float64)
        self.edges: Any = np.zeros(scenario.edges, dtype=viewing.EDGE)
        self.edges["up"] = 1
        self._cores_ns = np.zeros(1 + self._video.shields, dtype=np.int64)
        self._totals = np.zeros(viewing.TOTALS, dtype=np.int64)
        self._latencies = np.zeros(HISTOGRAM, dtype=np.int64)
        self._rows: Any = np.zeros(1 << 10, dtype=viewing.WATCHED)
        self._coming = self._arrivals(share, trace)
        self._come = 0
        self._viewers: Any = self._coming[:0].copy()
        self._groups = np.zeros((scenario.edges, scenario.tables + 1), dtype=np.int64)
        self._heap = np.zeros((0, 3), dtype=np.int64)
        self._listed = np.zeros((scenario.edges, scenario.tables, 2), dtype=np.int64)
        self._way_count: Counter[int] = Counter()

    def start(self) -> None:
        """Let the films run, if anybody watches."""
        if len(self._coming):
            self._env.process(self._run())

    def forget(self) -> None:
        """Begin the histogram of latencies anew."""
        self._latencies[:] = 0
        self._totals[viewing.LATENCY_NS] = 0

    def victims(self) -> dict[str, list[Victim]]:
        """Return what can be broken: edges."""
        return {
            f"edge-{number}": [Victim(partial(self._kill, number), partial(self._restart, number))]
            for number in range(len(self.edges))
        }

    def watched(self) -> Watched:
        """Return what was seen."""
        totals, now_ns = self._totals, max(int(self._env.now), 1)
        load_s = self._scenario.load_s
        watch_ns = max(int(np.maximum(0, self._leaves_ns - self._coming["asked_ns"]).sum()), 1)
        started = max(int(self._latencies.sum()), 1)
        return Watched(
            viewers=len(self._coming),
            parts=int(totals[viewing.PARTS]),
            stalls=int(totals[viewing.STALLS]),
            skips=int(totals[viewing.SKIPPED]),
            switches_up=int(totals[viewing.UP]),
            switches_down=int(totals[viewing.DOWN]),
            stalled_share=float(totals[viewing.STALL_NS] / watch_ns),
            latency_ms=quantiles_ms(self._latencies),
            latency_mean_ms=float(totals[viewing.LATENCY_NS] / started / NS_PER_MS),
            edge_utilisation=(self.edges["busy_ns"] / now_ns).round(4).tolist(),
            edge_bps=(self.edges["bytes"] * 8 / load_s).round().tolist(),
            origin_requests=int(self.edges["misses"].sum()),
            coalesced_share=float(totals[viewing.COALESCED] / max(int(totals[viewing.PARTS]), 1)),
        )

    def frame(self) -> pd.DataFrame:
        """Return the followed viewers' part fetches as the Run's table; other requests are counted, not listed."""
        rows = self._rows[: self._totals[viewing.WATCHED_N]]
        msn, part = np.divmod(rows["number"], self._timing.parts_per_segment)
        part_ns = self._fixed[viewing.PART_NS]
        cache = np.where(rows["cache"] == 1, int(CacheState.COALESCED), int(CacheState.HIT))
        return frame_of(
            "video",
            {
                "viewer": rows["viewer"], "table": rows["table"] + 1, "edge": rows["edge"],
                "rendition": rows["rendition"], "kind": np.full(len(rows), int(FetchKind.PART)), "msn": msn,
                "part": part, "bytes": rows["bytes"], "due_ns": rows["due_ns"], "start_ns": rows["due_ns"],
                "first_byte_ns": rows["first_byte_ns"], "end_ns": rows["end_ns"], "status": np.full(len(rows), 200),
                "cache": cache, "media_ns": (rows["number"] + 1) * part_ns - self._fixed[viewing.FRAME_NS],
                "buffer_ms": rows["buffer_ns"] // NS_PER_MS, "latency_ms": rows["latency_ns"] // NS_PER_MS,
                "stalled_ms": rows["stall_ns"] // NS_PER_MS, "switched": rows["switched"],
            },
        )  # fmt: skip

    def _numbers(self) -> Int64s:
        timing, video, viewing_wish = self._timing, self._video, self._scenario.viewing
        hold_back_s = viewing_wish.hold_back_s or timing.part_hold_back_s
        part_ns = timing.part_frames * timing.frame_ns
        return np.array(
            [
                timing.frame_ns, part_ns, timing.parts_per_segment, max(1, timing.gop_frames // timing.part_frames),
                round(hold_back_s * NS_PER_S), round(viewing_wish.skip_behind_s * NS_PER_S),
                max(0, video.edge_request_ns - video.edge_answer_ns), video.edge_answer_ns, video.edge_link_bps,
                video.playlist_bytes, video.trip_ns[-1], video.wake_ns[-1], video.body_ns[-1], self._leaves_ns,
                len(video.bandwidths_bps),
            ],
            dtype=np.int64,
        )  # fmt: skip

    def _arrivals(self, share: float, trace: Any) -> Any:
        coming = viewer_arrivals(self._scenario) if self._scenario.edges else []
        viewers: Any = np.zeros(len(coming), dtype=viewing.VIEWER)
        viewers["number"] = np.fromiter((a.player for a in coming), dtype=np.int64, count=len(coming))
        viewers["table"] = np.fromiter((a.table - 1 for a in coming), dtype=np.int64, count=len(coming))
        at_s = np.fromiter((a.at_s for a in coming), dtype=np.float64, count=len(coming))
        who, seed, model = viewers["number"].astype(np.int64), self._scenario.seed, self._draws.model
        delay_ns = self._draws.many_ns(model.login_ns, Stream.VIEWER_LOGIN, who, 0)
        delay_ns = delay_ns + self._draws.many_ns(self._video.place_ns, Stream.EDGE_REQUEST, who, 1)
        for k in range(START_TRIPS):
            delay_ns = delay_ns + self._draws.many_ns(self._video.trip_ns, Stream.CONNECT, who, k)
        viewers["asked_ns"] = self._load_start_ns + np.rint(at_s * NS_PER_S).astype(np.int64) + delay_ns
        rule: Any = random_streams.lane_key  # it takes arrays, too
        for name, start in (("key_a", LANE_A), ("key_b", LANE_B)):
            viewers[name] = rule(start, seed, int(Stream.WAKE), who)
        uniform: Any = random_streams.uniform
        viewers["followed"] = (uniform(seed, int(Stream.FOLLOW), who, 0) < share) | np.isin(who, list(trace))
        viewers = viewers[np.argsort(viewers["asked_ns"], kind="stable")]
        viewers["edge"] = self._place(viewers["number"].tolist(), 0)
        return viewers

    def _place(self, numbers: list[int], k: int) -> list[int]:
        """Send viewers to the less loaded of two living edges each, one after the other."""
        alive = np.flatnonzero(self.edges["up"]).tolist() if len(self.edges) else []
        if not alive:
            return [0] * len(numbers)  # they wait at a dead edge until it is back
        who = np.array(numbers, dtype=np.int64)
        rule: Any = random_streams.uniform
        seed = self._scenario.seed
        firsts, seconds = (rule(seed, int(s), who, k).tolist() for s in (Stream.EDGE_FIRST, Stream.EDGE_SECOND))
        loads = [int(self.edges["viewers"][edge]) for edge in alive]
        chosen = []
        for first, second in zip(firsts, seconds, strict=True):
            at = two_choices(loads, first, second)
            loads[at] += 1
            chosen.append(alive[at])
        self.edges["viewers"][alive] = loads
        return chosen

    def _run(self) -> Any:
        number, part_ns, frame_ns = 0, int(self._fixed[viewing.PART_NS]), self._timing.frame_ns
        while True:
            msn, part = divmod(number, self._timing.parts_per_segment)
            filmed_ns = part_filmed_ns(msn, part, part_ns, frame_ns, self._timing.parts_per_segment)
            yield self._env.timeout(max(0, filmed_ns - int(self._env.now)))
            if filmed_ns - part_ns >= self._leaves_ns:
                return  # what was asked for before they left is still served
            self._publish(number)
            self._join(number, filmed_ns + part_ns)
            if len(self._viewers):
                self._show(number, filmed_ns + part_ns)
            number += 1

    def _join(self, number: int, until_ns: int) -> None:
        """Take in those who come before the next part is filmed."""
        last = int(np.searchsorted(self._coming["asked_ns"], until_ns))
        fresh = self._coming[self._come : last].copy()
        if not len(fresh):
            return
        publish_ns, fetch_ns, wake_ns = (
            table_ns[len(table_ns) // 2]
            for table_ns in (self._video.publish_ns, self._video.fetch_ns, self._video.wake_ns)
        )  # fmt: skip
        keep_s = playlist_age_s_max(self._timing.target_duration_s, blocking=False, ok=True)
        viewing.join(
            fresh, number, self._published_ns, until_ns + publish_ns, self._listed, round(keep_s * NS_PER_S),
            fetch_ns + wake_ns, self._levels, self._tables, self._fixed, self.edges, self._scenario.seed,
        )  # fmt: skip
        np.add.at(self.edges["requests"], fresh["edge"], START_REQUESTS)
        np.add.at(self.edges["busy_ns"], fresh["edge"], START_REQUESTS * self._video.edge_request_ns)
        self._come = last
        self._regroup(np.concatenate([self._viewers, fresh]))

    def _regroup(self, viewers: Any) -> None:
        """Keep rows in the order of edge and table, so that a crowd lies together."""
        tables = self._scenario.tables
        key = viewers["edge"].astype(np.int64) * tables + viewers["table"]
        order = np.argsort(key, kind="stable")
        self._viewers = viewers[order]
        firsts = np.searchsorted(key[order], np.arange(len(self.edges) * tables + 1))
        columns = np.arange(len(self.edges))[:, None] * tables + np.arange(tables + 1)[None, :]
        self._groups = firsts[columns]
        most = int((self._groups[:, -1] - self._groups[:, 0]).max())
        if len(self._heap) < 2 * most + 4 * tables + 16:
            self._heap = np.zeros((4 * most + 8 * tables + 16, 3), dtype=np.int64)

    def _publish(self, number: int) -> None:
        """Bring one part of every table to the origin; an uplink keeps order."""
        tables = np.arange(1, self._scenario.tables + 1)
        way_ns = self._draws.many_ns(self._video.publish_ns, Stream.PUBLISH, tables, number)
        self._published_ns = np.maximum(self._published_ns, int(self._env.now) + way_ns)

    def _show(self, number: int, until_ns: int) -> None:
        """Bring one part of every table from the origin to everybody."""
        tables, edges = self._scenario.tables, len(self.edges)
        sizes = np.array(
            [
                self._draws.many_ns(table_ns, Stream.PART_BYTES, np.arange(1, tables + 1) << 8 | rendition, number)
                for rendition, table_ns in enumerate(self._video.part_bytes)
            ]
        ).T.copy()  # fmt: skip
        who = np.arange(2 * edges * tables, dtype=np.int64)
        ways = self._draws.many_ns(self._video.fetch_ns, Stream.FETCH, who, number).reshape(2, edges, tables) // 2
        objects = self._renditions_wanted()
        landed_ns, listed_ns = np.zeros((2, edges, tables), dtype=np.int64)
        viewing.land(
            self._published_ns, self._groups, self.edges, objects, ways, self._video.shields,
            self._video.origin_request_ns, self._cores_ns, landed_ns, listed_ns,
        )  # fmt: skip
        followed = int((self._viewers["followed"] > 0).sum()) if len(self._rows) else 0
        behind = 4 + int(self._fixed[viewing.HOLD_NS] // self._fixed[viewing.PART_NS])
        while len(self._rows) < int(self._totals[viewing.WATCHED_N]) + behind * followed + 16:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        sends_ns = sizes * 8 * NS_PER_S // self._video.edge_link_bps
        viewing.serve_all(
            number, until_ns, self._groups, landed_ns, listed_ns, self._viewers, self.edges, sizes, sends_ns,
            self._bandwidths, self._levels, self._tables, self._fixed, self._totals, self._latencies, self._rows,
            self._scenario.viewing.catch_up_rate_max, self._scenario.seed, self._heap,
        )  # fmt: skip

    def _renditions_wanted(self) -> Int64s:
        """Return how many renditions each edge's viewers of a table play; shape (edges, tables)."""
        edges, tables = len(self.edges), self._scenario.tables
        wanted = np.zeros((edges, tables), dtype=np.int64)
        for rendition in range(len(self._video.bandwidths_bps)):
            plays = np.concatenate([[0], np.cumsum(self._viewers["rendition"] == rendition)])
            wanted += plays[self._groups[:, 1:]] > plays[self._groups[:, :-1]]
        return wanted

    def _kill(self, number: int) -> None:
        """Let an edge die: its viewers look for another one."""
        edge, now_ns = self.edges[number], int(self._env.now)
        edge["up"] = edge["behind"] = edge["viewers"] = 0
        edge["cpu_ns"] = edge["link_ns"] = 0
        for group in (self._viewers, self._coming[self._come :]):
            self._move(group, np.flatnonzero(group["edge"] == number), now_ns)
        if len(self._viewers):
            self._regroup(self._viewers)

    def _move(self, group: Any, rows: Any, now_ns: int) -> None:
        if not len(rows):
            return
        numbers = group["number"][rows].astype(np.int64)
        self._way_count[0] += 1
        k = self._way_count[0]
        group["edge"][rows] = self._place(numbers.tolist(), k)
        rule: Any = random_streams.uniform
        pause_ns = np.rint(rule(self._scenario.seed, int(Stream.EDGE_RETURN), numbers, k) * RETURN_NS_MAX)
        place_ns = self._draws.many_ns(self._video.place_ns, Stream.EDGE_REQUEST, numbers, 1 + k)
        trips_ns = sum(
            self._draws.many_ns(self._video.trip_ns, Stream.CONNECT, numbers, START_TRIPS * (1 + k) + i)
            for i in range(START_TRIPS)
        )
        again_ns = now_ns + pause_ns.astype(np.int64) + place_ns + trips_ns
        group["asked_ns"][rows] = np.maximum(group["asked_ns"][rows], again_ns)
        group["switched"][rows] = 2
        np.add.at(self.edges["behind"], group["edge"][rows], 1)

    def _restart(self, number: int) -> None:
        self.edges["up"][number] = 1
