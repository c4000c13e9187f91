"""Players of a crowd, compiled: they come, log in, are placed, hear of rounds, plan bets, lose gateways and return.

The rules are those of :mod:`sim.players`, placement is the domain's own, and plans are :mod:`sim.arrivals`'.
"""

import numpy as np

from reference_impl.domain.game_round import Phase
from reference_impl.domain.ids import ROUND_NO_MAX
from reference_impl.domain.placement import two_choices
from reference_impl.domain.records import OpKind, Outcome
from sim.arrivals import DRAWS_PER_ROUND
from sim.hybrid.events import draw, free_bet, pop, push, see, submit, take_bet, tell
from sim.hybrid.layout import (
    ARRIVED,
    COMMITS,
    CONNECTED,
    CONNECTS,
    ENDED,
    EVENTS,
    EVENTS_DONE,
    FREE_ATTEMPTS,
    FREE_BETS,
    FREE_PARCELS,
    LOGINS,
    NONE,
    NOW,
    ON_CHECKED,
    ON_CONTROL,
    ON_CUT,
    ON_DUE,
    ON_FREE,
    ON_INVOKE,
    ON_KNOCK,
    ON_LOGGED_IN,
    ON_PARCEL,
    ON_PLACED,
    ON_REACH,
    ON_REPLIED,
    ON_TABLE_DUE,
    ON_WATERMARK,
    ON_WELCOME,
    PUSHED,
    RECONNECTS,
    SEEN_N,
    SEEN_PLACEMENT,
    SEEN_PUSH,
    SEEN_SESSION,
    T_CONNECT,
    T_LAG,
    T_LOGIN,
    T_PUSH,
    T_RECONNECT,
    TELL_CONTROL_DONE,
    TELL_WATERMARK,
    TIMERS_FIRST,
    TIMERS_N,
    TOLD,
    UNANSWERED,
    WAITING,
    ZERO,
    Setup,
    World,
    constants,
)
from sim.hybrid.path import (
    PLAYER_SHIFT,
    checked,
    cut_off,
    free_lane,
    give_up,
    invoke,
    placed,
    queue_parcel,
    reach,
    replied,
    send,
    unanswer,
    unlink,
)
from sim.kernels import Int64s, bets_count, compiled, may_send, planned_bet, uniform
from sim.random_streams import Stream

LOGIN, CONNECT, RECONNECT = constants((Stream.LOGIN, Stream.CONNECT, Stream.RECONNECT))
FIRST, SECOND, LAG, PUSH = constants(
    (Stream.PLACEMENT_FIRST, Stream.PLACEMENT_SECOND, Stream.LAG, Stream.PUSH)
)  # fmt: skip
KIND_LOGIN, KIND_CONNECT, KIND_BET = constants((OpKind.LOGIN, OpKind.CONNECT, OpKind.BET))
SAID_OK, SAID_NO, BETS_OPEN, CLOSING_SOON = constants(
    (Outcome.OK, Outcome.REJECTED, Phase.BETS_OPEN, Phase.CLOSING_SOON)
)  # fmt: skip
NORMAL, ABNORMAL = constants((1000, 1006))
FOREVER = np.iinfo(np.int64).max
MARGIN = 512
"""Rows that one event may take at most, beside a batch's: a newcomer's bets, a returner's resends."""

REACHED, TOLD_SOMETHING, FULL = 0, 1, 2
"""Why :data:`advance` returned."""

choose_gateway = compiled(two_choices)


def _new_op(w: World, p: int, kind: int, now_ns: int) -> int:
    """Count an operation of a player; return its row if the player is followed, else -1."""
    player = w.players[p]
    player.operations += 1
    if not player.followed:
        return -1
    row = take_bet(w)
    op = w.bets[row]
    op.kind, op.player, op.number, op.due_ns, op.state = kind, p, player.operations, now_ns, ENDED
    return int(row)


