"""A bet's way, compiled: player, gateway, wallet shard and back, event by event.

The rules of the path are those of :mod:`sim.gateway` and :mod:`sim.wallet`, and so are the draws, name by name: a
crowd that is followed as a whole gives the very instants that the model of single players gives. What differs is only
how an answer's way back is booked: at once when the batch returns, and taken back if the connection breaks first.
"""

import numpy as np

from reference_impl.domain.bet_verdict import verdict_on_bet
from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome
from sim.hybrid.events import bucket, draw, free_attempt, push, submit, take_attempt, tell
from sim.hybrid.layout import (
    ALPHA,
    BETA,
    BY_STATUS,
    COMMITS,
    ENDED,
    FREE_PARCELS,
    GATEWAY_IN,
    LATENCY,
    NONE,
    OFFERED,
    OK,
    ON_CHECKED,
    ON_CONTROL,
    ON_FREE,
    ON_PARCEL,
    ON_PLACED,
    ON_REACH,
    ON_REPLIED,
    ON_WATERMARK,
    QUEUE,
    REFUSED,
    REJECTED,
    RESENT,
    T_BATCH,
    T_CHECK,
    T_DOWNLINK,
    T_PUSH,
    T_REPLY,
    T_REQUEST,
    T_UPLINK,
    T_WATERMARK,
    T_WRITE,
    TELL_CONTROL_WANTED,
    TIMERS_FIRST,
    TIMERS_N,
    UNANSWERED,
    UNANSWERED_N,
    WAITING,
    WALLET,
    ZERO,
    Setup,
    World,
    constants,
)
from sim.kernels import Int64s, compiled, in_time, may_send, rest_ns
from sim.random_streams import Stream

ATTEMPT_SHIFT = 26
BETS_DONE, CONTROL_DONE = constants((1, 0))
UPLINK, DOWNLINK, CHECK, REQUEST = constants((Stream.UPLINK, Stream.DOWNLINK, Stream.CHECK, Stream.REQUEST))
REPLY, WRITE, BATCH, WATERMARK = constants((Stream.REPLY, Stream.WRITE, Stream.BATCH, Stream.WATERMARK))
PUSH, ACCEPTED = constants((Stream.PUSH, Status.ACCEPTED))
SAID_OK, SAID_NO, SAID_LATE, NOT_SAID = constants(
    (Outcome.OK, Outcome.REJECTED, Outcome.REFUSED, Outcome.UNKNOWN)
)  # fmt: skip
PLAYER_SHIFT = 24
NEVER_NS = 1 << 62

verdict = compiled(verdict_on_bet)


def _link(w: World, b: int, now_ns: int) -> None:
    """Append a bet to its player's own, and drop those whose answer has arrived."""
    player = w.players[w.bets[b].player]
    w.bets[b].next = NONE
    last, at = NONE, player.bets
    while at >= 0:
        following = w.bets[at].next
        if w.bets[at].state == ENDED and w.bets[at].return_ns <= now_ns:
            if last < 0:
                player.bets = following
            else:
                w.bets[last].next = following
        else:
            last = at
        at = following
    if last < 0:
        player.bets = b
    else:
        w.bets[last].next = b


def _unlink(w: World, b: int) -> None:
    """Take a bet from its player's own, if it is still among them."""
    player = w.players[w.bets[b].player]
    if player.bets == b:
        player.bets = w.bets[b].next
        return
    at = player.bets
    while at >= 0 and w.bets[at].next != b:
        at = w.bets[at].next
    if at >= 0:
        w.bets[at].next = w.bets[b].next


def _send(w: World, s: Setup, b: int, now_ns: int) -> None:
    """Send a bet through its player's gateway, and watch its patience."""
    bet = w.bets[b]
    player = w.players[bet.player]
    if player.gateway < 0:
        return
    bet.attempts += 1
    if bet.attempts > 1:
        w.counts[RESENT] += 1
    if bet.invoke_ns == 0:
        bet.invoke_ns = now_ns
    bet.connection, bet.gateway = player.connection, player.gateway
    a = take_attempt(w)
    attempt = w.attempts[a]
    attempt.bet, attempt.next, attempt.number = b, -1, bet.attempts
    attempt.connection, attempt.gateway, attempt.late = player.connection, player.gateway, 0
    attempt.received_ns = attempt.checked_ns = attempt.sent_ns = attempt.wallet_received_ns = 0
    attempt.batch_started_ns = attempt.committed_ns = attempt.replied_ns = attempt.written_ns = 0
    attempt.queue_depth = attempt.batch_size = 0
    bet.last = a
    way_ns = draw(w, s, T_UPLINK, UPLINK, bet.player, bet.draw | bet.attempts << ATTEMPT_SHIFT)
    at_ns = max(now_ns + way_ns, player.up_ns)
    player.up_ns = at_ns
    push(w, at_ns, ON_REACH, a, now_ns)
    size = len(w.timers)
    row = (w.counts[TIMERS_FIRST] + w.counts[TIMERS_N]) % size
    w.timers[row, 0], w.timers[row, 1] = now_ns + s.patience_ns, b
    w.timers[row, 2], w.timers[row, 3] = bet.player << PLAYER_SHIFT | bet.number, bet.attempts
    w.counts[TIMERS_N] += 1


