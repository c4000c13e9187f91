"""The people and the places of a balancing simulation, and how somebody is placed; compiled.

Everybody stands in one list of a gateway and one of an edge, so that those who are to be moved are found at once.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.balancing import choosing, heat, moves, signals
from reference_impl.domain.mixing import WORD
from sim.kernels import Floats, Int64s, choose_place, compiled, mix32

Int32s = npt.NDArray[np.int32]

GATEWAY, EDGE = 0, 1
LIVE, DRAWS, MOVED, MOVED_EDGE, TWICE, DROPPED, NEW_COPIES = range(7)
"""Rows of `counts`: people, draws so far, moves of either kind, moves within the rest of an earlier one, sessions that
lost a closing gateway before they were moved."""

CHEAPEST = 100
"""The oracle's rule: the lowest true cost of all. No balancer has it, since none knows true costs."""

ACCEPT_LOAD = 70.0
"""Accepting costs a gateway as much as so many sessions of a second; the oracle minds, until the next second."""

NEVER = -1_000_000
TABLE, AT, AFTER, BEFORE, MOVED_S, WIDTH, COLUMNS = 0, 1, 2, 3, 4, 4, 12
"""A person's columns: table; then place, neighbours in its list and when last moved, of the gateway and, `WIDTH` on,
of the edge. The last ones fill the line."""


class People(NamedTuple):
    """Everybody has a row: all of a person lies in one line of the cache. `head` begins each place's list, by kind."""

    rows: Int32s
    head: Int32s
    counts: Int64s


class Places(NamedTuple):
    """All places of a kind: what is true, what is believed, and who may be chosen.

    ``seats`` (places, tables) and ``sessions`` are true; ``closing`` and ``announced`` are orders of a deployment.
    ``load`` to ``hot`` are the balancer's state, as in :class:`reference_impl.domain.balancing.fleet.Place`.
    ``accepted`` counts this second's new sessions, ``given`` those that were moved away so far. ``open`` and what
    follows are candidates: the first ``size[0]`` of each; ``slot`` is a place's index among them, or -1.
    """

    seats: Int32s
    sessions: Int64s
    closing: Int64s
    announced: Int64s
    load: Floats
    placed: Floats
    heat: Floats
    coming: Floats
    fit: Floats
    trust: Floats
    latency: Floats
    speed: Floats
    slope: Floats
    error: Floats
    heard_s: Floats
    first_s: Floats
    weight: Floats
    hot: Int64s
    accepted: Int64s
    given: Int64s
    backlog: Floats
    response: Floats
    order: Int64s
    size: Int64s
    open: Int64s
    slot: Int64s
    now_load: Floats
    now_weight: Floats
    now_latency: Floats
    now_order: Int64s


def empty_people(rows: int, places: int) -> People:
    """Return room for people; nobody is there."""
    people = np.full((rows, COLUMNS), -1, np.int32)
    people[:, [MOVED_S, MOVED_S + WIDTH]] = NEVER
    return People(people, np.full((2, places), -1, np.int32), np.zeros(8, np.int64))


def empty_places(count: int, tables: int, order: Int64s) -> Places:
    """Return places without sessions, all as warm as each other."""
    columns: dict[str, Any] = {"seats": np.zeros((count, tables), np.int32), "order": order, "now_order": order.copy()}
    columns |= {name: np.zeros(count, np.int64) for name in _WHOLE}
    columns |= {name: np.ones(count) for name in _ONES}
    columns |= {"size": np.zeros(2, np.int64), "open": np.arange(count), "slot": np.arange(count)}
    columns["first_s"] = np.full(count, -1e6)
    return Places(**{name: columns.get(name, np.zeros(count)) for name in Places._fields})


_WHOLE = ("sessions", "closing", "announced", "hot", "accepted", "given")
_ONES = ("heat", "coming", "fit", "trust", "latency", "speed", "weight", "response", "now_weight", "now_latency")


def copied(rows: Any) -> Any:
    """Return a state that shares nothing with the first but the orders, which nobody changes."""
    return type(rows)(*(each if name == "order" else each.copy() for name, each in rows._asdict().items()))