def _arrive(w: World, s: Setup, p: int, now_ns: int) -> None:
    w.counts[LOGINS] += 1
    row = new_op(w, p, KIND_LOGIN, now_ns)
    if row >= 0:
        w.bets[row].invoke_ns, w.bets[row].attempts = now_ns, 1
    w.players[p].op = row
    push(w, now_ns + draw(w, s, T_LOGIN, LOGIN, p, ZERO), ON_LOGGED_IN, p, ZERO)


def _logged_in(w: World, s: Setup, p: int, now_ns: int) -> None:
    player = w.players[p]
    if player.op >= 0:
        w.bets[player.op].outcome, w.bets[player.op].return_ns = SAID_OK, now_ns
    player.op = new_op(w, p, KIND_CONNECT, now_ns)
    player.tries = 0
    player.way_ns = draw(w, s, T_CONNECT, CONNECT, p, ZERO)
    sit_down(w, s, p, NONE, now_ns)


def _sit_down(w: World, s: Setup, p: int, avoid: int, now_ns: int) -> None:
    """Connect to one of two gateways, the less loaded; try again while there is none."""
    player = w.players[p]
    player.tries += 1
    if player.op >= 0:
        op = w.bets[player.op]
        op.attempts = player.tries
        if op.invoke_ns == 0:
            op.invoke_ns = now_ns
    numbers = np.empty(len(w.gateways), dtype=np.int64)
    loads = np.empty(len(w.gateways), dtype=np.float64)
    n = 0
    for g in range(len(w.gateways)):
        if w.gateways[g].up and g != avoid:
            numbers[n] = g
            loads[n] = w.gateways[g].connections + w.gateways[g].expected
            n += 1
    chosen = NONE
    if n:
        k = player.connection << 8 | player.tries & 0xFF
        at = choose_gateway(loads[:n], uniform(s.seed, FIRST, p, k), uniform(s.seed, SECOND, p, k))
        chosen = numbers[at]
        w.gateways[chosen].expected += 1
        if player.followed:
            see(w, SEEN_PLACEMENT, p, now_ns, chosen, n, player.table, loads[at])
    push(w, now_ns + player.way_ns, ON_KNOCK, p, chosen)


def _knock(w: World, s: Setup, p: int, g: int, now_ns: int) -> None:
    """Open a socket, or look for another gateway if this one has died."""
    if g >= 0:
        w.gateways[g].expected = max(0, w.gateways[g].expected - 1)
    player = w.players[p]
    if g < 0 or not w.gateways[g].up:
        player.way_ns = max(player.way_ns, 1)
        sit_down(w, s, p, NONE, now_ns)
        return
    player.connection += 1
    player.gateway = g
    if player.op >= 0:
        w.bets[player.op].gateway, w.bets[player.op].connection = g, player.connection
    take_seat(w, p, g)
    submit(w, g, now_ns, s.accept_ns)
    push(w, w.gateways[g].free_ns, ON_WELCOME, p, (player.op + 1) << 32 | player.connection)


def _take_seat(w: World, p: int, g: int) -> None:
    player = w.players[p]
    seat = w.seats[g, player.table]
    player.before, player.after, player.place = seat.last, -1, seat.count
    if seat.count:
        w.players[seat.last].after = p
    else:
        seat.first = p
    seat.last = p
    seat.count += 1
    w.gateways[g].connections += 1


def _leave_seat(w: World, p: int) -> None:
    """Give a seat up; those behind move up."""
    player = w.players[p]
    seat = w.seats[player.gateway, player.table]
    if player.before >= 0:
        w.players[player.before].after = player.after
    else:
        seat.first = player.after
    if player.after >= 0:
        w.players[player.after].before = player.before
    else:
        seat.last = player.before
    at = player.after
    while at >= 0:
        w.players[at].place -= 1
        at = w.players[at].after
    seat.count -= 1
    w.gateways[player.gateway].connections -= 1


