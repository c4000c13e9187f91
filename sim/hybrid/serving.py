"""Edges of a crowd, compiled: one call serves every edge for one part of all its tables.

An edge has one core, first come, first served, and one link that answers share (:mod:`sim.hybrid.sharing`). What comes
to it is merged by time: the crowds that wait for a part of their table, which land with it; those who come after it has
landed, one by one; playlists; and the reading of the crowds' next requests, as one lump for each crowd. A crowd's
viewers are answered in the order of their rows, whereas the model of single viewers has the order of their requests.
What that does to figures is held to stated intervals by tests.
"""

import numpy as np

from sim.hybrid.layout import Row, constants
from sim.hybrid.playback import finish_part, quick, trip
from sim.hybrid.screens import ALONE, ASKING, KEPT, SERVED, UNLISTED, Hall
from sim.hybrid.sharing import (
    CROWD,
    PLAYLIST,
    SINGLE,
    end_flow,
    join_link,
    line_up,
    next_end_ns,
    next_join_ns,
    put_by,
    take_up,
)
from sim.kernels import Int64s, compiled, pair

EVENT_PART, EVENT_LIST, EVENT_VIEWER, EVENT_READ = constants(range(4))
NOT_YET_NS = -1
FLOW_SPAN = 1
"""A crowd's answers of one size are one flow while the core needs less for them than so many need of the link."""


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


def _close_flow(h: Hall, e: int, t: int, rendition: int, last: int) -> None:
    """Line up the answers of one rendition that were collected, up to the rank `last`; they join together."""
    mine = h.open[rendition]
    middle_ns = mine.cpu_ns + (mine.rank + last + 2) * h.answer_ns // 2
    flow = line_up(h, e, middle_ns, CROWD, t, rendition, np.int64(mine.members), h.sends_ns[t, rendition])
    flow.cpu_ns, flow.number, flow.newest, flow.row = mine.cpu_ns, mine.number, mine.number, mine.row
    flow.size = h.sizes[t, rendition]
    h.edges[e].bytes += mine.members * flow.size
    mine.members = 0


def _serve_crowd(h: Hall, e: int, t: int, number: int, now_ns: int, n: int) -> int:
    """Answer all who wait for a part; put those who come later into the heap. Return the heap's size."""
    edge, v, served = h.edges[e], h.viewers, 0
    start_ns, late_ns = max(now_ns, edge.cpu_ns), now_ns - h.trip_ns_max
    edge.idle_ns += start_ns - edge.cpu_ns
    opened, sends_ns, answer_ns = h.open, h.sends_ns[t], h.answer_ns
    for i in range(h.groups[e, t], h.groups[e, t + 1]):
        viewer = v[i]
        if viewer.wanted != number or viewer.state != ASKING:
            continue
        if viewer.asked_ns > late_ns:
            come_ns = viewer.asked_ns + trip(h, viewer) // 2
            if come_ns > now_ns:
                n = put(h.heap, n, come_ns, EVENT_VIEWER, i)
                continue
        viewer.state, viewer.rank = SERVED, served
        rendition = np.int64(viewer.rendition)
        mine = opened[rendition]
        if mine.members == 0:
            mine.row, mine.rank, mine.cpu_ns, mine.number = i, served, start_ns, number
        mine.members += 1
        if mine.members * answer_ns >= FLOW_SPAN * sends_ns[rendition]:
            close_flow(h, e, t, rendition, served)
        served += 1
    for each in range(len(h.open)):
        if h.open[each].members:
            close_flow(h, e, t, each, served - 1)
    edge.cpu_ns = start_ns + served * h.answer_ns
    edge.lag_ns_max = max(edge.lag_ns_max, start_ns - now_ns)
    edge.requests += 2 * served
    edge.busy_ns += served * h.answer_ns
    h.asked[e, t] = served
    if served:  # their next requests come when they have read this answer
        h.unlisted[e, t] += 1
        n = put(h.heap, n, edge.cpu_ns + h.reading_ns, EVENT_READ, 2 * served)
    return n