def _drawn(p: People, seed: int) -> float:
    """Return the next of 2**32 equidistant draws."""
    p.counts[DRAWS] += 1
    u: float = (mix32(mix32(p.counts[DRAWS] & WORD) ^ mix32(seed & WORD)) + 0.5) / (WORD + 1.0)
    return u


def _enter(p: People, f: Places, kind: int, i: int, place: int) -> None:
    first = p.head[kind, place]
    p.rows[i, AT + WIDTH * kind], p.rows[i, AFTER + WIDTH * kind], p.rows[i, BEFORE + WIDTH * kind] = place, first, -1
    if first >= 0:
        p.rows[first, BEFORE + WIDTH * kind] = i
    p.head[kind, place] = i
    f.seats[place, p.rows[i, TABLE]] += 1
    f.sessions[place] += 1


def _leave(p: People, f: Places, kind: int, i: int) -> None:
    place = p.rows[i, AT + WIDTH * kind]
    if p.rows[i, BEFORE + WIDTH * kind] >= 0:
        p.rows[p.rows[i, BEFORE + WIDTH * kind], AFTER + WIDTH * kind] = p.rows[i, AFTER + WIDTH * kind]
    else:
        p.head[kind, place] = p.rows[i, AFTER + WIDTH * kind]
    if p.rows[i, AFTER + WIDTH * kind] >= 0:
        p.rows[p.rows[i, AFTER + WIDTH * kind], BEFORE + WIDTH * kind] = p.rows[i, BEFORE + WIDTH * kind]
    f.seats[place, p.rows[i, TABLE]] -= 1
    f.sessions[place] -= 1
    if f.slot[place] >= 0:
        f.now_load[f.slot[place]] -= f.heat[place]


def _cheapest(load: Floats, weight: Floats) -> int:
    best = 0
    for i in range(1, len(load)):
        if (load[i] + 1.0) * weight[best] < (load[best] + 1.0) * weight[i]:
            best = i
    return best


def _chosen(f: Places, policy: int, key: int, copies: int, first: float, second: float) -> int:
    """Return the place that a policy chooses; nothing is changed."""
    n = f.size[0]
    load, weight = f.now_load[:n], f.now_weight[:n]
    if policy == CHEAPEST:
        at = cheapest(load, weight)
    else:
        row = f.now_order[key % len(f.now_order), :n]
        at = choose_place(policy, load, weight, f.now_latency[:n], row, copies, first, second)
    place: int = f.open[at]
    return place


def _count_placed(f: Places, place: int, policy: int) -> None:
    """Let a placement count as load until the next report, with every policy but the one that is known for not."""
    f.accepted[place] += 1
    if policy != choosing.LEAST_LOADED:
        f.placed[place] += 1
        f.now_load[f.slot[place]] += ACCEPT_LOAD / f.weight[place] if policy == CHEAPEST else f.heat[place]


def _replicas(f: Places, policy: int, audience: float, people: int) -> int:
    """Return how large a table's replica set is; other policies have none."""
    if policy != choosing.RENDEZVOUS:
        return 1
    fit = f.now_weight[: f.size[0]].sum()
    copies: int = copies_of(audience, people / max(fit, 1e-9), f.size[0])
    return copies


def _sit(p: People, f: Places, kind: int, i: int, policy: int, audience: Floats, seed: int) -> None:
    """Place somebody."""
    key = i if kind == GATEWAY else p.rows[i, TABLE]
    copies = 1 if kind == GATEWAY else replicas(f, policy, audience[p.rows[i, TABLE]], p.counts[LIVE])
    place = chosen(f, policy, key, copies, drawn(p, seed), drawn(p, seed))
    enter(p, f, kind, i, place)
    count_placed(f, place, policy)


def _table_of(likings: Floats, u: float) -> int:
    low, high = 0, len(likings) - 1
    while low < high:
        middle = (low + high) // 2
        if likings[middle] <= u:
            low = middle + 1
        else:
            high = middle
    return low


