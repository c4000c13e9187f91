"""Viewers of a crowd, compiled: one call serves one edge for one part of all its tables.

An edge has one core and one link, both first come, first served. What comes to it is merged by time: the crowds that
wait for a part of their table, which land with it; those who come after it has landed, one by one; playlists; and the
reading of the crowds' next requests, as one lump for each crowd. A crowd's viewers are answered in the order of their
rows, whereas the model of single viewers has the order of their requests. What that does to figures is held to stated
intervals by tests, on edges that are not saturated.

Playback is :class:`reference_impl.domain.playout.Playback` for media without holes, in scalars: a property test holds
the two equal. Rendition choice is the domain's own, compiled.
"""

import numpy as np

from reference_impl.domain.playout import SLACK_NS
from reference_impl.domain.units import NS_PER_S
from sim.hybrid.events import bucket
from sim.hybrid.layout import Records, constants
from sim.kernels import Floats, Int64s, choose, compiled, lane_end, lane_key, learn, throughput_bps
from sim.random_streams import LANE_A, LANE_B, Stream

VIEWER = np.dtype(
    [
        ("number", "i4"), ("table", "i4"), ("edge", "i4"), ("wanted", "i4"), ("asked_ns", "i8"),
        ("playhead_ns", "i8"), ("now_ns", "i8"), ("dry_ns", "i8"), ("key_a", "u4"), ("key_b", "u4"),
        ("fast", "f4"), ("slow", "f4"), ("weight", "f4"), ("rendition", "i2"), ("started", "i1"), ("hurried", "i1"),
        ("followed", "i1"), ("switched", "i1"), ("trips", "i4"),
    ],
    align=True,
)  # fmt: skip
EDGE = np.dtype(
    [
        ("up", "i8"), ("cpu_ns", "i8"), ("link_ns", "i8"), ("busy_ns", "i8"), ("requests", "i8"), ("bytes", "i8"),
        ("behind", "i8"), ("misses", "i8"), ("viewers", "i8"), ("lag_ns_max", "i8"), ("free_ns", "i8"),
    ],
    align=True,
)  # fmt: skip
WATCHED = np.dtype(
    [
        ("viewer", "i8"), ("table", "i8"), ("edge", "i8"), ("rendition", "i8"), ("number", "i8"), ("bytes", "i8"),
        ("due_ns", "i8"), ("first_byte_ns", "i8"), ("end_ns", "i8"), ("cache", "i8"), ("buffer_ns", "i8"),
        ("latency_ns", "i8"), ("stall_ns", "i8"), ("switched", "i8"), ("waited", "i8"),
    ],
    align=True,
)  # fmt: skip

(
    FRAME_NS, PART_NS, PER_SEGMENT, GOP_PARTS, HOLD_NS, SKIP_NS, READ_NS, ANSWER_NS, LINK_BPS, PLAYLIST_BYTES,
    TRIP_MAX_NS, WAKE_MAX_NS, BODY_MAX_NS, LEAVES_NS, RENDITIONS,
) = constants(range(15))  # fmt: skip
FIXED = 15

(
    PARTS, STALLS, STALL_NS, LATENCY_NS, UP, DOWN, PART_ROWS, COALESCED, HITS, WATCH_NS, SKIPPED, WATCHED_N
) = constants(range(12))  # fmt: skip
TOTALS = 12

TRIP, WAKE, BODY = 0, 1, 2
EVENT_PART, EVENT_LIST, EVENT_VIEWER, EVENT_READ = constants(range(4))
STREAM_TRIP = np.int64(Stream.TRIP)
STREAM_WAKE = np.int64(Stream.WAKE)
SHARP = 99
"""Levels below so many percent are percents."""


def quick_table_ns(u: float, levels: Floats, table_ns: Floats) -> float:
    """Return the quantile of a table, interpolated, without a search where levels are percents."""
    i = int(u * 100.0) + 1
    if i > SHARP:
        i = SHARP + 1
        while levels[i] < u:
            i += 1
    low = table_ns[i - 1]
    return float(low + (table_ns[i] - low) * (u - levels[i - 1]) / (levels[i] - levels[i - 1]))