def _serve_one(h: Hall, i: int, newest: int, now_ns: int) -> None:
    """Answer one viewer whose part has landed already: the part, and beside the newest the playlist, too."""
    viewer = h.viewers[i]
    edge, size_bytes = h.edges[viewer.edge], h.sizes[viewer.table, viewer.rendition]
    requests = 2 if viewer.wanted == newest else 1
    cost_ns = requests * (h.read_ns + h.answer_ns)
    edge.lag_ns_max = max(edge.lag_ns_max, edge.cpu_ns - now_ns)
    edge.idle_ns += max(0, now_ns - edge.cpu_ns)
    edge.cpu_ns = max(now_ns, edge.cpu_ns) + cost_ns
    edge.busy_ns += cost_ns
    edge.requests += requests
    send_ns = h.sends_ns[viewer.table, viewer.rendition]
    edge.bytes += size_bytes
    if requests == 2:
        edge.bytes += h.playlist_bytes
        send_ns += h.playlist_ns
    viewer.state, viewer.rank = ALONE, 0
    flow = line_up(
        h, np.int64(viewer.edge), edge.cpu_ns, SINGLE, np.int64(viewer.table), np.int64(viewer.rendition), 1, send_ns
    )
    flow.cpu_ns, flow.number, flow.newest, flow.size = edge.cpu_ns, viewer.wanted, newest, size_bytes
    flow.viewer, flow.row = viewer.number, i