def _welcome(w: World, s: Setup, p: int, row: int, connection: int, now_ns: int) -> None:
    """Open for business: send again what is unanswered, send what has waited, hear where the table stands."""
    player = w.players[p]
    if row >= 0:
        w.bets[row].return_ns = now_ns
        w.bets[row].outcome = SAID_NO if player.gateway < 0 or player.connection != connection else SAID_OK
    if player.gateway < 0 or player.connection != connection:
        return
    player.opened_ns = now_ns
    w.counts[CONNECTED] += 1
    w.counts[CONNECTS] += 1
    b = player.bets
    while b >= 0:
        following = w.bets[b].next
        if w.bets[b].state == UNANSWERED:
            send(w, s, b, now_ns)
        b = following
    b = player.bets
    while b >= 0:
        following = w.bets[b].next
        if w.bets[b].state == WAITING:
            come_forward(w, s, b, now_ns)
        b = following
    seat = w.seats[player.gateway, player.table]
    if seat.round >= 0 and (seat.phase in (BETS_OPEN, CLOSING_SOON)):
        hear(w, s, p, seat.round, now_ns, seat.phase, now_ns, ZERO)


def _come_forward(w: World, s: Setup, b: int, now_ns: int) -> None:
    """Send a bet that waited for a connection, unless its window is over by now."""
    bet = w.bets[b]
    if may_send(now_ns, bet.due_ns, w.rounds[bet.round].closes_ns, w.players[bet.player].opened_ns):
        bet.state = UNANSWERED
        send(w, s, b, now_ns)
        return
    give_up(w, b, now_ns)


def _hear(w: World, s: Setup, p: int, r: int, at_ns: int, phase: int, now_ns: int, scheduled: int) -> int:
    """Plan a player's bets of a window; append them to the table's schedule if `scheduled`, else schedule each."""
    player, game = w.players[p], w.rounds[r]
    if player.heard_round >= game.id:
        return 0
    player.heard_round = game.id
    round_no = game.id & ROUND_NO_MAX
    planned = 0
    for j in range(bets_count(s.seed, p, round_no, s.participation, s.bets_mean, len(s.cover))):
        k = round_no * DRAWS_PER_ROUND + j
        offset_ns, selection, amount = planned_bet(
            s.seed, p, k, s.window_s, s.repeat_share, s.late_share, s.repeat_mean_s, s.late_mean_s,
            s.stake_minor_min, s.stake_minor_max, s.n_selections, s.cover,
        )  # fmt: skip
        due_ns = game.opens_ns + offset_ns
        if due_ns < at_ns:
            if phase != BETS_OPEN:
                continue
            due_ns = at_ns
        if due_ns >= s.load_end_ns:
            continue
        b = take_bet(w)
        bet = w.bets[b]
        player.operations += 1
        bet.kind, bet.player, bet.number, bet.due_ns, bet.round = KIND_BET, p, player.operations, due_ns, r
        bet.selection, bet.amount, bet.draw = selection, amount, k
        bet.next_of_round, game.bets = game.bets, b
        if scheduled:
            n = w.schedule_at[player.table, 1]
            w.schedule[player.table, n] = b
            w.schedule_at[player.table, 1] = n + 1
        else:
            push(w, max(now_ns, due_ns), ON_DUE, b, ZERO)
        planned += 1
    return planned


def _due(w: World, s: Setup, b: int, now_ns: int) -> None:
    lag_ns = draw(w, s, T_LAG, LAG, w.bets[b].player, w.bets[b].draw)
    if lag_ns:
        push(w, now_ns + lag_ns, ON_INVOKE, b, ZERO)
    else:
        invoke(w, s, b, now_ns)


def _table_due(w: World, s: Setup, t: int, now_ns: int) -> None:
    """Place the next bet of a table's schedule."""
    at = w.schedule_at[t, 0]
    w.schedule_at[t, 0] = at + 1
    if at + 1 < w.schedule_at[t, 1]:
        push(w, w.bets[w.schedule[t, at + 1]].due_ns, ON_TABLE_DUE, t, ZERO)
    due(w, s, w.schedule[t, at], now_ns)


