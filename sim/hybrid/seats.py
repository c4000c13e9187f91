"""Players at their gateways, compiled: they come, log in, are placed, lose their gateways and return.

The rules are those of :mod:`sim.players`, placement is the domain's own.
"""

import numpy as np

from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind
from sim.hybrid.answers import SAID_NO, SAID_OK, unanswer
from sim.hybrid.events import draw, push, see, submit
from sim.hybrid.layout import (
    CONNECTED,
    CONNECTS,
    LOGINS,
    NONE,
    ON_CUT,
    ON_KNOCK,
    ON_LOGGED_IN,
    ON_WELCOME,
    RECONNECTS,
    SEEN_PLACEMENT,
    SEEN_SESSION,
    T_CONNECT,
    T_LOGIN,
    T_RECONNECT,
    UNANSWERED,
    WAITING,
    ZERO,
    Setup,
    World,
    constants,
)
from sim.hybrid.path import give_up, send
from sim.hybrid.planning import BETS_OPEN, hear, new_op
from sim.kernels import Int64s, choose_place, compiled, may_send, uniform
from sim.random_streams import Stream

LOGIN, CONNECT, RECONNECT = constants((Stream.LOGIN, Stream.CONNECT, Stream.RECONNECT))
FIRST, SECOND = constants((Stream.PLACEMENT_FIRST, Stream.PLACEMENT_SECOND))
KIND_LOGIN, KIND_CONNECT = constants((OpKind.LOGIN, OpKind.CONNECT))
(CLOSING_SOON,) = constants((Phase.CLOSING_SOON,))
NORMAL, ABNORMAL = constants((1000, 1006))


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
    """Connect to the gateway that the policy chooses, all being equally fit; try again while there is none."""
    player = w.players[p]
    player.tries += 1
    if player.op >= 0:
        op = w.bets[player.op]
        op.attempts = player.tries
        if op.invoke_ns == 0:
            op.invoke_ns = now_ns
    numbers = np.empty(len(w.gateways), dtype=np.int64)
    loads = np.empty(len(w.gateways), dtype=np.float64)
    ones = np.ones(len(w.gateways))
    n = 0
    for g in range(len(w.gateways)):
        if w.gateways[g].up and g != avoid:
            numbers[n] = g
            loads[n] = w.gateways[g].connections + w.gateways[g].expected
            n += 1
    chosen = NONE
    if n:
        k = player.connection << 8 | player.tries & 0xFF
        first, second = uniform(s.seed, FIRST, p, k), uniform(s.seed, SECOND, p, k)
        at = choose_place(s.policy, loads[:n], ones[:n], ones[:n], numbers[:0], 1, first, second)
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


def _come_forward(w: World, s: Setup, b: int, now_ns: int) -> None:
    """Send a bet that waited for a connection, unless its window is over by now."""
    bet = w.bets[b]
    if may_send(now_ns, bet.due_ns, w.rounds[bet.round].closes_ns, w.players[bet.player].opened_ns):
        bet.state = UNANSWERED
        send(w, s, b, now_ns)
        return
    give_up(w, b, now_ns)


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


def _close(w: World, p: int, code: int, now_ns: int) -> None:
    player = w.players[p]
    if player.followed:
        opened_ns = player.opened_ns or now_ns
        see(w, SEEN_SESSION, p, now_ns, player.gateway, opened_ns, player.connection, float(code))
    if player.opened_ns:
        w.counts[CONNECTED] -= 1
    player.opened_ns = 0


def _forget_unanswered(w: World, p: int) -> None:
    """Take what has no answer from a player's own: who is on the way back sends none of it again."""
    player = w.players[p]
    last, b = NONE, player.bets
    while b >= 0:
        following = w.bets[b].next
        if w.bets[b].state != UNANSWERED:
            last = b
        elif last < 0:
            player.bets = following
        else:
            w.bets[last].next = following
        b = following


def _leave(w: World, now_ns: int) -> None:
    """Close every connection, and ask no longer for what has no answer: the run is over."""
    for p in range(1, len(w.players)):
        forget_unanswered(w, p)
        if w.players[p].gateway >= 0:
            close(w, p, NORMAL, now_ns)


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


def _kill_gateway(w: World, s: Setup, g: int, now_ns: int) -> None:
    """Let a gateway die: what is queued and under way here is lost, and every socket breaks."""
    gateway = w.gateways[g]
    gateway.up = gateway.expected = gateway.connections = gateway.waiting = 0
    gateway.life += 1
    gateway.work_ns -= max(0, gateway.free_ns - now_ns)
    gateway.idle_ns += max(0, now_ns - gateway.free_ns)
    gateway.free_ns = gateway.awake_ns = now_ns
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


def _restart_gateway(w: World, g: int, rounds: Int64s, phases: Int64s, awaits: Int64s, now_ns: int) -> None:
    """Serve again, told where each table stands (-1: nowhere), and whose cut-off is to be awaited."""
    w.gateways[g].up = 1
    for t in range(len(rounds)):
        if rounds[t] >= 0:
            w.seats[g, t].round, w.seats[g, t].phase = rounds[t], phases[t]
            w.cuts[g, rounds[t]].awaits = awaits[t]
            game = w.rounds[rounds[t]]
            if awaits[t] and game.closes_ns <= now_ns:
                push(w, now_ns, ON_CUT, rounds[t], game.id)


sit_down = compiled(_sit_down)
arrive = compiled(_arrive)
logged_in = compiled(_logged_in)
take_seat = compiled(_take_seat)
knock = compiled(_knock)
leave_seat = compiled(_leave_seat)
come_forward = compiled(_come_forward)
welcome = compiled(_welcome)
close = compiled(_close)
forget_unanswered = compiled(_forget_unanswered)
leave = compiled(_leave)
dropped = compiled(_dropped)
kill_gateway = compiled(_kill_gateway)
restart_gateway = compiled(_restart_gateway)
