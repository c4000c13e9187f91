"""A crowd's link, compiled: all answers under way share it equally, with what is not yet through as its backlog.

The theory is that of :mod:`sim.link`. Here answers of one size that a crowd gets within a short time are one *flow* of
so many members: the heap of virtual ends has few entries for each table, instead of one for each viewer.
What a core has written waits in a line for its turn to join; the line is in the order of time, as cores are.

Edges are served one after the other, in one workplace. What a link still carries then is put by until the next part.
"""

import math

from sim.hybrid.layout import Row, constants
from sim.hybrid.screens import KEPT, Hall
from sim.kernels import compiled

FAR_NS = 1 << 62
PLAYLIST, CROWD, SINGLE = constants(range(3))


def _line_up(h: Hall, e: int, at_ns: int, kind: int, table: int, rendition: int, members: int, alone_ns: int) -> Row:
    """Let answers join the link at an instant, none before the last that were lined up; return their flow."""
    edge = h.edges[e]
    if edge.line:
        at_ns = max(at_ns, h.line[(edge.line_first + edge.line - 1) % len(h.line)].at_ns)
    flow = h.line[(edge.line_first + edge.line) % len(h.line)]
    edge.line += 1
    flow.at_ns, flow.kind, flow.table, flow.rendition = at_ns, kind, table, rendition
    flow.members, flow.alone_ns = members, alone_ns
    return flow


def _next_join_ns(h: Hall, e: int) -> int:
    """Return when the next flow joins."""
    edge = h.edges[e]
    return int(h.line[edge.line_first].at_ns) if edge.line else FAR_NS


def _next_end_ns(h: Hall, e: int) -> int:
    """Return when the first flow ends, if none joins before."""
    edge = h.edges[e]
    if not edge.flows:
        return FAR_NS
    left_ns = math.ceil(max(0.0, h.flows[0].end - edge.virtual_ns) * edge.sharing)
    return int(edge.since_ns + left_ns)


def _advance_link(h: Hall, e: int, now_ns: int) -> None:
    """Let the virtual time run until now."""
    edge = h.edges[e]
    if edge.sharing:
        edge.virtual_ns += (now_ns - edge.since_ns) / edge.sharing
        edge.inside_ns += (now_ns - edge.since_ns) * edge.sharing
    edge.since_ns = now_ns


def _join_link(h: Hall, e: int) -> None:
    """Let the first in line begin to share."""
    edge, flows = h.edges[e], h.flows
    flow = h.line[edge.line_first]
    edge.line -= 1
    edge.line_first = (edge.line_first + 1) % len(h.line) if edge.line else 0
    advance_link(h, e, flow.at_ns)
    flow.end = edge.virtual_ns + flow.alone_ns
    edge.sharing += flow.members
    i = edge.flows
    edge.flows += 1
    while i > 0 and flows[(i - 1) >> 1].end > flow.end:
        flows[i] = flows[(i - 1) >> 1]
        i = (i - 1) >> 1
    flows[i] = flow


def _end_flow(h: Hall, e: int, now_ns: int) -> Row:
    """Take the flow that ends now off the link; it stays where nothing is written before the next one ends."""
    edge, flows = h.edges[e], h.flows
    advance_link(h, e, now_ns)
    ended = h.ended[0]
    h.ended[0] = flows[0]
    edge.virtual_ns = max(edge.virtual_ns, ended.end)
    edge.sharing -= ended.members
    edge.stays_ns += ended.members * (now_ns - ended.at_ns)
    edge.flows -= 1
    n, i = edge.flows, 0
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and flows[child + 1].end < flows[child].end:
            child += 1
        if flows[child].end >= flows[n].end:
            break
        flows[i] = flows[child]
        i = child
    flows[i] = flows[n]
    return ended


def _take_up(h: Hall, e: int, number: int) -> None:
    """Let go on what an edge's link carried when the last part's time was over."""
    edge, kept = h.edges[e], h.kept[(number + 1) & 1]
    for i in range(edge.flows):
        h.flows[i] = kept[edge.kept + i]
    for i in range(edge.line):
        h.line[i] = kept[edge.kept + edge.flows + i]
    edge.line_first = 0


def _put_by(h: Hall, e: int, number: int) -> None:
    """Keep what an edge's link carries until the next part comes."""
    edge, kept = h.edges[e], h.kept[number & 1]
    edge.kept = h.totals[KEPT]
    h.totals[KEPT] += edge.flows + edge.line
    for i in range(edge.flows):
        kept[edge.kept + i] = h.flows[i]
    for i in range(edge.line):
        kept[edge.kept + edge.flows + i] = h.line[(edge.line_first + i) % len(h.line)]


line_up = compiled(_line_up)
next_join_ns = compiled(_next_join_ns)
next_end_ns = compiled(_next_end_ns)
advance_link = compiled(_advance_link)
join_link = compiled(_join_link)
end_flow = compiled(_end_flow)
take_up, put_by = compiled(_take_up), compiled(_put_by)
