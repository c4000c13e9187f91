"""Settling single bets: what a provider credits.

Credits come one by one, many at once. Those of a round that wait for the same turn of the writer are one call of the
ledger, so that they share a commit; each asker gets the answers to his own bets.
"""

import asyncio
from dataclasses import dataclass, field
from itertools import chain

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.wallet.database import Database
from reference_impl.wallet.writer import Writer

TOGETHER_BETS_MAX = 1000
_COLUMNS = ("refs", "accounts", "payouts")


async def settle_bets(db: Database, ask: m.SettleBets) -> m.Answers:
    """Settle single bets of a round, in order."""
    status = await db.fetchval("SELECT settle($1, $2, $3, $4)", ask.round_id, ask.refs, ask.accounts, ask.payouts)
    # What ended a bet never changes again, so that it may be read after the call.
    ends = await db.fetch(
        "SELECT j.kind, j.balance_after, j.version, j.seq FROM unnest($1::uuid[], $2::bigint[])"
        " WITH ORDINALITY AS t (ref, account, ord)"
        " LEFT JOIN journal j ON j.account = t.account AND j.ref = t.ref AND j.slot = 1 ORDER BY ord",
        ask.refs, ask.accounts,
    )  # fmt: skip
    cancelled = [end["kind"] == EntryKind.CANCEL for end in ends]
    answers = [
        Status.CANCELLED if gone and code == Status.CONFLICT else code
        for code, gone in zip(status, cancelled, strict=True)
    ]
    known = [end if code == Status.ACCEPTED else None for code, end in zip(answers, ends, strict=True)]
    return m.Answers(
        answers,
        [end["balance_after"] if end else 0 for end in known],
        [end["version"] if end else 0 for end in known],
        [end["seq"] if end else 0 for end in known],
    )


@dataclass(eq=False)
class _Turn:
    """What one step of the writer settles."""

    asks: list[m.SettleBets] = field(default_factory=list)
    bets: int = 0

    def whole(self) -> m.SettleBets:
        """Return all of it as one request, in order of arrival."""
        refs, accounts, payouts = (
            list(chain.from_iterable(getattr(ask, name) for ask in self.asks))
            for name in ("refs", "accounts", "payouts")
        )
        return m.SettleBets(self.asks[0].round_id, refs, accounts, payouts)


class Credits:
    """Lets credits of a round that wait together share the writer's turn.

    Parameters
    ----------
    writer : Writer
        Carries them out.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: dict[int, tuple[_Turn, asyncio.Future[m.ControlReply]]] = {}

    async def settle(self, ask: m.SettleBets) -> m.ControlReply:
        """Settle bets; raises what the writer does.

        Raises
        ------
        asyncio.QueueFull
            If too many requests wait at the writer already.
        """
        n = len(ask.refs)
        waiting = self._waiting.get(ask.round_id)
        if waiting is None or waiting[0].bets + n > TOGETHER_BETS_MAX:
            waiting = self._next_turn(ask.round_id)
        turn, reply = waiting
        first = turn.bets
        turn.asks.append(ask)
        turn.bets += n
        answers = await asyncio.shield(reply)
        if not isinstance(answers, m.Answers):
            return answers
        mine = slice(first, first + n)
        return m.Answers(answers.status[mine], answers.balance[mine], answers.version[mine], answers.seq[mine])

    def _next_turn(self, round_id: int) -> tuple[_Turn, asyncio.Future[m.ControlReply]]:
        turn = _Turn()

        async def step(db: Database) -> m.ControlReply:
            if self._waiting.get(round_id, (None,))[0] is turn:
                del self._waiting[round_id]  # who comes from now on takes the next turn; a repeated step is the same
            return await settle_bets(db, turn.whole())

        self._waiting[round_id] = waiting = turn, self._writer.control(step)
        return waiting