def _open_table(w: World, t: int) -> None:
    """Sort what was planned for a table's new round, and begin with the first."""
    n = w.schedule_at[t, 1]
    if n == 0:
        return
    due_ns = np.empty(n, dtype=np.int64)
    for i in range(n):
        due_ns[i] = w.bets[w.schedule[t, i]].due_ns
    order = np.argsort(due_ns, kind="mergesort")
    ordered = w.schedule[t, :n][order]
    for i in range(n):
        w.schedule[t, i] = ordered[i]
    push(w, w.bets[w.schedule[t, 0]].due_ns, ON_TABLE_DUE, t, ZERO)


def _dropped(w: World, s: Setup, p: int, now_ns: int) -> None:
    """Look for another gateway after a socket broke."""
    player = w.players[p]
    left = player.gateway
    unanswer(w, p, now_ns)
    close(w, p, ABNORMAL, now_ns)
    w.counts[RECONNECTS] += 1
    player.op = new_op(w, p, KIND_CONNECT, now_ns)
    player.tries = 0
    if player.op >= 0:
        w.bets[player.op].gateway = left
    player.gateway = -1
    player.way_ns = draw(w, s, T_RECONNECT, RECONNECT, p, player.connection)
    sit_down(w, s, p, left, now_ns)


def _close(w: World, p: int, code: int, now_ns: int) -> None:
    player = w.players[p]
    if player.followed:
        opened_ns = player.opened_ns or now_ns
        see(w, SEEN_SESSION, p, now_ns, player.gateway, opened_ns, player.connection, float(code))
    if player.opened_ns:
        w.counts[CONNECTED] -= 1
    player.opened_ns = 0


def _leave(w: World, now_ns: int) -> None:
    """Close every connection: the run is over."""
    for p in range(1, len(w.players)):
        if w.players[p].gateway >= 0:
            close(w, p, NORMAL, now_ns)


def _announce(w: World, s: Setup, r: int, seq: int, phase: int, event: int, now_ns: int) -> None:
    """Broadcast a table event through all living gateways."""
    game = w.rounds[r]
    t = game.table
    key = (t + 1) << 24 | seq
    for g in range(len(w.gateways)):
        if not w.gateways[g].up:
            continue
        seat = w.seats[g, t]
        seat.round, seat.phase = r, phase
        if phase == BETS_OPEN:
            w.cuts[g, r].unanswered = w.cuts[g, r].cut = 0
            w.cuts[g, r].written_ns, w.cuts[g, r].awaits = 0, 1
        if seat.count:
            seat.earlier_ns, seat.earlier_key = seat.start_ns, seat.key
            seat.start_ns, seat.key = submit(w, g, now_ns, s.fanout_ns * seat.count), key
            w.gateways[g].egress_bytes += s.event_bytes * seat.count
            w.counts[PUSHED] += seat.count
    if phase == BETS_OPEN:
        push(w, max(now_ns, game.closes_ns), ON_CUT, r, game.id)
        first, last, who = w.table_first[t], w.table_first[t + 1], w.table_players
        w.schedule_at[t, 0] = w.schedule_at[t, 1] = 0
    else:
        first, last, who = w.followed_first[t], w.followed_first[t + 1], w.followed
    for i in range(first, last):
        p = who[i]
        player = w.players[p]
        if player.gateway < 0:
            continue
        seat = w.seats[player.gateway, t]
        at_ns = seat.start_ns + s.fanout_ns * (player.place + 1) + draw(w, s, T_PUSH, PUSH, p, key)
        at_ns = max(at_ns, player.down_ns)
        player.down_ns = at_ns
        if player.followed:
            see(w, SEEN_PUSH, p, at_ns, event, player.gateway, player.connection, 0.0)
        if phase == BETS_OPEN:
            hear(w, s, p, r, at_ns, phase, now_ns, game.id)
    if phase == BETS_OPEN:
        open_table(w, t)


