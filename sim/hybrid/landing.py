"""How viewers of a crowd come to their edges, and parts from the origin, compiled."""

import numpy as np

from sim.hybrid.layout import Records
from sim.hybrid.playback import begin, trip
from sim.hybrid.screens import Hall
from sim.kernels import Floats, Int64s, choose_place, compiled


def _place(
    loads: Floats, policy: int, orders: Int64s, copies: Int64s, tables: Int64s, firsts: Floats, seconds: Floats
) -> Int64s:
    """Send viewers to the edges that a policy chooses, one after the other; return whither, and count them.

    Parameters
    ----------
    loads : array, shape (edges,)
        Viewers of each; all edges are equally fit.
    policy : int
        A constant of :mod:`reference_impl.domain.balancing.choosing`.
    orders, copies : array, shape (tables, edges or 0) and (tables,)
        In which order tables prefer edges, and how many of them they may use.
    tables, firsts, seconds : array, shape (viewers,)
        Each viewer's table and two uniforms.
    """
    chosen, ones = np.empty(len(firsts), dtype=np.int64), np.ones(len(loads))
    for i in range(len(firsts)):
        t = tables[i]
        chosen[i] = choose_place(policy, loads, ones, ones, orders[t], copies[t], firsts[i], seconds[i])
        loads[chosen[i]] += 1.0
    return chosen


def _join(
    h: Hall, fresh: Records, number: int, published_ns: Int64s, next_ns: int, listed: Int64s, keep_ns: int,
    setup_ns: int,
) -> None:  # fmt: skip
    """Let viewers begin: where, says a playlist that their edge may have kept for a while, and the one after it.

    Parameters
    ----------
    h : Hall
        Everything.
    fresh : records
        Those who come before the part after `number` is filmed, in the order in which they come.
    published_ns : array, shape (tables,)
        When the origin has each table's part.
    next_ns : int
        When that part may be listed.
    listed : array, shape (edges, tables, 2)
        Each edge's kept playlist of each table: until when, and its newest part.
    keep_ns, setup_ns : int
        How long a playlist is kept, and how long an answer that was waited for needs to its reader.
    """
    for i in range(len(fresh)):
        viewer = fresh[i]
        kept = listed[viewer.edge, viewer.table]
        if viewer.asked_ns >= kept[0]:
            kept[0] = viewer.asked_ns + keep_ns
            kept[1] = number if viewer.asked_ns >= published_ns[viewer.table] else number - 1
        newest = kept[1] + 1
        if newest > number or (newest == number and viewer.asked_ns < published_ns[viewer.table]):
            viewer.asked_ns = setup_ns + (next_ns if newest > number else published_ns[viewer.table])
        viewer.asked_ns += trip(h, viewer)
        begin(h, viewer, newest)
        h.edges[viewer.edge].behind += 1


def _regroup(before: Records, fresh: Records, after: Records, groups: Int64s, played: Int64s) -> None:
    """Bring rows into the order of edge and table; say where each crowd begins, and how many play what.

    Those who came first stay first.
    """
    played[:] = 0
    tables = groups.shape[1] - 1
    nexts = np.zeros(len(groups) * tables + 1, dtype=np.int64)
    for rows in (before, fresh):
        for i in range(len(rows)):
            nexts[rows[i].edge * tables + rows[i].table + 1] += 1
    for crowd in range(len(groups) * tables):
        nexts[crowd + 1] += nexts[crowd]
    for e in range(len(groups)):
        for t in range(tables + 1):
            groups[e, t] = nexts[e * tables + t]
    for rows in (before, fresh):
        for i in range(len(rows)):
            crowd = rows[i].edge * tables + rows[i].table
            after[nexts[crowd]] = rows[i]
            played[rows[i].edge, rows[i].table, rows[i].rendition] += 1
            nexts[crowd] += 1


def _land(
    h: Hall, published_ns: Int64s, objects: Int64s, way_ns: Int64s, origins: int, shields: int, request_ns: int,
    cores_ns: Int64s,
) -> None:  # fmt: skip
    """Bring a part from the origin to the edges: one request an object and cache, however many wait.

    Parameters
    ----------
    h : Hall
        Everything.
    published_ns : array, shape (tables,)
        When the origin has each table's part.
    objects : array, shape (edges, tables)
        Renditions that an edge's viewers of a table wait for.
    way_ns : array, shape (2, edges, tables)
        The way from the origin (or shield) to an edge, of the part and of the playlist.
    origins, shields, request_ns : int
        How many there are, and what a request costs the core of either; tables are dealt out to the origins.
    cores_ns : array, shape (origins + shields,)
        When each core is free: the origins', and the shields'.
    """
    tables, edges = len(published_ns), h.edges
    for t in np.argsort(published_ns):
        origin = t % origins
        ready_ns = np.full(shields, published_ns[t], dtype=np.int64)
        if shields:
            for s in range(shields):
                wanted = 0
                for e in range(s, len(edges), shields):
                    wanted = max(wanted, objects[e, t])
                cores_ns[origin] = max(cores_ns[origin], published_ns[t]) + 2 * wanted * request_ns
                ready_ns[s] = cores_ns[origin] + way_ns[0, s % len(edges), (t + 1) % tables]
        for e in range(len(edges)):
            if not edges[e].up or h.groups[e, t + 1] == h.groups[e, t]:
                continue
            core = origins + e % shields if shields else origin
            at_ns = ready_ns[e % shields] if shields else published_ns[t]
            cores_ns[core] = max(cores_ns[core], at_ns) + objects[e, t] * request_ns
            h.landed_ns[e, t] = cores_ns[core] + way_ns[0, e, t]
            cores_ns[core] += objects[e, t] * request_ns
            h.listed_ns[e, t] = cores_ns[core] + way_ns[1, e, t]
            edges[e].misses += 2 * objects[e, t]


place = compiled(_place)
join = compiled(_join)
regroup = compiled(_regroup)
land = compiled(_land)