def _uniform32(bits: int) -> float:
    return (bits + 0.5) / 4294967296.0


def _advance_playback(
    playhead_ns: int, end_ns: int, before_ns: int, now_ns: int, rate: float
) -> tuple[int, int]:  # fmt: skip
    """Play until now; return the playhead, and since when the buffer has been dry, or 0."""
    left_ns = max(now_ns - before_ns, 0)
    if rate != 1.0:
        left_ns = round(left_ns * rate)
    ahead_ns = end_ns - playhead_ns
    if left_ns < ahead_ns:
        return playhead_ns + left_ns, 0
    return end_ns, max(now_ns, before_ns) - round((left_ns - ahead_ns) / rate)


def _take_part(v: Records, i: int, fixed: Int64s, rate_max: float, now_ns: int) -> int:
    """Add the wanted part to a viewer's buffer; return the length of the stall that it ends, or 0."""
    viewer = v[i]
    end_ns = viewer.wanted * fixed[PART_NS]
    rate = rate_max if viewer.hurried else 1.0
    if viewer.started and viewer.dry_ns == 0:
        viewer.playhead_ns, viewer.dry_ns = advance_playback(viewer.playhead_ns, end_ns, viewer.now_ns, now_ns, rate)
    viewer.now_ns = max(viewer.now_ns, now_ns)
    stall_ns = 0
    if viewer.dry_ns:
        stall_ns = viewer.now_ns - viewer.dry_ns
        viewer.dry_ns = 0
    elif not viewer.started and end_ns + fixed[PART_NS] - viewer.playhead_ns >= fixed[HOLD_NS]:
        viewer.started = 1
    viewer.wanted += 1
    return int(stall_ns)