def _tell_paid(w: World, s: Setup, t: int, owners: Int64s, key: int, event: int, now_ns: int) -> None:
    """Tell those of the players who are connected that their bets were settled or voided."""
    gateways = len(w.gateways)
    told = np.zeros(gateways, dtype=np.int64)
    starts_ns = np.zeros(gateways, dtype=np.int64)
    for p in owners:
        if w.players[p].gateway >= 0 and w.players[p].table == t:
            told[w.players[p].gateway] += 1
    for g in range(gateways):
        if told[g]:
            starts_ns[g] = submit(w, g, now_ns, s.fanout_ns * told[g])
            w.gateways[g].egress_bytes += s.event_bytes * told[g]
            w.counts[PUSHED] += told[g]
    told[:] = 0
    for p in owners:
        player = w.players[p]
        if player.gateway < 0 or player.table != t:
            continue
        told[player.gateway] += 1
        if player.followed:
            at_ns = starts_ns[player.gateway] + s.fanout_ns * told[player.gateway] + draw(w, s, T_PUSH, PUSH, p, key)
            at_ns = max(at_ns, player.down_ns)
            player.down_ns = at_ns
            see(w, SEEN_PUSH, p, at_ns, event, player.gateway, player.connection, 0.0)


def _kill_gateway(w: World, s: Setup, g: int, now_ns: int) -> None:
    """Let a gateway die: what is queued and under way here is lost, and every socket breaks."""
    gateway = w.gateways[g]
    gateway.up = gateway.expected = gateway.connections = gateway.waiting = 0
    gateway.life += 1
    gateway.work_ns -= max(0, gateway.free_ns - now_ns)
    gateway.free_ns = now_ns
    for lane in w.lanes[g]:
        lane.pending = lane.outstanding = lane.waking = 0
    for cut in w.cuts[g]:
        cut.unanswered = cut.cut = cut.awaits = 0
        cut.written_ns = 0
    for t in range(w.seats.shape[1]):
        seat = w.seats[g, t]
        p = seat.first
        seat.count, seat.first, seat.last, seat.round, seat.key, seat.earlier_key = 0, -1, -1, -1, 0, 0
        while p >= 0:
            following = w.players[p].after
            dropped(w, s, p, now_ns)
            p = following


def _restart_gateway(w: World, g: int, rounds: Int64s, phases: Int64s) -> None:
    """Serve again, told where each table stands (-1: nowhere)."""
    w.gateways[g].up = 1
    for t in range(len(rounds)):
        if rounds[t] >= 0:
            w.seats[g, t].round, w.seats[g, t].phase = rounds[t], phases[t]
            w.cuts[g, rounds[t]].awaits = 1 if phases[t] == BETS_OPEN else 0


def _retire(w: World, r: int) -> None:
    """Give the rows of a finished round's bets back, but for those who are followed or still unanswered."""
    b = w.rounds[r].bets
    while b >= 0:
        following = w.bets[b].next_of_round
        if w.bets[b].state == ENDED and not w.players[w.bets[b].player].followed:
            unlink(w, b)
            free_bet(w, b)
        b = following
    w.rounds[r].bets = -1


def _next_timer(w: World) -> int:
    """Return when the oldest unanswered bet's patience ends; timers of answered bets are dropped on the way."""
    counts, size = w.counts, len(w.timers)
    while counts[TIMERS_N]:
        timer = w.timers[counts[TIMERS_FIRST]]
        bet = w.bets[timer[1]]
        same = bet.player << PLAYER_SHIFT | bet.number == timer[2]
        if same and bet.state == UNANSWERED and bet.attempts == timer[3]:
            return int(timer[0])
        counts[TIMERS_FIRST] = (counts[TIMERS_FIRST] + 1) % size
        counts[TIMERS_N] -= 1
    return FOREVER


def _lose_patience(w: World, s: Setup) -> None:
    """Let the owner of the oldest unanswered bet reconnect."""
    timer = w.timers[w.counts[TIMERS_FIRST]]
    w.counts[TIMERS_FIRST] = (w.counts[TIMERS_FIRST] + 1) % len(w.timers)
    w.counts[TIMERS_N] -= 1
    bet = w.bets[timer[1]]
    player = w.players[bet.player]
    if player.gateway >= 0 and player.opened_ns and player.connection == bet.connection:
        leave_seat(w, bet.player)
        dropped(w, s, bet.player, timer[0])


