"""A bet's way from its player to its wallet, compiled: sent, read, checked, and put into a lane's next parcel.

The rules are those of :mod:`sim.gateway`, and so are the draws, name by name: a crowd that is followed as a whole gives
the very instants that the model of single players gives.
"""

from reference_impl.domain.records import Outcome
from sim.hybrid.events import bucket, draw, free_attempt, push, submit, take_attempt
from sim.hybrid.layout import (
    ENDED,
    FREE_PARCELS,
    GATEWAY_IN,
    NONE,
    OFFERED,
    ON_CHECKED,
    ON_FREE,
    ON_PARCEL,
    ON_REACH,
    ON_READ,
    REFUSED,
    RESENT,
    T_CHECK,
    T_REQUEST,
    T_UPLINK,
    T_WAKE,
    TIMERS_FIRST,
    TIMERS_N,
    UNANSWERED,
    UNANSWERED_N,
    WAITING,
    ZERO,
    Setup,
    World,
    constants,
)
from sim.kernels import compiled, in_time, may_send
from sim.random_streams import Stream

ATTEMPT_SHIFT = 26
UPLINK, CHECK, REQUEST, ROUSE = constants((Stream.UPLINK, Stream.CHECK, Stream.REQUEST, Stream.ROUSE))
(SAID_LATE,) = constants((Outcome.REFUSED,))
PLAYER_SHIFT = 24
NEVER_NS = 1 << 62


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
    """Let a bet come to its gateway, which wakes for the first and reads with it what has come by then."""
    attempt = w.attempts[a]
    bet = w.bets[attempt.bet]
    g = attempt.gateway
    gateway = w.gateways[g]
    if w.players[bet.player].connection != attempt.connection or not gateway.up:
        free_attempt(w, a)
        return
    if now_ns >= gateway.awake_ns and w.tables[T_WAKE, -1] > 0:
        gateway.wakes += 1
        gateway.awake_ns = now_ns + draw(w, s, T_WAKE, ROUSE, g, gateway.wakes)
    if now_ns < gateway.awake_ns:
        push(w, gateway.awake_ns, ON_READ, a, sent_ns)
    else:
        read(w, s, a, sent_ns, now_ns)


def _read(w: World, s: Setup, a: int, sent_ns: int, now_ns: int) -> None:
    """Let a gateway that is awake read a bet when its turn comes."""
    attempt = w.attempts[a]
    bet = w.bets[attempt.bet]
    g = attempt.gateway
    gateway = w.gateways[g]
    if not gateway.up:
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
    if lane.waking or lane.outstanding == 1:
        return
    # A sender that rests looks when it has rested; any other when what was read by now is checked, and takes it along.
    ready_ns = lane.free_ns if lane.outstanding == 2 else w.gateways[g].free_ns
    if ready_ns > now_ns:
        lane.waking = 1
        push(w, ready_ns, ON_FREE, g << 16 | shard, life)
    else:
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


link = compiled(_link)
unlink = compiled(_unlink)
send = compiled(_send)
refuse = compiled(_refuse)
give_up = compiled(_give_up)
invoke = compiled(_invoke)
read = compiled(_read)
reach = compiled(_reach)
dispatch = compiled(_dispatch)
checked = compiled(_checked)
free_lane = compiled(_free_lane)
