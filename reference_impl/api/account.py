"""What players may ask of their own accounts: limits, breaks, exclusion, withdrawals, the session and its reminder.

The wallet keeps the limits and judges every bet by them; nothing here does. A tighter limit holds at once, a looser one
after :data:`LOOSEN_AFTER_NS`. Exclusion blocks wagers at once and nothing else: withdrawals and statements stay open.
"""

import time
from typing import Annotated, Any

from litestar import Controller, Request, get, post, put
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import Parameter

from reference_impl.accounts.presence import Span
from reference_impl.api.account_messages import (
    EXCLUSION_DAYS_MAX,
    EXCLUSION_DAYS_MIN,
    MINUTES_A_DAY,
    TIME_OUT_HOURS_MAX,
    UNITS,
    LeaveWish,
    LimitWish,
    NextLimit,
    OwnLimit,
    OwnLimits,
    PlayTotals,
    SessionNow,
    Withdrawal,
    Withdrawn,
)
from reference_impl.api.services import Services, own_account, services
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.ids import account_currency, account_number
from reference_impl.domain.limits import LOOSEN_AFTER_NS, NO_LIMIT_MINOR, Limit, LimitKind
from reference_impl.domain.play import Play, play_of
from reference_impl.domain.units import NS_PER_S

NS_PER_MINUTE = 60 * NS_PER_S
NS_PER_HOUR = 60 * NS_PER_MINUTE
NS_PER_DAY = 24 * NS_PER_HOUR

TERMS_NS = {
    LimitKind.TIME_OUT: (NS_PER_HOUR, TIME_OUT_HOURS_MAX * NS_PER_HOUR),
    LimitKind.EXCLUSION: (EXCLUSION_DAYS_MIN * NS_PER_DAY, EXCLUSION_DAYS_MAX * NS_PER_DAY),
}
"""The shortest and the longest break and exclusion."""
SLACK_NS = 10 * NS_PER_MINUTE
"""What the asker's clock may be wrong."""

KindName = Annotated[str, Parameter(schema_extra={"enum": [kind.name.lower() for kind in UNITS]})]

REFUSALS = {
    Status.INSUFFICIENT_FUNDS: (409, "the balance does not cover it"),
    Status.CONFLICT: (409, "this id was used before for something else"),
    Status.UNKNOWN_PLAYER: (404, "this player has no account"),
}


class AccountController(Controller):
    """What players may ask of their own accounts."""

    @get("/limits")
    async def limits(self, request: Request[Any, Any, State], state: State) -> OwnLimits:
        """Return the player's limits, and what counts against them."""
        known = services(state)
        account, _ = await own_account(request, known)
        return await _limits_now(known, account)

    @put("/limits/{kind:str}")
    async def set_limit(
        self, request: Request[Any, Any, State], kind: KindName, data: LimitWish, state: State
    ) -> OwnLimits:
        """Set a limit: a tighter one holds at once, a looser one, or none, after 24 hours."""
        known = services(state)
        account, _ = await own_account(request, known)
        await _wish(known, account, data.id, _kind(kind), _amount(_kind(kind), data.amount))
        return await _limits_now(known, account)

    @post("/time-out", status_code=200)
    async def time_out(self, request: Request[Any, Any, State], data: LeaveWish, state: State) -> OwnLimits:
        """Take a break: no wager is accepted until it is over. A break is never made shorter."""
        known = services(state)
        account, _ = await own_account(request, known)
        return await _leave(known, account, LimitKind.TIME_OUT, data)

    @post("/exclusion", status_code=200)
    async def exclude(self, request: Request[Any, Any, State], data: LeaveWish, state: State) -> OwnLimits:
        """Exclude oneself: no wager is accepted until the term is over, and nobody can take it back."""
        known = services(state)
        account, _ = await own_account(request, known)
        return await _leave(known, account, LimitKind.EXCLUSION, data)

    @post("/withdrawals", status_code=200)
    async def withdraw(self, request: Request[Any, Any, State], data: Withdrawal, state: State) -> Withdrawn:
        """Take money out; excluded players may, too."""
        known = services(state)
        account, _ = await own_account(request, known)
        ref = bytes.fromhex(data.id)
        ask = m.MoveCash([EntryKind.WITHDRAW], [ref], [account], [data.amount_minor], 0)
        answers = await known.ask(account, ask, m.Answers)
        _require_accepted(answers)
        return Withdrawn(answers.balance[0])

    @get("/session")
    async def session(self, request: Request[Any, Any, State], state: State) -> SessionNow:
        """Return how long the session lasts and what was played in it, as the ledger has it now."""
        known = services(state)
        account, session = await own_account(request, known)
        return await _session_now(known, account, await known.presence.span(session))

    @post("/session/acknowledge", status_code=200)
    async def acknowledge(self, request: Request[Any, Any, State], state: State) -> SessionNow:
        """Acknowledge the reminder of time and money; the next one is due an interval later."""
        known = services(state)
        account, session = await own_account(request, known)
        await known.presence.acknowledge(session)
        return await _session_now(known, account, await known.presence.span(session))


