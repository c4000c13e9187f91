"""Primitives of the compiled event loop: a heap with stable ties, free lists, one core's queue, histograms, draws.

Functions here are plain Python that :mod:`sim.kernels` compiles. Events at one instant happen in the order in which
they were scheduled, as in SimPy.
"""

import numpy as np

from sim.hybrid.ahead import ask_for
from sim.hybrid.layout import (
    BUCKETS_PER_OCTAVE,
    EVENTS,
    FREE_ATTEMPTS,
    FREE_BETS,
    HISTOGRAM,
    ORDER,
    SEEN_N,
    TOLD,
    Setup,
    World,
)
from sim.kernels import compiled, quantile_ns, uniform_under

AT, RANK, A, B = range(4)
"""Columns of the heap: when; the order in which it was scheduled, with its kind in the low bits; two rows."""
COLUMNS = 4
KIND_BITS = 5
KIND_MASK = (1 << KIND_BITS) - 1

MANTISSA_BITS_DROPPED = 52 - (BUCKETS_PER_OCTAVE.bit_length() - 1)
EXPONENT_OF_FIRST = 1023 + BUCKETS_PER_OCTAVE.bit_length() - 2
"""The float exponent field of :data:`BUCKETS_PER_OCTAVE`, less the octave below, which is exact."""


def _push(w: World, at_ns: int, kind: int, a: int, b: int) -> None:
    """Schedule an event."""
    heap, counts = w.heap, w.counts
    i = counts[EVENTS]
    counts[EVENTS] += 1
    counts[ORDER] += 1
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent, AT] <= at_ns:
            break
        for column in range(COLUMNS):
            heap[i, column] = heap[parent, column]
        i = parent
    heap[i, AT], heap[i, RANK], heap[i, A], heap[i, B] = at_ns, counts[ORDER] << KIND_BITS | kind, a, b


def _pop(w: World) -> tuple[int, int, int]:
    """Take the next event: kind, `a`, `b`.

    The gap that it leaves sinks to the bottom, and the last event rises from there: it hardly ever has far to go.
    """
    heap, counts = w.heap, w.counts
    kind, a, b = heap[0, RANK] & KIND_MASK, heap[0, A], heap[0, B]
    counts[EVENTS] -= 1
    n = counts[EVENTS]
    i, child = 0, 1
    while child < n:
        behind_ns = heap[child, AT] - heap[child + 1, AT]  # the last event stands behind all others
        child += (behind_ns > 0) | ((behind_ns == 0) & (heap[child, RANK] > heap[child + 1, RANK]))
        for column in range(COLUMNS):
            heap[i, column] = heap[child, column]
        i, child = child, 2 * child + 1
    at_ns, rank = heap[n, AT], heap[n, RANK]
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent, AT] < at_ns or (heap[parent, AT] == at_ns and heap[parent, RANK] < rank):
            break
        for column in range(COLUMNS):
            heap[i, column] = heap[parent, column]
        i = parent
    for column in range(COLUMNS):
        heap[i, column] = heap[n, column]
    return kind, a, b


def _tell(w: World, at_ns: int, kind: int, a: int, b: int) -> None:
    """Leave word for SimPy."""
    n = w.counts[TOLD]
    w.told[n, 0], w.told[n, 1], w.told[n, 2], w.told[n, 3] = at_ns, kind, a, b
    w.counts[TOLD] += 1


def _see(w: World, kind: int, player: int, at_ns: int, a: int, b: int, c: int, x: float) -> None:
    """Note something of a player who is followed."""
    row = w.seen[w.counts[SEEN_N]]
    row.kind, row.player, row.at_ns, row.a, row.b, row.c, row.x = kind, player, at_ns, a, b, c, x
    w.counts[SEEN_N] += 1


def _take_bet(w: World) -> int:
    """Return a bet's row, cleared."""
    w.counts[FREE_BETS] -= 1
    row = int(w.free_bets[w.counts[FREE_BETS]])
    if w.counts[FREE_BETS]:
        ask_for(w.bets, w.free_bets[w.counts[FREE_BETS] - 1])
    bet = w.bets[row]
    bet.invoke_ns = bet.return_ns = bet.written_ns = 0
    bet.attempts = bet.state = bet.outcome = bet.placed = bet.connection = 0
    bet.next = bet.next_accepted = bet.next_of_round = bet.last = bet.gateway = bet.round = -1
    bet.balance = bet.version = bet.seq = bet.amount = bet.draw = 0
    bet.selection = 0
    return row


def _free_bet(w: World, row: int) -> None:
    w.free_bets[w.counts[FREE_BETS]] = row
    w.counts[FREE_BETS] += 1


def _take_attempt(w: World) -> int:
    """Return an attempt's row."""
    w.counts[FREE_ATTEMPTS] -= 1
    return int(w.free_attempts[w.counts[FREE_ATTEMPTS]])


def _free_attempt(w: World, row: int) -> None:
    """Give an attempt's row back, unless its player is followed."""
    if not w.players[w.bets[w.attempts[row].bet].player].followed:
        w.free_attempts[w.counts[FREE_ATTEMPTS]] = row
        w.counts[FREE_ATTEMPTS] += 1


def _submit(w: World, gateway: int, now_ns: int, service_ns: int) -> int:
    """Queue work at a gateway's one core; return when it starts. It ends at the core's ``free_ns``."""
    core = w.gateways[gateway]
    start_ns = max(now_ns, core.free_ns)
    core.idle_ns += start_ns - core.free_ns
    core.free_ns = start_ns + service_ns
    core.work_ns += service_ns
    core.lag_ns_max = max(core.lag_ns_max, start_ns - now_ns)
    return int(start_ns)


def bucket_of(ns: int) -> int:
    """Return the histogram bucket of a time: exact below 128 ns, then 128 buckets an octave."""
    if ns < BUCKETS_PER_OCTAVE:
        return max(ns, 0)
    bits = np.float64(ns).view(np.int64) >> MANTISSA_BITS_DROPPED  # exponent, and the mantissa's first seven bits
    return min(int(bits) - EXPONENT_OF_FIRST * BUCKETS_PER_OCTAVE, HISTOGRAM - 1)


def _draw(w: World, s: Setup, row: int, stream: int, who: int, k: int) -> int:
    """Return a draw from one of the model's tables, in ns."""
    u = uniform_under(s.keys[stream, 0], s.keys[stream, 1], who, k)
    return int(quantile_ns(u, w.levels, w.tables[row]))


push = compiled(_push)
pop = compiled(_pop)
tell = compiled(_tell)
see = compiled(_see)
take_bet = compiled(_take_bet)
free_bet = compiled(_free_bet)
take_attempt = compiled(_take_attempt)
free_attempt = compiled(_free_attempt)
submit = compiled(_submit)
bucket = compiled(bucket_of)
draw = compiled(_draw)
