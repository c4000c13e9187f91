"""Wallet shards, compiled: parcels queue, a writer takes what waits in one call, bets are booked and paid out.

The rules are those of :mod:`sim.wallet`, and so are the draws, name by name.
"""

import numpy as np

from reference_impl.domain.bet_verdict import verdict_on_bet
from reference_impl.domain.bets import Status
from sim.hybrid.events import bucket, draw, push, tell
from sim.hybrid.layout import (
    ALPHA,
    BETA,
    BY_STATUS,
    COMMITS,
    ON_CONTROL,
    ON_PLACED,
    ON_REPLIED,
    QUEUE,
    T_BATCH,
    T_REPLY,
    TELL_CONTROL_WANTED,
    WALLET,
    ZERO,
    Row,
    Setup,
    World,
    constants,
)
from sim.kernels import Int64s, compiled
from sim.random_streams import Stream

BETS_DONE, CONTROL_DONE = constants((1, 0))
REPLY, BATCH = constants((Stream.REPLY, Stream.BATCH))
(ACCEPTED,) = constants((Status.ACCEPTED,))
verdict = compiled(verdict_on_bet)


def _work(w: World, s: Setup, sh: int, now_ns: int) -> None:
    """Start the writer's next call: all parcels that wait, up to a limit, or one step of a control request."""
    shard = w.shards[sh]
    if shard.working or shard.down or (shard.first < 0 and not shard.controls):
        return
    shard.working, shard.started_ns = 1, now_ns
    if shard.controls and (shard.controls_next or shard.first < 0):
        shard.controls -= 1
        shard.working = 2
        tell(w, now_ns, TELL_CONTROL_WANTED, sh, shard.life)
        return
    shard.taken = last = shard.first
    size = w.parcels[last].size
    following = w.parcels[last].next
    while following >= 0 and size + w.parcels[following].size <= s.batch_bets_max:
        size += w.parcels[following].size
        last, following = following, w.parcels[following].next
    w.parcels[last].next = -1
    shard.first, shard.size = following, size
    shard.queued -= size
    shard.depth = size + shard.queued
    shard.batches += 1
    residual_ns = draw(w, s, T_BATCH, BATCH, sh, shard.batches)
    cost_ns = max(w.cycle[ALPHA] + w.cycle[BETA] * size + residual_ns, 1)
    shard.work_ns += cost_ns
    shard.ends_ns = now_ns + cost_ns
    push(w, now_ns + cost_ns, ON_PLACED, sh, shard.life)


def _change(shard: Row, by: int, now_ns: int) -> None:
    """Let bets come to a wallet, or leave: how many are there is summed over time."""
    shard.inside_ns += shard.here * (now_ns - shard.since_ns)
    shard.since_ns = now_ns
    shard.here += by


def _queue_parcel(w: World, s: Setup, row: int, now_ns: int) -> None:
    """Let a parcel arrive at its wallet."""
    parcel = w.parcels[row]
    shard = w.shards[parcel.shard]
    at = parcel.first
    while at >= 0:
        w.attempts[at].wallet_received_ns = now_ns
        at = w.attempts[at].next
    if shard.first < 0:
        shard.first = row
    else:
        w.parcels[shard.last].next = row
    shard.last = row
    shard.queued += parcel.size
    change(shard, parcel.size, now_ns)
    work(w, s, parcel.shard, now_ns)


def _place(w: World, b: int, late: int, sh: int, started_ns: int) -> None:
    """Write a bet to the books, once; the same bet gets the same answer again."""
    bet = w.bets[b]
    if bet.placed:
        return
    player, book, shard = w.players[bet.player], w.books[bet.round, sh], w.shards[sh]
    shut = late != 0 or book.closed != 0 or started_ns >= book.until_ns
    status = verdict(book.known != 0, shut, player.balance, bet.amount).value
    if status == ACCEPTED:
        player.balance -= bet.amount
        player.version += 1
        if book.count:
            w.bets[book.last].next_accepted = b
        else:
            book.first = b
        book.last = b
        book.count += 1
    shard.seq += 1
    bet.placed, bet.balance, bet.version, bet.seq = status, player.balance, player.version, shard.seq
    w.counts[BY_STATUS + status] += 1
    if player.followed:
        w.commits[w.counts[COMMITS], 0] = b
        w.commits[w.counts[COMMITS], 1] = late
        w.commits[w.counts[COMMITS], 2] = started_ns
        w.counts[COMMITS] += 1