def _refuse(w: World, b: int, now_ns: int) -> None:
    """End a bet that its player never sent."""
    bet = w.bets[b]
    bet.invoke_ns = bet.return_ns = now_ns
    bet.outcome, bet.state = SAID_LATE, ENDED
    w.counts[REFUSED] += 1


def _give_up(w: World, b: int, now_ns: int) -> None:
    """Refuse a bet that has waited too long for a connection."""
    unlink(w, b)
    w.counts[UNANSWERED_N] -= 1
    refuse(w, b, now_ns)


def _invoke(w: World, s: Setup, b: int, now_ns: int) -> None:
    """Let a player place a bet now: refuse it if it is too late, keep it if there is no connection."""
    bet = w.bets[b]
    w.counts[OFFERED] += 1
    connected_ns = w.players[bet.player].opened_ns or NEVER_NS
    if not may_send(now_ns, bet.due_ns, w.rounds[bet.round].closes_ns, connected_ns):
        refuse(w, b, now_ns)
        return
    link(w, b, now_ns)
    w.counts[UNANSWERED_N] += 1
    if w.players[bet.player].opened_ns == 0:
        bet.state = WAITING
    else:
        bet.state = UNANSWERED
        send(w, s, b, now_ns)


def _reach(w: World, s: Setup, a: int, sent_ns: int, now_ns: int) -> None:
    """Let a gateway read a bet when its turn comes."""
    attempt = w.attempts[a]
    bet = w.bets[attempt.bet]
    g = attempt.gateway
    gateway = w.gateways[g]
    if w.players[bet.player].connection != attempt.connection or not gateway.up:
        free_attempt(w, a)
        return
    gateway.checks += 1
    check_ns = draw(w, s, T_CHECK, CHECK, g, gateway.checks)
    attempt.received_ns = submit(w, g, now_ns, check_ns)
    attempt.checked_ns = gateway.free_ns
    known = w.seats[g, w.players[bet.player].table].round == bet.round
    game = w.rounds[bet.round]
    attempt.late = 0 if known and in_time(attempt.received_ns, game.opens_ns, game.closes_ns) else 1
    if not attempt.late:
        w.cuts[g, bet.round].unanswered += 1
    gateway.bets += 1
    gateway.waiting += 1
    w.histograms[GATEWAY_IN, bucket(attempt.received_ns - sent_ns)] += 1
    push(w, gateway.free_ns, ON_CHECKED, a, gateway.life)


def _checked(w: World, s: Setup, a: int, life: int, now_ns: int) -> None:
    """Queue a bet for its shard."""
    attempt = w.attempts[a]
    g = attempt.gateway
    if life != w.gateways[g].life:
        free_attempt(w, a)
        return
    shard = w.players[w.bets[attempt.bet].player].shard
    lane = w.lanes[g, shard]
    attempt.next = -1
    if lane.pending:
        w.attempts[lane.last].next = a
    else:
        lane.first = a
    lane.last = a
    lane.pending += 1
    if lane.outstanding == 2 and now_ns >= lane.free_ns:
        lane.outstanding = 0
    if lane.outstanding == 2 and not lane.waking:
        lane.waking = 1
        push(w, lane.free_ns, ON_FREE, g << 16 | shard, life)
    dispatch(w, s, g, shard, now_ns)


def _dispatch(w: World, s: Setup, g: int, shard: int, now_ns: int) -> None:
    """Send what waits in a lane as one parcel, unless one is under way."""
    lane = w.lanes[g, shard]
    if lane.outstanding or not lane.pending:
        return
    w.counts[FREE_PARCELS] -= 1
    row = w.free_parcels[w.counts[FREE_PARCELS]]
    parcel = w.parcels[row]
    parcel.gateway, parcel.shard, parcel.life, parcel.next = g, shard, w.gateways[g].life, -1
    parcel.size, parcel.first = min(lane.pending, s.batch_bets_max), lane.first
    at = lane.first
    for _ in range(parcel.size - 1):
        w.attempts[at].sent_ns = now_ns
        at = w.attempts[at].next
    w.attempts[at].sent_ns = now_ns
    lane.first = w.attempts[at].next
    w.attempts[at].next = -1
    lane.pending -= parcel.size
    lane.outstanding = 1
    lane.requests += 1
    request_ns = draw(w, s, T_REQUEST, REQUEST, g << 16 | shard, lane.requests)
    push(w, now_ns + request_ns, ON_PARCEL, row, ZERO)


