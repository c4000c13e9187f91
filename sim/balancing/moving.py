"""Sessions are moved, by the domain's plan; compiled."""

import numpy as np

from reference_impl.domain.balancing.moves import GIVE_TO, REST_S
from reference_impl.domain.balancing.signals import TRUST_MIN
from sim.balancing.crowd import (
    AFTER,
    AT,
    EDGE,
    GATEWAY,
    LIVE,
    MOVED,
    MOVED_S,
    NEW_COPIES,
    TABLE,
    TWICE,
    WIDTH,
    People,
    Places,
    budget_of,
    chosen,
    count_placed,
    drawn,
    enter,
    excess,
    leave,
    level_of,
    may_move,
    plan_moves,
    replicas,
)
from sim.balancing.setting import Rounds
from sim.kernels import Floats, compiled

TRIES = 8
"""So many viewers are asked for each one that has to be steered away."""


def _between(r: Rounds, t: int, now: int) -> bool:
    said: bool = r.between[t, (now + r.offset[t]) % r.cycle[t]] == 1
    return said


def _move(p: People, f: Places, kind: int, i: int, place: int, now: int, policy: int) -> None:
    p.counts[TWICE] += now - p.rows[i, MOVED_S + WIDTH * kind] < REST_S
    p.counts[MOVED + kind] += 1
    f.given[p.rows[i, AT + WIDTH * kind]] += 1
    p.rows[i, MOVED_S + WIDTH * kind] = now
    leave(p, f, kind, i)
    enter(p, f, kind, i, place)
    count_placed(f, place, policy)


def _shift_sockets(p: People, f: Places, r: Rounds, now: int, policy: int) -> None:
    """Tell sessions to leave their gateways, as planned for this second: only those between two rounds."""
    n = len(f.sessions)
    load = (f.load + f.placed) * f.coming
    gives, takes, movable = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i in range(n):
        gives[i] = (f.hot[i] or f.closing[i]) and f.sessions[i] > 0
        takes[i] = not (f.announced[i] or f.closing[i] or f.hot[i]) and f.trust[i] >= TRUST_MIN
        if gives[i]:
            for t in range(f.seats.shape[1]):
                if between(r, t, now):
                    movable[i] += f.seats[i, t]
    if gives.sum() == 0:
        return
    at = np.full(n, -2, np.int64)
    for giver, taker, count in plan_moves(
        load, f.fit, f.sessions, movable, gives, takes, budget_of(p.counts[LIVE], 1.0)
    ):
        if f.slot[taker] < 0:
            continue
        left = count
        i = p.head[GATEWAY, giver] if at[giver] == -2 else at[giver]
        while i >= 0 and left > 0:
            following = p.rows[i, AFTER]
            if may_move(now * 1.0, p.rows[i, MOVED_S] * 1.0, between(r, p.rows[i, TABLE], now), 0):
                move(p, f, GATEWAY, i, taker, now, policy)
                left -= 1
            i = following
        at[giver] = i


def _shift_views(p: People, f: Places, now: int, policy: int, audience: Floats, seed: int) -> None:
    """Steer viewers away from hot edges, to where their tables are already if that is possible."""
    n = len(f.sessions)
    load = (f.load + f.placed) * f.coming
    level = level_of(load, f.fit)
    budget = budget_of(p.counts[LIVE], 1.0)
    for giver in range(n):
        if not f.hot[giver] or f.slot[giver] < 0:
            continue
        left = min(budget, excess(load[giver], f.fit[giver], f.sessions[giver], GIVE_TO * level))
        budget -= left
        for anywhere in range(2):
            i, tries = p.head[EDGE, giver], TRIES * left
            while i >= 0 and left > 0 and tries > 0:
                tries -= 1
                following = p.rows[i, AFTER + WIDTH]
                if may_move(now * 1.0, p.rows[i, MOVED_S + WIDTH] * 1.0, True, 0):
                    copies = replicas(f, policy, audience[p.rows[i, TABLE]], p.counts[LIVE])
                    place = chosen(f, policy, p.rows[i, TABLE], copies, drawn(p, seed), drawn(p, seed))
                    if place != giver and (anywhere or f.seats[place, p.rows[i, TABLE]] > 0):
                        p.counts[NEW_COPIES] += f.seats[place, p.rows[i, TABLE]] == 0
                        move(p, f, EDGE, i, place, now, policy)
                        left -= 1
                i = following


between = compiled(_between)
move = compiled(_move)
shift_sockets = compiled(_shift_sockets)
shift_views = compiled(_shift_views)