def _come(
    p: People, g: Places, e: Places, count: int, policies: Int64s, likings: Floats, audience: Floats, seed: int
) -> None:
    """Let new people come; `likings` are cumulated."""
    for _ in range(count):
        i = p.counts[LIVE]
        if i >= len(p.rows):
            return
        p.counts[LIVE] += 1
        be_new(p, g, e, i, policies, likings, audience, seed)


def _be_new(
    p: People, g: Places, e: Places, i: int, policies: Int64s, likings: Floats, audience: Floats, seed: int
) -> None:
    p.rows[i, TABLE] = table_of(likings, drawn(p, seed))
    p.rows[i, MOVED_S] = p.rows[i, MOVED_S + WIDTH] = NEVER
    audience[p.rows[i, TABLE]] += 1
    sit(p, g, GATEWAY, i, policies[GATEWAY], audience, seed)
    sit(p, e, EDGE, i, policies[EDGE], audience, seed)


def _churn(
    p: People, g: Places, e: Places, count: int, policies: Int64s, likings: Floats, audience: Floats, seed: int
) -> None:
    """Let some leave, and as many others come."""
    for _ in range(count):
        i = int(drawn(p, seed) * p.counts[LIVE])
        leave(p, g, GATEWAY, i)
        leave(p, e, EDGE, i)
        audience[p.rows[i, TABLE]] -= 1
        be_new(p, g, e, i, policies, likings, audience, seed)


def _change_table(
    p: People, g: Places, e: Places, count: int, table: int, policies: Int64s, audience: Floats, seed: int
) -> None:
    """Let some go over to a table: their socket stays where it is, their video comes from where that table's does."""
    for _ in range(count):
        i = int(drawn(p, seed) * p.counts[LIVE])
        if p.rows[i, TABLE] == table:
            continue
        leave(p, e, EDGE, i)
        audience[p.rows[i, TABLE]] -= 1
        g.seats[p.rows[i, AT], p.rows[i, TABLE]] -= 1
        p.rows[i, TABLE] = table
        g.seats[p.rows[i, AT], table] += 1
        audience[table] += 1
        sit(p, e, EDGE, i, policies[EDGE], audience, seed)


def _drop(p: People, g: Places, place: int, policy: int, audience: Floats, seed: int) -> None:
    """Let a gateway end: whoever is still there comes back elsewhere. Nobody may choose it any more."""
    i = p.head[GATEWAY, place]
    while i >= 0:
        following = p.rows[i, AFTER]
        leave(p, g, GATEWAY, i)
        p.counts[DROPPED] += 1
        sit(p, g, GATEWAY, i, policy, audience, seed)
        i = following


copies_of = compiled(choosing.copies_of)
mean_heat = compiled(heat.mean_heat)
coming_heat = compiled(heat.coming_heat)
heat_next = compiled(heat.heat_next)
bin_of = compiled(heat.bin_of)
speed_of = compiled(signals.speed_of)
speed_next = compiled(signals.speed_next)
slope_next = compiled(signals.slope_next)
speed_ahead = compiled(signals.speed_ahead)
slow_start = compiled(signals.slow_start)
error_next = compiled(signals.error_next)
trust_of = compiled(signals.trust_of)
believed = compiled(signals.believed)
peak_next = compiled(signals.peak_next)
hot_next = compiled(signals.hot_next)
may_move = compiled(moves.may_move)
budget_of = compiled(moves.budget_of)
excess = compiled(moves.excess)
level_of = compiled(moves.level_of)
coolest = compiled(moves.coolest)
neediest = compiled(moves.neediest)
plan_moves = compiled(moves.plan_moves)
drawn = compiled(_drawn)
enter = compiled(_enter)
leave = compiled(_leave)
cheapest = compiled(_cheapest)
chosen = compiled(_chosen)
count_placed = compiled(_count_placed)
replicas = compiled(_replicas)
sit = compiled(_sit)
table_of = compiled(_table_of)
be_new = compiled(_be_new)
come = compiled(_come)
churn = compiled(_churn)
change_table = compiled(_change_table)
drop = compiled(_drop)
