"""The state of a crowd's viewers and of the edges that serve them: records in arrays, and what does not change.

A viewer is a row. Rows lie in the order of edge and table, so that those who wait for one part of one table at one
edge, a *crowd*, are neighbours.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.experimental import structref

from reference_impl.domain.units import NS_PER_S
from sim.hybrid.handles import Borrowed, register
from sim.hybrid.layout import HISTOGRAM, Records, constants, table_row
from sim.kernels import Floats, Int64s
from sim.parameters import LEVELS, Table, Video
from sim.scenario import Scenario

VIEWER = np.dtype(
    [
        ("number", "i4"), ("table", "i4"), ("edge", "i4"), ("wanted", "i4"), ("asked_ns", "i8"),
        ("playhead_ns", "i8"), ("now_ns", "i8"), ("key", "u8"),
        ("fast", "f4"), ("slow", "f4"), ("known", "f4"), ("rendition", "i2"), ("started", "i1"), ("hurried", "i1"),
        ("followed", "i1"), ("switched", "i1"), ("state", "i2"), ("rank", "i2"), ("trips", "i4"),
    ],
    align=True,
)  # fmt: skip
EDGE = np.dtype(
    [
        ("up", "i8"), ("cpu_ns", "i8"), ("busy_ns", "i8"), ("requests", "i8"), ("bytes", "i8"), ("behind", "i8"),
        ("misses", "i8"), ("viewers", "i8"), ("lag_ns_max", "i8"), ("virtual_ns", "f8"), ("since_ns", "i8"),
        ("sharing", "i8"), ("flows", "i8"), ("line_first", "i8"), ("line", "i8"), ("kept", "i8"),
        ("idle_ns", "i8"), ("begun_ns", "i8"), ("inside_ns", "i8"), ("stays_ns", "i8"),
    ],
    align=True,
)  # fmt: skip
FLOW = np.dtype(
    [
        ("end", "f8"), ("at_ns", "i8"), ("alone_ns", "i8"), ("cpu_ns", "i8"), ("kind", "i2"), ("rendition", "i2"),
        ("table", "i4"), ("members", "i4"), ("number", "i4"), ("newest", "i4"), ("viewer", "i4"), ("size", "i4"),
        ("row", "i4"), ("rank", "i4"),
    ],
    align=True,
)  # fmt: skip
WATCHED = np.dtype(
    [
        ("viewer", "i8"), ("table", "i8"), ("edge", "i8"), ("rendition", "i8"), ("number", "i8"), ("bytes", "i8"),
        ("due_ns", "i8"), ("first_byte_ns", "i8"), ("end_ns", "i8"), ("cache", "i8"), ("buffer_ns", "i8"),
        ("latency_ns", "i8"), ("stall_ns", "i8"), ("switched", "i8"),
    ],
    align=True,
)  # fmt: skip

(
    PARTS, STALLS, STALL_NS, LATENCY_NS, UP, DOWN, COALESCED, HITS, SKIPPED, WATCHED_N, KEPT
) = constants(range(11))  # fmt: skip
TOTALS = 11

ASKING, SERVED, ALONE, UNLISTED = constants(range(4))
"""A viewer's state: asks or will ask; its answer is on the link, with its crowd's or alone; waits for a playlist."""

SHARP = 99
"""Levels below so many percent are percents."""


class Hall(NamedTuple):
    """All arrays of the video, and its numbers.

    Parameters
    ----------
    viewers, edges, watched : records
        Rows; `watched` has those of followed viewers.
    groups : array, shape (edges, tables + 1)
        First rows of each table's viewers at an edge.
    landed_ns, listed_ns : array, shape (edges, tables)
        When an edge has the part, and a playlist that lists it.
    sizes, sends_ns : array, shape (tables, renditions)
        The part's bytes, and how long they keep a link.
    bandwidths_bps : array, shape (renditions,)
        Announced bit rates.
    trips, wakes, bodies : array, shape (levels - 1, 3)
        Empirical tables, made ready by :func:`steps`.
    flows, line : records, shape (room,)
        What shares the link of the edge that is being served, a heap, and what will join it, a ring.
    kept : records, shape (2, room)
        What all links carry from one part's time to the next one's; written and read by turns.
    ended : records, shape (1,)
        The flow that ended last.
    unlisted : array, shape (edges, tables)
        Playlists that an edge's viewers of a table still wait for.
    asked : array, shape (edges, tables)
        How many of them asked for the last part's.
    open : records, shape (renditions,)
        Flows for which a crowd's members are being collected.
    played : array, shape (edges, tables, renditions)
        How many viewers play what.
    totals, latencies, heap : array
        What was counted, a histogram, and room for the requests of one edge.
    """

    viewers: Records
    edges: Records
    watched: Records
    groups: Int64s
    landed_ns: Int64s
    listed_ns: Int64s
    sizes: Int64s
    sends_ns: Int64s
    bandwidths_bps: Floats
    trips: Floats
    wakes: Floats
    bodies: Floats
    flows: Records
    line: Records
    kept: Records
    ended: Records
    unlisted: Int64s
    asked: Int64s
    open: Records
    played: Int64s
    totals: Int64s
    latencies: Int64s
    heap: Int64s
    part_ns: int
    per_segment: int
    gop_parts: int
    hold_ns: int
    skip_ns: int
    read_ns: int
    answer_ns: int
    playlist_ns: int
    playlist_bytes: int
    trip_ns_max: int
    wake_ns_max: int
    wake_ns_p50: int
    reading_ns: int
    hurry: float


class _HallType(Borrowed):
    pass


class HallHandle(structref.StructRefProxy):
    """A hall as kernels take it; made anew when an array was replaced."""


register(_HallType, HallHandle, Hall._fields)


def steps(table_ns: Table) -> Floats:
    """Return an empirical table as rows of level, value there and slope from there."""
    levels, values = np.array(LEVELS), table_row(table_ns)
    rows: Floats = np.stack([levels[:-1], values[:-1], np.diff(values) / np.diff(levels)], axis=1)
    return np.ascontiguousarray(rows)


def empty_hall(scenario: Scenario, video: Video) -> Hall:
    """Return a hall without viewers, all of whose edges live."""
    timing, wish = video.timing, scenario.viewing
    tables, edges = scenario.tables, np.zeros(scenario.edges, dtype=EDGE)
    edges["up"] = 1
    each: npt.NDArray[Any] = np.zeros((scenario.edges, tables), dtype=np.int64)
    wake_ns, trip_ns = (table_row(table_ns) for table_ns in (video.wake_ns, video.trip_ns))
    return Hall(
        viewers=np.zeros(0, dtype=VIEWER), edges=edges, watched=np.zeros(1 << 10, dtype=WATCHED),
        groups=np.zeros((scenario.edges, tables + 1), dtype=np.int64), landed_ns=each, listed_ns=each.copy(),
        sizes=np.zeros((tables, len(video.part_bytes)), dtype=np.int64),
        sends_ns=np.zeros((tables, len(video.part_bytes)), dtype=np.int64),
        bandwidths_bps=np.array(video.bandwidths_bps, dtype=np.float64),
        trips=steps(video.trip_ns), wakes=steps(video.wake_ns), bodies=steps(video.body_ns),
        flows=np.zeros(1, dtype=FLOW), line=np.zeros(1, dtype=FLOW), kept=np.zeros((2, 1), dtype=FLOW),
        ended=np.zeros(1, dtype=FLOW), unlisted=each.copy(), asked=each.copy(),
        open=np.zeros(len(video.part_bytes), dtype=FLOW),
        played=np.zeros((*each.shape, len(video.part_bytes)), dtype=np.int64),
        totals=np.zeros(TOTALS, dtype=np.int64), latencies=np.zeros(HISTOGRAM, dtype=np.int64),
        heap=np.zeros((0, 3), dtype=np.int64), part_ns=timing.part_frames * timing.frame_ns,
        per_segment=timing.parts_per_segment, gop_parts=max(1, timing.gop_frames // timing.part_frames),
        hold_ns=round((wish.hold_back_s or timing.part_hold_back_s) * NS_PER_S),
        skip_ns=round(wish.skip_behind_s * NS_PER_S),
        read_ns=max(0, video.edge_request_ns - video.edge_answer_ns), answer_ns=video.edge_answer_ns,
        playlist_ns=video.playlist_bytes * 8 * NS_PER_S // video.edge_link_bps, playlist_bytes=video.playlist_bytes,
        trip_ns_max=video.trip_ns[-1], wake_ns_max=video.wake_ns[-1], wake_ns_p50=int(wake_ns[50]),
        reading_ns=int(wake_ns[50] + trip_ns[50] / 2), hurry=float(wish.catch_up_rate_max),
    )  # fmt: skip
