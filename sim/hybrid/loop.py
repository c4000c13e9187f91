"""The event loop of a crowd's bets, compiled: whatever comes first, up to the instant at which SimPy has to act."""

import numpy as np

from reference_impl.domain.ids import ROUND_NO_MAX, table_of
from sim.hybrid.ahead import ask_for
from sim.hybrid.answers import cut_off, replied
from sim.hybrid.events import pop, tell
from sim.hybrid.layout import (
    ARRIVED,
    COMMITS,
    EVENTS,
    EVENTS_DONE,
    FREE_ATTEMPTS,
    FREE_BETS,
    FREE_PARCELS,
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
    ON_READ,
    ON_REPLIED,
    ON_TABLE_DUE,
    ON_WATERMARK,
    ON_WELCOME,
    ROUNDS_KEPT,
    SEEN_N,
    TELL_CONTROL_DONE,
    TELL_WATERMARK,
    TIMERS_FIRST,
    TIMERS_N,
    TOLD,
    UNANSWERED,
    Setup,
    World,
)
from sim.hybrid.path import PLAYER_SHIFT, checked, free_lane, invoke, reach, read
from sim.hybrid.planning import AHEAD, due, table_due
from sim.hybrid.seats import arrive, dropped, knock, leave_seat, logged_in, welcome
from sim.hybrid.shards import placed, queue_parcel
from sim.kernels import compiled

FOREVER = np.iinfo(np.int64).max
MARGIN = 512
"""Rows that one event may take at most, beside a batch's: a newcomer's bets, a returner's resends."""
REACHED, TOLD_SOMETHING, FULL = 0, 1, 2
"""Why :data:`advance` returned."""
table_number = compiled(table_of)


def _watermark(w: World, g: int, known: int, now_ns: int) -> None:
    """Take a gateway's acknowledgement; tell the table once it may be the last that it awaits, of all at once."""
    r = (table_number(known) - 1) * ROUNDS_KEPT + (known & ROUND_NO_MAX) % ROUNDS_KEPT
    game = w.rounds[r]
    if game.id != known:
        return
    w.cuts[g, r].acknowledged = 1
    game.acknowledged += 1
    if game.acknowledged >= game.awaited:
        tell(w, now_ns, TELL_WATERMARK, r, known)


def _next_timer(w: World) -> int:
    """Return when the oldest unanswered bet's patience ends; timers of answered bets are dropped on the way."""
    counts, size = w.counts, len(w.timers)
    while counts[TIMERS_N]:
        timer = w.timers[counts[TIMERS_FIRST]]
        bet = w.bets[timer[1]]
        same = bet.player << PLAYER_SHIFT | bet.number == timer[2]
        if same and bet.state == UNANSWERED and bet.attempts == timer[3]:
            return int(timer[0])
        if counts[TIMERS_N] > AHEAD:
            ask_for(w.bets, w.timers[(counts[TIMERS_FIRST] + AHEAD) % size, 1])
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


def _advance(w: World, s: Setup, until_ns: int) -> int:  # noqa: C901, PLR0912, PLR0915 - compiled once; a second function doubles the code
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
            kind, a, b = pop(w)
            if kind == ON_TABLE_DUE:
                table_due(w, s, a, now_ns)
            elif kind == ON_REACH:
                reach(w, s, a, b, now_ns)
            elif kind == ON_READ:
                read(w, s, a, b, now_ns)
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
                watermark(w, a, b, now_ns)
            elif kind == ON_CONTROL and w.shards[a].life == b:
                tell(w, now_ns, TELL_CONTROL_DONE, a, b)


watermark = compiled(_watermark)
next_timer = compiled(_next_timer)
lose_patience = compiled(_lose_patience)
has_room = compiled(_has_room)
advance = compiled(_advance)