def _free_lane(w: World, s: Setup, lane_id: int, life: int, now_ns: int) -> None:
    g, shard = lane_id >> 16, lane_id & 0xFFFF
    if life != w.gateways[g].life:
        return
    w.lanes[g, shard].waking = 0
    w.lanes[g, shard].outstanding = 0
    dispatch(w, s, g, shard, now_ns)


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
    work(w, s, parcel.shard, now_ns)


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
    push(w, now_ns + cost_ns, ON_PLACED, sh, shard.life)


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
            w.histograms[WALLET, bucket(now_ns - attempt.wallet_received_ns)] += 1
            w.histograms[QUEUE, bucket(shard.started_ns - attempt.wallet_received_ns)] += 1
            at = attempt.next
        row = w.parcels[row].next
    shard.placed += shard.size
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


def _finish_call(w: World, s: Setup, sh: int, controls_next: int, now_ns: int) -> None:
    """Go on with the writer's next call."""
    shard = w.shards[sh]
    shard.busy_ns += now_ns - shard.started_ns
    shard.working = 0
    shard.controls_next = controls_next
    work(w, s, sh, now_ns)


def _replied(w: World, s: Setup, row: int, now_ns: int) -> None:
    """Write a parcel's answers to their sockets, and free its lane when the last is written and it has rested."""
    parcel = w.parcels[row]
    g, gateway = parcel.gateway, w.gateways[parcel.gateway]
    alive = parcel.life == gateway.life
    at = parcel.first
    flight_ns = now_ns - w.attempts[at].sent_ns
    while at >= 0:
        attempt = w.attempts[at]
        following = attempt.next
        if alive:
            gateway.writes += 1
            attempt.replied_ns = now_ns
            submit(w, g, now_ns, draw(w, s, T_WRITE, WRITE, g, gateway.writes))
            attempt.written_ns = gateway.free_ns
            answer(w, s, at, g)
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
        lane.outstanding, lane.free_ns = 2, gateway.free_ns + rest_ns(flight_ns)
        if lane.pending:
            lane.waking = 1
            push(w, lane.free_ns, ON_FREE, g << 16 | parcel.shard, gateway.life)
    w.free_parcels[w.counts[FREE_PARCELS]] = row
    w.counts[FREE_PARCELS] += 1


def _after_pushes(w: World, s: Setup, p: int, g: int, written_ns: int, at_ns: int) -> int:
    """Return when an answer arrives, none before a broadcast that was written to the same socket earlier.

    Broadcasts to players who are not followed are drawn here, when it matters, and nowhere else.
    """
    player = w.players[p]
    seat = w.seats[g, player.table]
    reach_ns = s.push_ns_max + s.fanout_ns * seat.count
    for start_ns, key in ((seat.start_ns, seat.key), (seat.earlier_ns, seat.earlier_key)):
        if key and start_ns <= written_ns < start_ns + reach_ns:
            sent_ns = start_ns + s.fanout_ns * (player.place + 1)
            at_ns = max(at_ns, sent_ns + draw(w, s, T_PUSH, PUSH, p, key))
    return at_ns


def _answer(w: World, s: Setup, a: int, g: int) -> None:
    """Let an answer travel to its player, if there is still somebody who waits for it at this socket."""
    attempt = w.attempts[a]
    b = attempt.bet
    bet = w.bets[b]
    player = w.players[bet.player]
    way_ns = draw(w, s, T_DOWNLINK, DOWNLINK, bet.player, bet.draw | attempt.number << ATTEMPT_SHIFT)
    at_ns = max(attempt.written_ns + way_ns, player.down_ns)
    if not player.followed:
        at_ns = after_pushes(w, s, bet.player, g, attempt.written_ns, at_ns)
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


def _control_started(w: World, sh: int, cost_ns: int, now_ns: int) -> None:
    """Let a control step take its time."""
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


link, unlink = compiled(_link), compiled(_unlink)
send = compiled(_send)
refuse = compiled(_refuse)
give_up = compiled(_give_up)
invoke = compiled(_invoke)
reach = compiled(_reach)
dispatch = compiled(_dispatch)
checked = compiled(_checked)
free_lane = compiled(_free_lane)
work = compiled(_work)
queue_parcel = compiled(_queue_parcel)
place = compiled(_place)
finish_call = compiled(_finish_call)
placed = compiled(_placed)
after_pushes = compiled(_after_pushes)
answer = compiled(_answer)
unanswer = compiled(_unanswer)
acknowledge = compiled(_acknowledge)
replied = compiled(_replied)
cut_off = compiled(_cut_off)
control_started = compiled(_control_started)
kill_shard = compiled(_kill_shard)
accepted = compiled(_accepted)
pay_out = compiled(_pay_out)