def totals_of(play: Play) -> PlayTotals:
    """Return what was played, as it is told."""
    return PlayTotals(play.bets, play.staked_minor, play.returned_minor, play.won_minor, play.net_minor)


def sums_play(sums: m.Sums) -> Play:
    """Return what a span of the ledger comes to."""
    told = zip(sums.kinds, sums.counts, sums.sums_minor, strict=True)
    return play_of({EntryKind(kind): (n, moved) for kind, n, moved in told})


async def _session_now(known: Services, account: int, span: Span) -> SessionNow:
    ask = m.GetSums(account, span.opened_unix_ns, span.now_unix_ns)
    play = sums_play(await known.ask(account, ask, m.Sums))
    check_s = known.presence.check_s
    due_ns = span.reminded_unix_ns + round(check_s * NS_PER_S) if check_s else 0
    return SessionNow(
        int(account_currency(account) or 0), span.opened_unix_ns, span.now_unix_ns,
        span.now_unix_ns - span.opened_unix_ns, totals_of(play), due_ns, check_s,
    )  # fmt: skip


async def _limits_now(known: Services, account: int) -> OwnLimits:
    now_ns = time.time_ns()
    rows = (await known.ask(account, m.GetLimits(account), m.LimitRows)).rows
    held = {LimitKind(row[0]): Limit(LimitKind(row[0]), *row[1:]) for row in rows}
    player = account_number(account)
    played_ns = (await known.presence.played_ns([player], now_ns)).get(player, 0)
    return OwnLimits(
        int(account_currency(account) or 0),
        now_ns,
        [_told(kind, held.get(kind), now_ns, played_ns) for kind in UNITS],
        *(held[kind].in_force(now_ns) if kind in held else 0 for kind in (LimitKind.TIME_OUT, LimitKind.EXCLUSION)),
    )


def _told(kind: LimitKind, limit: Limit | None, now_ns: int, played_ns: int) -> OwnLimit:
    per = NS_PER_MINUTE if kind is LimitKind.TIME_DAY else 1

    def amount(held: int) -> int | None:
        return None if held >= NO_LIMIT_MINOR else held // per

    used = played_ns // per if kind is LimitKind.TIME_DAY else limit.used_at(now_ns) if limit else 0
    if limit is None:
        return OwnLimit(kind.name.lower(), UNITS[kind], None, used, None)
    waits = None
    if limit.next_amount is not None and limit.next_from_ns is not None and limit.next_from_ns > now_ns:
        waits = NextLimit(amount(limit.next_amount), limit.next_from_ns)
    return OwnLimit(kind.name.lower(), UNITS[kind], amount(limit.in_force(now_ns)), used, waits)


def _kind(name: str) -> LimitKind:
    for kind in UNITS:
        if kind.name.lower() == name:
            return kind
    known = ", ".join(kind.name.lower() for kind in UNITS)
    raise HTTPException(f"there is no limit '{name}', known are {known}", status_code=404)


def _amount(kind: LimitKind, wished: int | None) -> int:
    if wished is None:
        return NO_LIMIT_MINOR
    if kind is not LimitKind.TIME_DAY:
        return wished
    if wished > MINUTES_A_DAY:
        raise HTTPException(f"{wished} minutes a day, limit {MINUTES_A_DAY}", status_code=400)
    return wished * NS_PER_MINUTE


async def _leave(known: Services, account: int, kind: LimitKind, data: LeaveWish) -> OwnLimits:
    """Set the end of a break or an exclusion. One that stands is made longer, never shorter: the ledger sees to it."""
    shortest_ns, longest_ns = TERMS_NS[kind]
    term_ns = data.until_unix_ns - time.time_ns()
    if not shortest_ns - SLACK_NS <= term_ns <= longest_ns + SLACK_NS:
        hours, least, most = (round(ns / NS_PER_HOUR, 2) for ns in (term_ns, shortest_ns, longest_ns))
        raise HTTPException(f"{hours:g} h from now, allowed are {least:g} to {most:g} h", status_code=400)
    await _wish(known, account, data.id, kind, data.until_unix_ns)
    return await _limits_now(known, account)


async def _wish(known: Services, account: int, op: str, kind: LimitKind, amount: int) -> None:
    now_ns = time.time_ns()
    ask = m.SetLimits([bytes.fromhex(op)], [account], [kind], [amount], now_ns, now_ns + LOOSEN_AFTER_NS)
    _require_accepted(await known.ask(account, ask, m.Answers))


def _require_accepted(answers: m.Answers) -> None:
    status = Status(answers.status[0])
    if status is not Status.ACCEPTED:
        code, why = REFUSALS.get(status, (409, f"refused: {status.name.lower().replace('_', ' ')}"))
        raise HTTPException(why, status_code=code)
