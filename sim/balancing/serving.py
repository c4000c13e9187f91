"""What places have to do in a second and how long it takes: formulas instead of queues; compiled.

A gateway is one server with several kinds of work. Waiting is Pollaczek's and Khinchine's mean for the second's work,
λ E[S²] / 2 (1 - ρ), in which broadcasts weigh most, since one keeps the gateway for all of its sockets; and what was
left over from earlier seconds is waited for whole. How long a bet stays is taken as exponential with that mean.

An edge answers all viewers of a part one after the other; the queue stretches that by 1 / (1 - ρ).
"""

from math import log

import numpy as np

from sim.balancing.crowd import Places
from sim.balancing.setting import Rounds
from sim.kernels import Floats, compiled

BUCKETS_PER_E = 16
SHORTEST_S = 1e-6
BUCKETS = 20 * BUCKETS_PER_E
"""Of a histogram of mean responses, each 6 % wide, up to 485 s."""

RHO_MAX = 0.95
"""What waits beyond is counted as left over."""

EDGE_ANSWER_S = 14e-6


def _bucket(seconds: float) -> int:
    return min(BUCKETS - 1, max(0, int(BUCKETS_PER_E * log(max(seconds, SHORTEST_S) / SHORTEST_S))))


def _serve_bets(
    g: Places, r: Rounds, now: int, speeds: Floats, cores: float, bet_s: float, fanout_s: float, accept_s: float,
    used: Floats, histogram: Floats,
) -> None:  # fmt: skip
    """Let gateways work for a second; write the share of each that is used, and count bets by their mean response."""
    tables = len(r.cycle)
    rate, sends = np.empty(tables), np.empty(tables)
    for t in range(tables):
        second = (now + r.offset[t]) % r.cycle[t]
        rate[t], sends[t] = r.bets[t, second], r.events[t, second]
    for i in range(len(g.sessions)):
        core = cores * speeds[i]
        row = g.seats[i]
        bets, told, squared = 0.0, 0.0, 0.0
        for t in range(tables):
            n = row[t] * 1.0
            bets += n * rate[t]
            told += n * sends[t]
            squared += n * n * sends[t]
        work = g.accepted[i] * accept_s + told * fanout_s
        squares = g.accepted[i] * accept_s * accept_s + squared * fanout_s * fanout_s
        work += bets * bet_s
        squares += bets * bet_s * bet_s
        rho = work / core
        wait = squares / (core * core) / (2.0 * (1.0 - min(rho, RHO_MAX)))
        g.response[i] = bet_s / core + wait + g.backlog[i] / core
        g.backlog[i] = max(0.0, g.backlog[i] + work - core)
        used[i] = rho
        histogram[bucket(g.response[i])] += bets
        g.accepted[i] = 0


def _serve_views(e: Places, speeds: Floats, view_s: float, used: Floats, histogram: Floats) -> None:
    """Let edges work for a second."""
    for i in range(len(e.sessions)):
        rho = e.sessions[i] * view_s / speeds[i]
        e.response[i] = e.sessions[i] * EDGE_ANSWER_S / 2.0 / speeds[i] / (1.0 - min(rho, RHO_MAX)) + e.backlog[i]
        e.backlog[i] = min(5.0, max(0.0, e.backlog[i] + rho - 1.0))
        used[i] = rho
        histogram[bucket(e.response[i])] += e.sessions[i]
        e.accepted[i] = 0


bucket = compiled(_bucket)
serve_bets = compiled(_serve_bets)
serve_views = compiled(_serve_views)