def _has_room(w: World, s: Setup) -> bool:
    """Tell whether the next event cannot run out of rows."""
    counts, margin = w.counts, MARGIN + s.batch_bets_max + 2 * len(w.gateways)
    return bool(
        counts[FREE_BETS] > margin and counts[FREE_ATTEMPTS] > margin and counts[FREE_PARCELS] > margin
        and counts[EVENTS] + margin < len(w.heap) and counts[SEEN_N] + margin < len(w.seen)
        and counts[COMMITS] + margin < len(w.commits) and counts[TIMERS_N] + margin < len(w.timers)
    )  # fmt: skip


def _advance(w: World, s: Setup, until_ns: int) -> int:  # noqa: C901, PLR0912 - compiled once; a second function doubles the code
    """Let everything happen that comes before an instant, or stop where SimPy has to act; return why."""
    counts = w.counts
    while True:
        if counts[TOLD]:
            return TOLD_SOMETHING
        if not has_room(w, s):
            return FULL
        arriving = counts[ARRIVED] < len(w.arrivals)
        arrival_ns = w.arrivals_ns[counts[ARRIVED]] if arriving else FOREVER
        timer_ns = next_timer(w)
        event_ns = w.heap[0, 0] if counts[EVENTS] else FOREVER
        now_ns = min(arrival_ns, timer_ns, event_ns)
        if now_ns >= until_ns:
            return REACHED
        counts[NOW] = now_ns
        counts[EVENTS_DONE] += 1
        if arrival_ns == now_ns:
            arrive(w, s, w.arrivals[counts[ARRIVED]], now_ns)
            counts[ARRIVED] += 1
        elif timer_ns == now_ns:
            lose_patience(w, s)
        else:
            _, kind, a, b = pop(w)
            if kind == ON_TABLE_DUE:
                table_due(w, s, a, now_ns)
            elif kind == ON_REACH:
                reach(w, s, a, b, now_ns)
            elif kind == ON_CHECKED:
                checked(w, s, a, b, now_ns)
            elif kind == ON_PARCEL:
                queue_parcel(w, s, a, now_ns)
            elif kind == ON_PLACED:
                placed(w, s, a, b, now_ns)
            elif kind == ON_REPLIED:
                replied(w, s, a, now_ns)
            elif kind == ON_FREE:
                free_lane(w, s, a, b, now_ns)
            elif kind == ON_DUE:
                due(w, s, a, now_ns)
            elif kind == ON_INVOKE:
                invoke(w, s, a, now_ns)
            elif kind == ON_LOGGED_IN:
                logged_in(w, s, a, now_ns)
            elif kind == ON_KNOCK:
                knock(w, s, a, b, now_ns)
            elif kind == ON_WELCOME:
                welcome(w, s, a, (b >> 32) - 1, b & 0xFFFFFFFF, now_ns)
            elif kind == ON_CUT:
                cut_off(w, s, a, b, now_ns)
            elif kind == ON_WATERMARK:
                tell(w, now_ns, TELL_WATERMARK, a, b)
            elif kind == ON_CONTROL and w.shards[a].life == b:
                tell(w, now_ns, TELL_CONTROL_DONE, a, b)


new_op = compiled(_new_op)
sit_down = compiled(_sit_down)
arrive = compiled(_arrive)
logged_in = compiled(_logged_in)
take_seat, leave_seat = compiled(_take_seat), compiled(_leave_seat)
knock = compiled(_knock)
come_forward = compiled(_come_forward)
hear = compiled(_hear)
welcome = compiled(_welcome)
due = compiled(_due)
table_due = compiled(_table_due)
open_table = compiled(_open_table)
close = compiled(_close)
leave = compiled(_leave)
dropped = compiled(_dropped)
announce = compiled(_announce)
tell_paid = compiled(_tell_paid)
kill_gateway = compiled(_kill_gateway)
restart_gateway = compiled(_restart_gateway)
retire = compiled(_retire)
next_timer = compiled(_next_timer)
lose_patience = compiled(_lose_patience)
has_room = compiled(_has_room)
advance = compiled(_advance)
