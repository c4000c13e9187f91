"""Rounds as players hear of them, compiled: table events are broadcast, bets are planned and become due.

Plans are :mod:`sim.arrivals`'s. A planned bet is a line in its table's schedule; it gets a row when it is due.
"""

import numpy as np

from reference_impl.domain.ids import ROUND_NO_MAX
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind
from sim.arrivals import DRAWS_PER_ROUND
from sim.hybrid.ahead import ask_for
from sim.hybrid.answers import PUSH
from sim.hybrid.events import draw, free_bet, push, see, submit, take_bet
from sim.hybrid.layout import (
    ENDED,
    GENERATOR_AWAKE,
    NONE,
    ON_CUT,
    ON_DUE,
    ON_INVOKE,
    ON_TABLE_DUE,
    PUSHED,
    SEEN_PUSH,
    T_LAG,
    T_PUSH,
    ZERO,
    Setup,
    World,
    constants,
)
from sim.hybrid.path import PLAYER_SHIFT, invoke, unlink
from sim.kernels import Int64s, bets_count, compiled, planned_ns, planned_stake
from sim.random_streams import Stream

(LAG,) = constants((Stream.LAG,))
(KIND_BET,) = constants((OpKind.BET,))
(BETS_OPEN,) = constants((Phase.BETS_OPEN,))
DUE_NS, WHOSE, DRAW = 0, 1, 2
"""Columns of a table's schedule; whose it is holds the player and the operation's number."""
NEXT, PLANS, ROUND_ROW = 0, 1, 2
"""Columns of `schedule_at`: the next plan, how many there are, and of which round."""
AHEAD = 8
"""How many bets' players are asked for before their turn."""
NUMBER_MASK = (1 << PLAYER_SHIFT) - 1


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


def _plan_bet(w: World, s: Setup, p: int, number: int, r: int, k: int, due_ns: int) -> int:
    """Return the row of a bet that a player means to place."""
    b = take_bet(w)
    bet, game = w.bets[b], w.rounds[r]
    bet.kind, bet.player, bet.number, bet.due_ns, bet.round, bet.draw = KIND_BET, p, number, due_ns, r, k
    bet.selection, bet.amount = planned_stake(
        s.seed, p, k, s.stake_minor_min, s.stake_minor_max, s.n_selections, s.cover
    )  # fmt: skip
    bet.next_of_round, game.bets = game.bets, b
    return int(b)


def _hear(w: World, s: Setup, p: int, r: int, at_ns: int, phase: int, now_ns: int, scheduled: int) -> None:
    """Plan a player's bets of a window; append them to the table's schedule if `scheduled`, else schedule each."""
    player, game = w.players[p], w.rounds[r]
    if player.heard_round >= game.id:
        return
    player.heard_round = game.id
    round_no = game.id & ROUND_NO_MAX
    for j in range(bets_count(s.seed, p, round_no, s.participation, s.bets_mean, len(s.cover))):
        k = round_no * DRAWS_PER_ROUND + j
        due_ns = game.opens_ns + planned_ns(
            s.seed, p, k, s.window_s, s.repeat_share, s.late_share, s.repeat_mean_s, s.late_mean_s
        )  # fmt: skip
        if due_ns < at_ns:
            if phase != BETS_OPEN:
                continue
            due_ns = at_ns
        if due_ns >= s.load_end_ns:
            continue
        player.operations += 1
        if scheduled:
            n = w.schedule_at[player.table, PLANS]
            plan = w.schedule[player.table, n]
            plan[DUE_NS], plan[WHOSE], plan[DRAW] = due_ns, p << PLAYER_SHIFT | player.operations, k
            w.schedule_at[player.table, PLANS] = n + 1
        else:
            push(w, max(now_ns, due_ns), ON_DUE, plan_bet(w, s, p, player.operations, r, k, due_ns), ZERO)


def _due(w: World, s: Setup, b: int, now_ns: int) -> None:
    if now_ns >= w.counts[GENERATOR_AWAKE]:
        w.counts[GENERATOR_AWAKE] = now_ns + draw(w, s, T_LAG, LAG, w.bets[b].player, w.bets[b].draw)
    if w.counts[GENERATOR_AWAKE] > now_ns:
        push(w, w.counts[GENERATOR_AWAKE], ON_INVOKE, b, ZERO)
    else:
        invoke(w, s, b, now_ns)


def _table_due(w: World, s: Setup, t: int, now_ns: int) -> None:
    """Place the next bet of a table's schedule: only now does it need a row."""
    at = w.schedule_at[t, NEXT]
    w.schedule_at[t, NEXT] = at + 1
    if at + 1 < w.schedule_at[t, PLANS]:
        push(w, w.schedule[t, at + 1, DUE_NS], ON_TABLE_DUE, t, ZERO)
        ask_for(w.players, w.schedule[t, at + 1, WHOSE] >> PLAYER_SHIFT)
    plan = w.schedule[t, at]
    p, number = plan[WHOSE] >> PLAYER_SHIFT, plan[WHOSE] & NUMBER_MASK
    due(w, s, plan_bet(w, s, p, number, w.schedule_at[t, ROUND_ROW], plan[DRAW], plan[DUE_NS]), now_ns)


def _open_table(w: World, t: int) -> None:
    """Sort what was planned for a table's new round, and begin with the first."""
    n = w.schedule_at[t, PLANS]
    if n == 0:
        return
    plans = w.schedule[t, :n].copy()
    first_ns, places = plans[:, DUE_NS].min(), 1
    while places <= n:
        places *= 2
    order = (plans[:, DUE_NS] - first_ns) * places + np.arange(n)  # numbers are sorted faster than rows
    order.sort()
    for i in range(n):
        plan = plans[order[i] & (places - 1)]
        for column in range(3):
            w.schedule[t, i, column] = plan[column]
    push(w, w.schedule[t, 0, DUE_NS], ON_TABLE_DUE, t, ZERO)


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
        w.schedule_at[t, NEXT] = w.schedule_at[t, PLANS] = 0
        w.schedule_at[t, ROUND_ROW] = r
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


def _retire(w: World, r: int) -> int:
    """Give the rows of a finished round's bets back, but for those who are followed; return how many are unanswered."""
    b = ahead = w.rounds[r].bets
    seen = unanswered = 0
    kept = NONE
    while b >= 0:
        while ahead >= 0 and seen < AHEAD:
            ask_for(w.players, w.bets[ahead].player)
            ahead = w.bets[ahead].next_of_round
            seen += 1
        seen -= 1
        following = w.bets[b].next_of_round
        if w.bets[b].state != ENDED:
            w.bets[b].next_of_round, kept = kept, b
            unanswered += 1
        elif not w.players[w.bets[b].player].followed:
            unlink(w, b)
            free_bet(w, b)
        b = following
    w.rounds[r].bets = kept
    return unanswered


new_op = compiled(_new_op)
plan_bet = compiled(_plan_bet)
hear = compiled(_hear)
due = compiled(_due)
table_due = compiled(_table_due)
open_table = compiled(_open_table)
announce = compiled(_announce)
tell_paid = compiled(_tell_paid)
retire = compiled(_retire)