def _finish_call(w: World, s: Setup, sh: int, controls_next: int, now_ns: int) -> None:
    """Go on with the writer's next call."""
    shard = w.shards[sh]
    shard.busy_ns += now_ns - shard.started_ns
    shard.working = 0
    shard.controls_next = controls_next
    work(w, s, sh, now_ns)


def _placed(w: World, s: Setup, sh: int, life: int, now_ns: int) -> None:
    """End a batch: what it wrote is durable, and each gateway gets its answers."""
    shard = w.shards[sh]
    if life != shard.life:
        return
    row = shard.taken
    while row >= 0:
        at = w.parcels[row].first
        while at >= 0:
            attempt = w.attempts[at]
            place(w, attempt.bet, attempt.late, sh, shard.started_ns)
            attempt.batch_started_ns, attempt.committed_ns = shard.started_ns, now_ns
            attempt.batch_size, attempt.queue_depth = shard.size, shard.depth
            shard.stays_ns += now_ns - attempt.wallet_received_ns
            w.histograms[WALLET, bucket(now_ns - attempt.wallet_received_ns)] += 1
            w.histograms[QUEUE, bucket(shard.started_ns - attempt.wallet_received_ns)] += 1
            at = attempt.next
        row = w.parcels[row].next
    shard.placed += shard.size
    change(shard, -shard.size, now_ns)
    row = shard.taken
    shard.taken = -1
    while row >= 0:
        g = w.parcels[row].gateway
        lane = w.lanes[g, sh]
        lane.replies += 1
        back_ns = draw(w, s, T_REPLY, REPLY, g << 16 | sh, lane.replies)
        push(w, now_ns + back_ns, ON_REPLIED, row, ZERO)
        row = w.parcels[row].next
    finish_call(w, s, sh, BETS_DONE, now_ns)


def _control_started(w: World, sh: int, cost_ns: int, now_ns: int) -> None:
    """Let a control step take its time."""
    w.shards[sh].work_ns += cost_ns
    w.shards[sh].ends_ns = now_ns + cost_ns
    push(w, now_ns + cost_ns, ON_CONTROL, sh, w.shards[sh].life)


def _kill_shard(w: World, sh: int, now_ns: int) -> int:
    """Stop a writer; its call has no effect and is repeated. Return whether it was a control step."""
    shard = w.shards[sh]
    shard.down += 1
    shard.life += 1
    working = shard.working
    if not working:
        return 0
    shard.busy_ns += now_ns - shard.started_ns
    shard.work_ns -= max(0, shard.ends_ns - now_ns)
    shard.working = 0
    if working == 2:
        shard.controls += 1
        return 1
    last = shard.taken
    while w.parcels[last].next >= 0:
        last = w.parcels[last].next
    w.parcels[last].next = shard.first
    if shard.first < 0:
        shard.last = last
    shard.first = shard.taken
    shard.queued += shard.size
    return 0


def _accepted(w: World, r: int, sh: int, limit: int) -> Int64s:
    """Return the rows of a round's first unsettled bets in a shard, in commit order."""
    book = w.books[r, sh]
    rows = np.empty(min(limit, book.count), dtype=np.int64)
    at = book.first
    for i in range(len(rows)):
        rows[i] = at
        at = w.bets[at].next_accepted
    return rows


def _pay_out(w: World, r: int, sh: int, rows: Int64s, amounts: Int64s) -> None:  # fmt: skip
    """Credit the round's first unsettled bets and take them off the book."""
    book = w.books[r, sh]
    for i in range(len(rows)):
        bet = w.bets[rows[i]]
        player = w.players[bet.player]
        player.balance += amounts[i]
        if amounts[i]:
            player.version += 1
        book.first = bet.next_accepted
        book.count -= 1
    w.shards[sh].seq += len(rows)


change = compiled(_change)
work = compiled(_work)
queue_parcel = compiled(_queue_parcel)
place = compiled(_place)
finish_call = compiled(_finish_call)
placed = compiled(_placed)
control_started = compiled(_control_started)
kill_shard = compiled(_kill_shard)
accepted = compiled(_accepted)
pay_out = compiled(_pay_out)
