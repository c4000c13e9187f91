"""A bet's way back, compiled: a parcel returns, answers are written, and a gateway acknowledges the cut-off.

An answer's way is booked at once when its parcel returns, and taken back if the connection breaks first: all that
differs from :mod:`sim.gateway`.
"""

from reference_impl.domain.records import Outcome
from sim.hybrid.events import bucket, draw, free_attempt, push, submit
from sim.hybrid.layout import (
    ENDED,
    FREE_PARCELS,
    LATENCY,
    OK,
    ON_FREE,
    ON_WATERMARK,
    REJECTED,
    T_DOWNLINK,
    T_MORE,
    T_OVERSLEEP,
    T_PUSH,
    T_WATERMARK,
    T_WRITE,
    UNANSWERED,
    UNANSWERED_N,
    Setup,
    World,
    constants,
)
from sim.hybrid.path import ATTEMPT_SHIFT
from sim.hybrid.shards import ACCEPTED
from sim.kernels import compiled, rest_ns
from sim.random_streams import Stream

(PUSH,) = constants((Stream.PUSH,))
(DOWNLINK,) = constants((Stream.DOWNLINK,))
WRITE, WATERMARK, OVERSLEEP = constants((Stream.WRITE, Stream.WATERMARK, Stream.OVERSLEEP))
SAID_OK, SAID_NO, NOT_SAID = constants((Outcome.OK, Outcome.REJECTED, Outcome.UNKNOWN))


def _after_pushes(w: World, s: Setup, p: int, g: int, writing_ns: int, at_ns: int) -> int:
    """Return when an answer arrives, none before a broadcast that was written to the same socket earlier.

    Broadcasts to players who are not followed are drawn here, when it matters, and nowhere else.
    """
    player = w.players[p]
    seat = w.seats[g, player.table]
    reach_ns = s.push_ns_max + s.fanout_ns * seat.count
    for start_ns, key in ((seat.start_ns, seat.key), (seat.earlier_ns, seat.earlier_key)):
        if key and start_ns <= writing_ns < start_ns + reach_ns:
            sent_ns = start_ns + s.fanout_ns * (player.place + 1)
            at_ns = max(at_ns, sent_ns + draw(w, s, T_PUSH, PUSH, p, key))
    return at_ns


def _answer(w: World, s: Setup, a: int, g: int, writing_ns: int) -> None:
    """Let an answer travel to its player, if there is still somebody who waits for it at this socket."""
    attempt = w.attempts[a]
    b = attempt.bet
    bet = w.bets[b]
    player = w.players[bet.player]
    way_ns = draw(w, s, T_DOWNLINK, DOWNLINK, bet.player, bet.draw | attempt.number << ATTEMPT_SHIFT)
    at_ns = max(writing_ns + way_ns, player.down_ns)
    if not player.followed:
        at_ns = after_pushes(w, s, bet.player, g, writing_ns, at_ns)
    player.down_ns = at_ns
    if bet.state != UNANSWERED or player.connection != attempt.connection or player.opened_ns == 0:
        return
    w.counts[UNANSWERED_N] -= 1
    bet.state, bet.last, bet.return_ns, bet.written_ns = ENDED, a, at_ns, attempt.written_ns
    bet.outcome = SAID_OK if bet.placed == ACCEPTED else SAID_NO
    w.counts[OK if bet.placed == ACCEPTED else REJECTED] += 1
    w.histograms[LATENCY, bucket(at_ns - bet.due_ns)] += 1


def _unanswer(w: World, p: int, now_ns: int) -> None:
    """Take back the answers that are on their way to a player whose socket breaks now."""
    b = w.players[p].bets
    while b >= 0:
        bet = w.bets[b]
        if bet.state == ENDED and bet.return_ns > now_ns:
            bet.state = UNANSWERED
            w.counts[OK if bet.placed == ACCEPTED else REJECTED] -= 1
            w.histograms[LATENCY, bucket(bet.return_ns - bet.due_ns)] -= 1
            bet.outcome, bet.return_ns = NOT_SAID, 0
            w.counts[UNANSWERED_N] += 1
        b = bet.next


def _acknowledge(w: World, s: Setup, g: int, r: int, now_ns: int) -> None:
    """Tell the dealer that every in-time bet of a window has its answer, once the last is written."""
    cut, gateway = w.cuts[g, r], w.gateways[g]
    cut.cut = 0
    gateway.watermarks += 1
    way_ns = draw(w, s, T_WATERMARK, WATERMARK, g, gateway.watermarks)
    push(w, max(now_ns, cut.written_ns) + max(way_ns, 1), ON_WATERMARK, g, w.rounds[r].id)


def _replied(w: World, s: Setup, row: int, now_ns: int) -> None:
    """Write a parcel's answers to their sockets, and free its lane when the last is written and it has rested."""
    parcel = w.parcels[row]
    g, gateway = parcel.gateway, w.gateways[parcel.gateway]
    alive = parcel.life == gateway.life
    at, stage = parcel.first, T_WRITE
    taken_ns, sent_ns = max(now_ns, gateway.free_ns), w.attempts[at].sent_ns
    while at >= 0:
        attempt = w.attempts[at]
        following = attempt.next
        if alive:
            gateway.writes += 1
            attempt.replied_ns = taken_ns
            writing_ns = submit(w, g, now_ns, draw(w, s, stage, WRITE, g, gateway.writes))
            stage, attempt.written_ns = T_MORE, gateway.free_ns
            answer(w, s, at, g, writing_ns)
            if not attempt.late:
                cut = w.cuts[g, w.bets[attempt.bet].round]
                cut.unanswered -= 1
                cut.written_ns = max(cut.written_ns, attempt.written_ns)
                if cut.cut and cut.unanswered == 0:
                    acknowledge(w, s, g, w.bets[attempt.bet].round, now_ns)
        free_attempt(w, at)
        at = following
    if alive:
        lane = w.lanes[g, parcel.shard]
        gateway.egress_bytes += s.answer_bytes * parcel.size
        gateway.waiting -= parcel.size
        lane.rests += 1
        over_ns = draw(w, s, T_OVERSLEEP, OVERSLEEP, g << 16 | parcel.shard, lane.rests)
        lane.outstanding, lane.free_ns = 2, gateway.free_ns + max(rest_ns(taken_ns - sent_ns) + over_ns, 0)
        if lane.pending:
            lane.waking = 1
            push(w, lane.free_ns, ON_FREE, g << 16 | parcel.shard, gateway.life)
    w.free_parcels[w.counts[FREE_PARCELS]] = row
    w.counts[FREE_PARCELS] += 1


def _cut_off(w: World, s: Setup, r: int, known: int, now_ns: int) -> None:
    """End a window at all gateways that know of it."""
    if w.rounds[r].id != known:
        return
    for g in range(len(w.gateways)):
        if w.cuts[g, r].awaits:
            w.cuts[g, r].awaits = 0
            w.cuts[g, r].cut = 1
            if w.cuts[g, r].unanswered == 0:
                acknowledge(w, s, g, r, now_ns)


after_pushes = compiled(_after_pushes)
answer = compiled(_answer)
unanswer = compiled(_unanswer)
acknowledge = compiled(_acknowledge)
replied = compiled(_replied)
cut_off = compiled(_cut_off)
