"""Places at work for a second, and how long it takes: every bet and every burst of a part waits its turn; compiled.

Theory: a place is one server, first come first served, so its unfinished work is all that a newcomer waits for
(Lindley). A gateway has four kinds of work. A broadcast comes at its table's own instant of the second and keeps the
gateway for all of the table's sockets; bets come at random, at their tables' present rates; each takes a bet's work;
newcomers come evenly. Work that is left over at the end of a second is there at the beginning of the next.

An edge has all viewers of a table wait for the same segment, every two seconds, with a playlist and a part each. It
answers them one after the other; then they ask for the next ones, which is work, too, before another table's burst.

Waits behind a broadcast are rare and long. Formulas of means (Pollaczek and Khinchine) smooth them away and understate
the 99th percentile by six, so there are none here.
"""

from math import log

import numpy as np

from sim.balancing.crowd import Places
from sim.balancing.setting import TOLD_MAX, Rounds
from sim.kernels import TO_UNIT, Floats, compiled, lane_end, lane_key
from sim.random_streams import LANE_A, Stream

BUCKETS_PER_E = 16
SHORTEST_S = 1e-5
BUCKETS = 18 * BUCKETS_PER_E
"""Of a histogram of times, each 6 % wide, up to 650 s."""

EDGE_ANSWER_S = 14e-6
SEGMENT_S = 2
ANSWERS = 2
"""A viewer waits for a playlist and a part."""

SLICES = 8
"""Into so many equal parts a burst is cut when its answers are counted."""

BACKLOG_S_MAX = 5.0
"""An edge's viewers give up waiting beyond."""

NEVER_S = 2.0
GAPS = int(Stream.BET_GAPS)
DRAWS_PER_SECOND = 1 << 16


def _gap(key: int, k: int) -> float:
    """Return the `k`-th exponential of mean 1 under a key."""
    return -log((lane_end(key, LANE_A, k) + 0.5) * TO_UNIT)


def _bucket(seconds: float) -> int:
    return min(BUCKETS - 1, max(0, int(BUCKETS_PER_E * log(max(seconds, SHORTEST_S) / SHORTEST_S))))


def _serve_bets(
    g: Places, r: Rounds, now: int, speeds: Floats, cores: float, bet_s: float, fanout_s: float, accept_s: float,
    seed: int, used: Floats, took: Floats,
) -> None:  # fmt: skip
    """Let gateways work for a second.

    Parameters
    ----------
    g, r : Places, Rounds
        Gateways and tables.
    now : int
        The second.
    speeds : array, shape (places,)
        How fast each is.
    cores, bet_s, fanout_s, accept_s : float
        As :class:`sim.balancing.setting.Setting` says.
    seed : int
        For the gaps between bets.
    used : array, shape (places,)
        Is given the share of each that this second's work asks for.
    took : array, shape (places, BUCKETS)
        Is given how many bets took how long, from coming to leaving.
    """
    tables = len(r.cycle)
    before, rises, sends = np.empty(tables), np.empty(tables), np.empty(tables)
    for t in range(tables):
        second = (now + r.offset[t]) % r.cycle[t]
        before[t] = r.bets[t, (second - 1) % r.cycle[t]]
        rises[t] = r.bets[t, second] - before[t]
        sends[t] = r.events[t, second]
    for i in range(len(g.sessions)):
        core, row = cores * speeds[i], g.seats[i]
        rate = 0.0
        for t in range(tables):
            rate += row[t] * before[t]
        left, work, clock, draws = g.backlog[i], 0.0, 0.0, now * DRAWS_PER_SECOND
        gap = 1.0 / g.accepted[i] if g.accepted[i] else NEVER_S
        accept_at, bets, total = gap / 2.0, 0, 0.0
        key = lane_key(LANE_A, seed, GAPS, i)
        wait = gap_of(key, draws)  # until the next bet, in mean gaps: rates may change meanwhile
        for rank in range(len(r.told_of) + 1):
            t, until, send, rise = 0, 1.0, 0.0, 0.0
            if rank < len(r.told_of):
                t, turn = r.told_of[rank] // TOLD_MAX, r.told_of[rank] % TOLD_MAX
                send = min(1.0, max(0.0, sends[t] - turn))
                rise = rises[t] if turn == 0 else 0.0
                if row[t] == 0 or (send == 0.0 and rise == 0.0):
                    continue
                until = r.told_s[rank]
            while True:
                bet_at = clock + wait / rate if rate > 1e-9 else NEVER_S
                then = min(bet_at, accept_at)
                if then >= until:
                    break
                left, wait, clock = max(0.0, left - (then - clock) * core), wait - (then - clock) * rate, then
                if bet_at <= accept_at:
                    draws += 1
                    wait = gap_of(key, draws)
                    left, work = left + bet_s, work + bet_s
                    took[i, bucket(left / core)] += 1.0
                    bets, total = bets + 1, total + left / core
                else:
                    left, work, accept_at = left + accept_s, work + accept_s, accept_at + gap
            left, wait, clock = max(0.0, left - (until - clock) * core), wait - (until - clock) * rate, until
            send_s = row[t] * send * fanout_s
            left, work, rate = left + send_s, work + send_s, max(0.0, rate + row[t] * rise)
        g.backlog[i], used[i], g.accepted[i] = left, work / core, 0
        if bets:
            g.response[i] = total / bets


def _serve_views(
    e: Places, r: Rounds, now: int, speeds: Floats, view_s: float, used: Floats, took: Floats
) -> None:  # fmt: skip
    """Let edges work for a second; as :func:`serve_bets`, with answers to viewers instead of bets."""
    for i in range(len(e.sessions)):
        speed, row = speeds[i], e.seats[i]
        left, clock, views, total = e.backlog[i], 0.0, 0.0, 0.0
        for rank in range(len(r.told_of)):
            t = r.told_of[rank] // TOLD_MAX
            if r.told_of[rank] % TOLD_MAX or row[t] == 0 or (now + r.offset[t]) % SEGMENT_S:
                continue
            left, clock = max(0.0, left - (r.phase[t] - clock) * speed), r.phase[t]
            answers_s = ANSWERS * row[t] * EDGE_ANSWER_S
            for part in range(SLICES):
                took_s = (left + answers_s * (part + 0.5) / SLICES) / speed
                took[i, bucket(took_s)] += row[t] / SLICES
                total += took_s * row[t] / SLICES
            left, views = left + SEGMENT_S * row[t] * view_s, views + row[t]
        e.backlog[i] = min(BACKLOG_S_MAX, max(0.0, left - (1.0 - clock) * speed))
        used[i] = e.sessions[i] * view_s / speed
        e.accepted[i] = 0
        if views > 0.0:
            e.response[i] = total / views


bucket = compiled(_bucket)
gap_of = compiled(_gap)
serve_bets = compiled(_serve_bets)
serve_views = compiled(_serve_views)