def _begin(v: Records, i: int, newest: int, fixed: Int64s) -> None:
    """Want the last independent part that starts at least the hold-back before the end of the newest."""
    viewer = v[i]
    latest = newest + 1 - -(-fixed[HOLD_NS] // fixed[PART_NS])
    viewer.wanted = max(0, latest - latest % fixed[GOP_PARTS])
    if not viewer.started:
        viewer.playhead_ns = viewer.wanted * fixed[PART_NS]


def _finish_part(
    v: Records, i: int, newest: int, first_byte_ns: int, end_ns: int, asked_ns: int, size_bytes: int, waited: int,
    rate_max: float, bandwidths_bps: Floats, fixed: Int64s, totals: Int64s, latencies: Int64s, watched: Records,
) -> None:  # fmt: skip
    """Let a viewer have a part: learn, play, choose, and note what was seen."""
    viewer = v[i]
    number, rendition, switched = viewer.wanted, viewer.rendition, viewer.switched
    took_s = max((end_ns - first_byte_ns) / NS_PER_S, 1e-6)
    viewer.fast, viewer.slow, viewer.weight = learn(viewer.fast, viewer.slow, viewer.weight, size_bytes, took_s)
    stall_ns = take_part(v, i, fixed, rate_max, end_ns)
    totals[PARTS] += 1
    totals[COALESCED if waited else HITS] += 1
    if stall_ns:
        totals[STALLS] += 1
        totals[STALL_NS] += stall_ns
    latency_ns = end_ns - viewer.playhead_ns if viewer.started else 0
    if viewer.started:
        totals[LATENCY_NS] += latency_ns
        latencies[bucket(latency_ns)] += 1
    buffer_ns = viewer.wanted * fixed[PART_NS] - viewer.playhead_ns
    if viewer.followed:
        row = watched[totals[WATCHED_N]]
        totals[WATCHED_N] += 1
        row.viewer, row.table, row.edge, row.rendition, row.number = (
            viewer.number,
            viewer.table,
            viewer.edge,
            rendition,
            number,
        )
        row.bytes, row.due_ns, row.first_byte_ns, row.end_ns, row.cache = (
            size_bytes,
            asked_ns,
            first_byte_ns,
            end_ns,
            waited,
        )
        row.buffer_ns, row.latency_ns, row.stall_ns, row.switched, row.waited = (
            buffer_ns,
            latency_ns,
            stall_ns,
            switched,
            waited,
        )
    viewer.switched = 0
    behind_ns = (newest + 1) * fixed[PART_NS] - viewer.playhead_ns - fixed[HOLD_NS]
    viewer.hurried = 1 if viewer.started and behind_ns > SLACK_NS else 0
    if (fixed[PER_SEGMENT] == 1 or viewer.wanted % fixed[PER_SEGMENT] == 0) and len(bandwidths_bps) > 1:
        estimate_bps = throughput_bps(viewer.fast, viewer.slow, viewer.weight)
        best = choose(bandwidths_bps, rendition, estimate_bps, buffer_ns / NS_PER_S)
        if best != rendition:
            totals[UP if best > rendition else DOWN] += 1
            viewer.switched = 1 if best > rendition else -1
            viewer.rendition = best
    if viewer.started and (newest + 1 - viewer.wanted) * fixed[PART_NS] - fixed[HOLD_NS] > fixed[SKIP_NS]:
        begin(v, i, newest, fixed)
        totals[SKIPPED] += 1
        viewer.playhead_ns = max(viewer.playhead_ns, viewer.wanted * fixed[PART_NS])


def _put(heap: Int64s, n: int, at_ns: int, kind: int, what: int) -> int:
    """Add to a small heap; return its size."""
    i = n
    while i > 0 and heap[(i - 1) >> 1, 0] > at_ns:
        heap[i, 0], heap[i, 1], heap[i, 2] = heap[(i - 1) >> 1, 0], heap[(i - 1) >> 1, 1], heap[(i - 1) >> 1, 2]
        i = (i - 1) >> 1
    heap[i, 0], heap[i, 1], heap[i, 2] = at_ns, kind, what
    return n + 1


def _take(heap: Int64s, n: int) -> int:
    """Remove the first of a small heap; return its size."""
    n -= 1
    at_ns, i = heap[n, 0], 0
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and heap[child + 1, 0] < heap[child, 0]:
            child += 1
        if heap[child, 0] >= at_ns:
            break
        heap[i, 0], heap[i, 1], heap[i, 2] = heap[child, 0], heap[child, 1], heap[child, 2]
        i = child
    heap[i, 0], heap[i, 1], heap[i, 2] = at_ns, heap[n, 1], heap[n, 2]
    return n


def _trip_ns(v: Records, i: int, seed: int, levels: Floats, tables: Floats) -> float:
    """Return a viewer's next round trip."""
    v[i].trips += 1
    key = lane_key(LANE_A, seed, STREAM_TRIP, v[i].number)
    return float(quick(uniform32(lane_end(key, LANE_A, v[i].trips)), levels, tables[TRIP]))


def _serve_crowd(
    e: int, t: int, number: int, now_ns: int, first: int, last: int, v: Records, edges: Records, sizes: Int64s,
    sends_ns: Int64s,
    bandwidths_bps: Floats, levels: Floats, tables: Floats, fixed: Int64s, totals: Int64s, latencies: Int64s,
    watched: Records, rate_max: float, seed: int, heap: Int64s, n: int,
) -> int:  # fmt: skip
    """Answer all who wait for a part; put those who come later into the heap. Return the heap's size."""
    edge = edges[e]
    start_ns = cpu_ns = max(now_ns, edge.cpu_ns)
    link_ns, served = edge.link_ns, 0
    answer_ns, sent_bytes = fixed[ANSWER_NS], 0
    late_ns = now_ns - fixed[TRIP_MAX_NS]
    for i in range(first, last):
        viewer = v[i]
        if viewer.wanted != number:
            continue
        asked_ns = viewer.asked_ns
        if asked_ns > late_ns:
            come_ns = asked_ns + int(trip(v, i, seed, levels, tables)) // 2
            if come_ns > now_ns:
                n = put(heap, n, come_ns, EVENT_VIEWER, i)
                continue
        served += 1
        size = sizes[t, viewer.rendition]
        cpu_ns += answer_ns
        link_ns = max(cpu_ns, link_ns) + sends_ns[t, viewer.rendition]
        wake_ns = int(quick(uniform32(lane_end(np.int64(viewer.key_a), LANE_A, number)), levels, tables[WAKE]))
        body_ns = int(quick(uniform32(lane_end(np.int64(viewer.key_b), LANE_B, number)), levels, tables[BODY]))
        sent_bytes += size
        viewer.asked_ns = link_ns + wake_ns + body_ns
        finish_part(
            v, i, number, cpu_ns + wake_ns, viewer.asked_ns, asked_ns, size, 1, rate_max, bandwidths_bps, fixed,
            totals, latencies, watched,
        )  # fmt: skip
    edge.cpu_ns, edge.link_ns = cpu_ns, link_ns
    edge.bytes += sent_bytes
    edge.lag_ns_max = max(edge.lag_ns_max, start_ns - now_ns)
    edge.requests += 2 * served
    edge.busy_ns += served * fixed[ANSWER_NS]
    if served:  # their next requests come when they have read this answer
        reading_ns = cpu_ns + int(tables[WAKE][50] + tables[TRIP][50] / 2)
        n = put(heap, n, reading_ns, EVENT_READ, 2 * served)
    return n


def _serve_one(
    i: int, newest: int, now_ns: int, v: Records, edges: Records, sizes: Int64s,
    sends_ns: Int64s, bandwidths_bps: Floats,
    levels: Floats, tables: Floats, fixed: Int64s, totals: Int64s, latencies: Int64s, watched: Records,
    rate_max: float, seed: int,
) -> None:  # fmt: skip
    """Answer one viewer whose part has landed already: the part, and beside the newest the playlist, too."""
    viewer = v[i]
    edge, number = edges[viewer.edge], viewer.wanted
    asked_ns, requests = viewer.asked_ns, 2 if number == newest else 1
    cost_ns = requests * (fixed[READ_NS] + fixed[ANSWER_NS])
    edge.lag_ns_max = max(edge.lag_ns_max, edge.cpu_ns - now_ns)
    edge.cpu_ns = max(now_ns, edge.cpu_ns) + cost_ns
    edge.busy_ns += cost_ns
    edge.requests += requests
    size = sizes[viewer.table, viewer.rendition]
    edge.bytes += size
    edge.link_ns = max(edge.cpu_ns, edge.link_ns) + sends_ns[viewer.table, viewer.rendition]
    if requests == 2:
        edge.bytes += fixed[PLAYLIST_BYTES]
        edge.link_ns += fixed[PLAYLIST_BYTES] * 8 * NS_PER_S // fixed[LINK_BPS]
    back_ns = int(trip(v, i, seed, levels, tables)) // 2
    body_ns = int(quick(uniform32(lane_end(np.int64(viewer.key_b), LANE_B, number)), levels, tables[BODY]))
    viewer.asked_ns = edge.link_ns + back_ns + body_ns
    finish_part(
        v, i, newest, edge.cpu_ns + back_ns, viewer.asked_ns, asked_ns, size, 0, rate_max, bandwidths_bps, fixed,
        totals, latencies, watched,
    )  # fmt: skip


def _list_crowd(
    e: int, number: int, until_ns: int, first: int, last: int, v: Records, edges: Records, tables: Floats,
    fixed: Int64s,
) -> None:  # fmt: skip
    """Send a crowd its playlists; where the link is so far behind that it matters, nobody asks before having read."""
    edge = edges[e]
    each_ns = fixed[PLAYLIST_BYTES] * 8 * NS_PER_S // fixed[LINK_BPS]
    start_ns = max(edge.cpu_ns, edge.link_ns)
    edge.link_ns = start_ns + each_ns * (last - first)
    if edge.link_ns + fixed[WAKE_MAX_NS] + fixed[TRIP_MAX_NS] <= until_ns:
        return
    wake_ns = int(tables[WAKE][50])
    for i in range(first, last):
        if v[i].wanted == number + 1:
            v[i].asked_ns = max(v[i].asked_ns, start_ns + each_ns * (i + 1 - first) + wake_ns)


def _serve_edge(  # noqa: C901, PLR0912 - one loop, compiled as one
    e: int, number: int, until_ns: int, groups: Int64s, landed_ns: Int64s, listed_ns: Int64s, v: Records,
    edges: Records, sizes: Int64s,
    sends_ns: Int64s, bandwidths_bps: Floats, levels: Floats, tables: Floats, fixed: Int64s,
    totals: Int64s, latencies: Int64s, watched: Records, rate_max: float, seed: int, heap: Int64s,
) -> None:  # fmt: skip
    """Serve one edge from one part's landing to the next one's filming.

    Parameters
    ----------
    e, number : int
        The edge, and the part.
    until_ns : int
        When the next part may land at the earliest: requests of that time are the next call's.
    groups : array, shape (edges, tables + 1)
        First rows of each table's viewers at an edge; rows are in this order.
    landed_ns, listed_ns : array, shape (edges, tables)
        When an edge has the part, and a playlist that lists it.
    """
    edge, n, count = edges[e], 0, groups.shape[1] - 1
    if edge.behind:
        edge.behind = 0
        for i in range(groups[e, 0], groups[e, count]):
            if v[i].wanted < number and v[i].asked_ns < until_ns:
                come_ns = v[i].asked_ns + int(trip(v, i, seed, levels, tables)) // 2
                n = put(heap, n, come_ns, EVENT_VIEWER, i)
            elif v[i].wanted < number:
                edge.behind += 1
    for t in range(count):
        if groups[e, t + 1] > groups[e, t]:
            n = put(heap, n, landed_ns[e, t], EVENT_PART, t)
            n = put(heap, n, listed_ns[e, t], EVENT_LIST, t)
    while n:
        now_ns, kind, what = heap[0, 0], heap[0, 1], heap[0, 2]
        n = take(heap, n)
        if kind == EVENT_PART:
            n = serve_crowd(
                e, what, number, now_ns, groups[e, what], groups[e, what + 1], v, edges, sizes, sends_ns,
 bandwidths_bps, levels,
                tables, fixed, totals, latencies, watched, rate_max, seed, heap, n,
            )  # fmt: skip
        elif kind in (EVENT_LIST, EVENT_READ):
            crowd = groups[e, what + 1] - groups[e, what] if kind == EVENT_LIST else what
            cost_ns = crowd * (fixed[ANSWER_NS] if kind == EVENT_LIST else fixed[READ_NS])
            edge.cpu_ns = max(now_ns, edge.cpu_ns) + cost_ns
            edge.busy_ns += cost_ns
            if kind == EVENT_LIST:
                edge.bytes += crowd * fixed[PLAYLIST_BYTES]
                list_crowd(e, number, until_ns, groups[e, what], groups[e, what + 1], v, edges, tables, fixed)
        else:
            serve_one(
                what, number, now_ns, v, edges, sizes, sends_ns,
 bandwidths_bps, levels, tables, fixed, totals, latencies,
                watched, rate_max, seed,
            )  # fmt: skip
            if v[what].wanted <= number:
                if v[what].asked_ns < until_ns:
                    come_ns = v[what].asked_ns + int(trip(v, what, seed, levels, tables)) // 2
                    n = put(heap, n, come_ns, EVENT_VIEWER, what)
                else:
                    edge.behind += 1


def _serve_all(
    number: int, until_ns: int, groups: Int64s, landed_ns: Int64s, listed_ns: Int64s, v: Records, edges: Records,
    sizes: Int64s,
    sends_ns: Int64s, bandwidths_bps: Floats, levels: Floats, tables: Floats, fixed: Int64s, totals: Int64s,
    latencies: Int64s, watched: Records, rate_max: float, seed: int, heap: Int64s,
) -> None:  # fmt: skip
    """Serve all living edges, one after the other: they share nothing but what landed."""
    for e in range(len(edges)):
        if edges[e].up and groups[e, groups.shape[1] - 1] > groups[e, 0]:
            serve_edge(
                e, number, until_ns, groups, landed_ns, listed_ns, v, edges, sizes, sends_ns,
 bandwidths_bps, levels, tables,
                fixed, totals, latencies, watched, rate_max, seed, heap,
            )  # fmt: skip


def _join(
    v: Records, number: int, published_ns: Int64s, next_ns: int, listed: Int64s, keep_ns: int, setup_ns: int,
    levels: Floats, tables: Floats, fixed: Int64s, edges: Records, seed: int,
) -> None:  # fmt: skip
    """Let viewers begin: where, says a playlist that their edge may have kept for a while, and the one after it.

    Parameters
    ----------
    v : records
        Those who come before the part after `number` is filmed, in the order in which they come.
    next_ns : int
        When that part may be listed.
    listed : array, shape (edges, tables, 2)
        Each edge's kept playlist of each table: until when, and its newest part.
    keep_ns, setup_ns : int
        How long a playlist is kept, and how long an answer that was waited for needs to its reader.
    """
    for i in range(len(v)):
        viewer = v[i]
        kept = listed[viewer.edge, viewer.table]
        if viewer.asked_ns >= kept[0]:
            kept[0] = viewer.asked_ns + keep_ns
            kept[1] = number if viewer.asked_ns >= published_ns[viewer.table] else number - 1
        newest = kept[1] + 1
        if newest > number or (newest == number and viewer.asked_ns < published_ns[viewer.table]):
            viewer.asked_ns = setup_ns + (next_ns if newest > number else published_ns[viewer.table])
        viewer.asked_ns += int(trip(v, i, seed, levels, tables))
        begin(v, i, newest, fixed)
        edges[viewer.edge].behind += 1


def _land(
    published_ns: Int64s, groups: Int64s, edges: Records, objects: Int64s, way_ns: Int64s, shields: int,
    request_ns: int, cores_ns: Int64s, landed_ns: Int64s, listed_ns: Int64s,
) -> None:  # fmt: skip
    """Bring a part from the origin to the edges: one request an object and cache, however many wait.

    Parameters
    ----------
    published_ns : array, shape (tables,)
        When the origin has each table's part.
    objects : array, shape (edges, tables)
        Renditions that an edge's viewers of a table wait for.
    way_ns : array, shape (2, edges, tables)
        The way from the origin (or shield) to an edge, of the part and of the playlist.
    shields, request_ns : int
        How many shields there are, and what a request costs the core of origin or shield.
    cores_ns : array, shape (1 + shields,)
        When each core is free: the origin's, and the shields'.
    """
    tables = len(published_ns)
    for t in np.argsort(published_ns):
        ready_ns = np.full(shields, published_ns[t], dtype=np.int64)
        if shields:
            for s in range(shields):
                wanted = 0
                for e in range(s, len(edges), shields):
                    wanted = max(wanted, objects[e, t])
                cores_ns[0] = max(cores_ns[0], published_ns[t]) + 2 * wanted * request_ns
                ready_ns[s] = cores_ns[0] + way_ns[0, s % len(edges), (t + 1) % tables]
        for e in range(len(edges)):
            if not edges[e].up or groups[e, t + 1] == groups[e, t]:
                continue
            core = 1 + e % shields if shields else 0
            at_ns = ready_ns[e % shields] if shields else published_ns[t]
            cores_ns[core] = max(cores_ns[core], at_ns) + objects[e, t] * request_ns
            landed_ns[e, t] = cores_ns[core] + way_ns[0, e, t]
            cores_ns[core] += objects[e, t] * request_ns
            listed_ns[e, t] = cores_ns[core] + way_ns[1, e, t]
            edges[e].misses += 2 * objects[e, t]


quick = compiled(quick_table_ns)
uniform32 = compiled(_uniform32)
advance_playback = compiled(_advance_playback)
take_part = compiled(_take_part)
begin = compiled(_begin)
finish_part = compiled(_finish_part)
put, take = compiled(_put), compiled(_take)
trip = compiled(_trip_ns)
serve_crowd = compiled(_serve_crowd)
serve_one = compiled(_serve_one)
list_crowd = compiled(_list_crowd)
serve_edge = compiled(_serve_edge)
serve_all = compiled(_serve_all)
join = compiled(_join)
land = compiled(_land)