def _list_crowd(h: Hall, e: int, t: int, number: int, now_ns: int) -> None:
    """Answer a crowd with its playlists."""
    edge, crowd = h.edges[e], h.asked[e, t]
    if crowd == 0:
        return
    start_ns = max(now_ns, edge.cpu_ns)
    edge.idle_ns += start_ns - edge.cpu_ns
    edge.cpu_ns = start_ns + crowd * h.answer_ns
    edge.busy_ns += crowd * h.answer_ns
    edge.bytes += crowd * h.playlist_bytes
    flow = line_up(h, e, start_ns + (crowd + 1) * h.answer_ns // 2, PLAYLIST, t, 0, crowd, h.playlist_ns)
    flow.number = number


def _await_next(h: Hall, i: int, number: int, now_ns: int, until_ns: int, n: int) -> int:
    """Let a viewer who is behind ask for what has landed already, now or with the next part. Return the heap's size."""
    viewer = h.viewers[i]
    if viewer.wanted > number or viewer.state != ASKING:
        return n
    if viewer.wanted == number and now_ns < h.landed_ns[viewer.edge, viewer.table]:
        return n  # it waits with its crowd
    if viewer.asked_ns >= until_ns:
        h.edges[viewer.edge].behind += 1
        return n
    return int(put(h.heap, n, viewer.asked_ns + trip(h, viewer) // 2, EVENT_VIEWER, i))


def _finish_flow(h: Hall, e: int, flow: Row, now_ns: int, number: int, until_ns: int, n: int) -> int:
    """Let those have their parts whose answers have left the link. Return the heap's size."""
    state, t, left = SERVED if flow.kind == CROWD else ALONE, flow.table, flow.members
    # Read once: whatever is written to a viewer might be the flow's, for all that the compiler knows.
    v, bodies, wakes, answer_ns, whose = h.viewers, h.bodies, h.wakes, h.answer_ns, flow.viewer
    of, rendition, newest, size = np.int64(flow.number), np.int64(flow.rendition), np.int64(flow.newest), flow.size
    cpu_ns, alone_ns = flow.cpu_ns, flow.alone_ns
    for i in range(max(flow.row, h.groups[e, t]), h.groups[e, t + 1]):
        viewer = v[i]
        if viewer.state != state or viewer.wanted != of or viewer.rendition != rendition:
            continue
        if state == ALONE and viewer.number != whose:
            continue
        if left == 0:
            break
        left -= 1
        written_ns = cpu_ns
        awake, body = pair(viewer.key, of)
        body_ns = int(quick(body, bodies))
        if state == SERVED:
            written_ns += (viewer.rank + 1) * answer_ns
            way_ns = int(quick(awake, wakes))
        else:
            way_ns = trip(h, viewer) // 2
        end_ns = max(now_ns, written_ns + alone_ns) + way_ns + body_ns
        viewer.state = ASKING
        finish_part(h, viewer, newest, written_ns + way_ns, end_ns, size, 1 if state == SERVED else 0)
        if viewer.wanted <= number:
            n = await_next(h, i, number, now_ns, until_ns, n)
    return n


def _read_list(h: Hall, e: int, flow: Row, now_ns: int, number: int, until_ns: int, n: int) -> int:
    """Let viewers go on who had their part, but no playlist that names the next. Return the heap's size."""
    t = flow.table
    h.unlisted[e, t] -= 1
    if now_ns + h.wake_ns_max + h.trip_ns_max <= until_ns and flow.number == number:
        return n
    for i in range(h.groups[e, t], h.groups[e, t + 1]):
        viewer = h.viewers[i]
        if viewer.state in (ASKING, UNLISTED) and viewer.wanted == flow.number + 1:
            viewer.asked_ns = max(viewer.asked_ns, now_ns + h.wake_ns_p50)
            if viewer.state == UNLISTED:
                viewer.state = ASKING
                n = await_next(h, i, number, now_ns, until_ns, n)
    return n


def _hold_unlisted(h: Hall, e: int, number: int) -> None:
    """Keep those from asking for the next part whose playlist is still under way when it lands."""
    for t in range(h.groups.shape[1] - 1):
        if h.unlisted[e, t]:
            for i in range(h.groups[e, t], h.groups[e, t + 1]):
                viewer = h.viewers[i]
                if viewer.state == ASKING and viewer.wanted == number + 1:
                    viewer.state = UNLISTED


def _gather(h: Hall, e: int, number: int, until_ns: int) -> int:
    """Collect what is known to come to an edge: a part of every table, and those who are behind. Return how much."""
    edge, n, tables = h.edges[e], 0, h.groups.shape[1] - 1
    if edge.behind:
        edge.behind = 0
        for i in range(h.groups[e, 0], h.groups[e, tables]):
            if h.viewers[i].wanted < number:
                n = await_next(h, i, number, NOT_YET_NS, until_ns, n)
    for t in range(tables):
        if h.groups[e, t + 1] > h.groups[e, t]:
            landed_ns = h.landed_ns[e, t]
            n = put(h.heap, n, landed_ns, EVENT_PART, t)
            n = put(h.heap, n, max(h.listed_ns[e, t], landed_ns + 1), EVENT_LIST, t)  # it is known then who asked
    return n


def _handle(h: Hall, e: int, number: int, n: int) -> int:
    """Let the core do what comes first. Return the heap's size."""
    now_ns, kind, what = h.heap[0, 0], h.heap[0, 1], h.heap[0, 2]
    n = take(h.heap, n)
    if kind == EVENT_PART:
        return int(serve_crowd(h, e, what, number, now_ns, n))
    if kind == EVENT_VIEWER:
        serve_one(h, what, number, now_ns)
    elif kind == EVENT_LIST:
        list_crowd(h, e, what, number, now_ns)
    else:
        edge = h.edges[e]
        edge.idle_ns += max(0, now_ns - edge.cpu_ns)
        edge.cpu_ns = max(now_ns, edge.cpu_ns) + what * h.read_ns
        edge.busy_ns += what * h.read_ns
    return n


def _serve_edge(h: Hall, e: int, number: int, until_ns: int) -> None:
    """Serve one edge from one part's landing to the next one's filming; what shares its link then goes on next time."""
    take_up(h, e, number)
    n = gather(h, e, number, until_ns)
    while True:
        join_ns, end_ns = next_join_ns(h, e), next_end_ns(h, e)
        link_ns = min(join_ns, end_ns)
        if n and (h.heap[0, 0] <= link_ns or link_ns >= until_ns):
            n = handle(h, e, number, n)
        elif link_ns >= until_ns:
            break
        elif join_ns <= end_ns:
            join_link(h, e)
        else:
            flow = end_flow(h, e, end_ns)
            if flow.kind == PLAYLIST:
                n = read_list(h, e, flow, end_ns, number, until_ns, n)
            else:
                n = finish_flow(h, e, flow, end_ns, number, until_ns, n)
    hold_unlisted(h, e, number)
    put_by(h, e, number)


def _serve_all(h: Hall, number: int, until_ns: int) -> None:
    """Serve all living edges, one after the other: they share nothing but what landed.

    Parameters
    ----------
    h : Hall
        Everything.
    number : int
        The part that has been published.
    until_ns : int
        When the next part may land at the earliest: requests of that time are the next call's.
    """
    h.totals[KEPT] = 0
    for e in range(len(h.edges)):
        if h.edges[e].up and h.groups[e, h.groups.shape[1] - 1] > h.groups[e, 0]:
            serve_edge(h, e, number, until_ns)


put, take = compiled(_put), compiled(_take)
close_flow = compiled(_close_flow)
serve_crowd = compiled(_serve_crowd)
serve_one = compiled(_serve_one)
list_crowd = compiled(_list_crowd)
await_next = compiled(_await_next)
finish_flow = compiled(_finish_flow)
read_list = compiled(_read_list)
hold_unlisted = compiled(_hold_unlisted)
gather, handle = compiled(_gather), compiled(_handle)
serve_edge = compiled(_serve_edge)
serve_all = compiled(_serve_all)
