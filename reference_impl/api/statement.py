"""A player's statement: entries of the ledger by time, each explained, with the balance at both ends.

All of it is read from the journal between two of its places, so that a page, its totals and its balances never tell of
different moments. That the totals lead from one balance to the other is checked before anything is told.
"""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from reference_impl.api.account import sums_play, totals_of
from reference_impl.api.account_messages import Statement, StatementRow
from reference_impl.api.services import Services, own_account, services
from reference_impl.api.statement_csv import HEADER, balance_line, entry_line
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.games.game import Game
from reference_impl.domain.ids import TABLE_ID_MAX, account_currency, round_no_of, table_of
from reference_impl.domain.journal import DIRECTION
from reference_impl.domain.money import Currency
from reference_impl.domain.play import MOVES
from reference_impl.domain.units import NS_PER_S

ROWS_MAX = 50
"""Rows of a page."""
CSV_ROWS_A_READ = 2000
CSV_ROWS_MAX = 100_000
"""Rows of a download; a longer span is refused before it begins."""
DEFAULT_SPAN_NS = 30 * 24 * 3600 * NS_PER_S

Instant = Annotated[int | None, Parameter(ge=0, le=1 << 62)]

WORDS = {
    EntryKind.DEPOSIT: "Deposit",
    EntryKind.WITHDRAW: "Withdrawal",
    EntryKind.BET: "Bet on {spot}",
    EntryKind.CANCEL: "Taken back: {spot}",
    EntryKind.SETTLE: "Won: {spot}",
    EntryKind.VOID: "Round cancelled, stake returned: {spot}",
    EntryKind.CORRECT: "Result corrected, paid more: {spot}",
    EntryKind.RECLAIM: "Result corrected, paid less: {spot}",
    EntryKind.TRANSFER_OUT: "Sent to another player",
    EntryKind.TRANSFER_IN: "Received from another player",
    EntryKind.TRANSFER_BACK: "Came back: the other player could not be paid",
}
LOST = "Lost: {spot}"


_FILE = ResponseSpec(
    str,
    description="The file.",
    generate_examples=False,
    media_type="text/csv",
)


class StatementController(Controller):
    """Statements."""

    @get("/statement")
    async def page(
        self,
        request: Request[Any, Any, State],
        state: State,
        from_unix_ns: Instant = None,
        to_unix_ns: Instant = None,
        before: Instant = None,
    ) -> Statement:
        """Return a page of the statement of a span of time, newest first; the last 30 days if no span is named."""
        known = services(state)
        account, _ = await own_account(request, known)
        span, sums = await _span(known, account, from_unix_ns, to_unix_ns)
        last = min(sums.last_seq, before - 1) if before else sums.last_seq
        ask = m.GetEntries(account, sums.first_seq, last, [*MOVES], True, ROWS_MAX + 1)
        rows = (await known.ask(account, ask, m.EntryRows)).rows
        play = sums_play(sums)
        return Statement(
            int(_currency(account)), *span, sums.opening_minor, sums.closing_minor, totals_of(play), play.cash_minor,
            _count(sums), [explained(known.config.games, row) for row in rows[:ROWS_MAX]],
            rows[ROWS_MAX - 1].seq if len(rows) > ROWS_MAX else 0,
        )  # fmt: skip

    @get("/statement.csv", responses={200: _FILE})
    async def download(
        self,
        request: Request[Any, Any, State],
        state: State,
        from_unix_ns: Instant = None,
        to_unix_ns: Instant = None,
    ) -> Response[Any]:
        """Return the statement of a span of time as CSV (RFC 4180), oldest first, between its two balances."""
        known = services(state)
        account, _ = await own_account(request, known)
        span, sums = await _span(known, account, from_unix_ns, to_unix_ns)
        if (entries := _count(sums)) > CSV_ROWS_MAX:
            raise HTTPException(f"{entries} entries, limit {CSV_ROWS_MAX}: name a shorter span", status_code=400)
        return Stream(
            _lines(known, account, span, sums),
            media_type="text/csv",
            headers={
                "Content-Disposition": 'attachment; filename="statement.csv"',
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )


def explained(games: tuple[str, ...], row: m.EntryRow) -> StatementRow:
    """Return an entry in words."""
    kind = EntryKind(row.kind)
    table = table_of(row.round_id)
    game = game_at(games, table) if 0 < table < TABLE_ID_MAX else None
    words = LOST if kind is EntryKind.SETTLE and row.amount_minor == 0 else WORDS[kind]
    return StatementRow(
        row.seq, row.at_unix_ns, row.ref.hex(), kind.name.lower(), words.format(spot=_spot(game, table, row.selection)),
        game.name if game else "", table if game else 0, round_no_of(row.round_id) if game else 0,
        DIRECTION[kind] * row.amount_minor, row.balance_minor,
    )  # fmt: skip


def _spot(game: Game | None, table: int, selection: int) -> str:
    if table == TABLE_ID_MAX:
        return "a provider's game"
    if game is None or not 0 <= selection < len(game.spots):
        return "a spot"
    return game.spots[selection].name.replace(":", " ").replace("_", " ")


async def _span(
    known: Services, account: int, from_unix_ns: int | None, to_unix_ns: int | None
) -> tuple[tuple[int, int], m.Sums]:
    now_ns = time.time_ns()
    end_ns = now_ns if to_unix_ns is None else to_unix_ns
    begin_ns = max(0, end_ns - DEFAULT_SPAN_NS) if from_unix_ns is None else from_unix_ns
    if begin_ns > end_ns:
        raise HTTPException(f"from_unix_ns {begin_ns} is after to_unix_ns {end_ns}", status_code=400)
    sums = await known.ask(account, m.GetSums(account, begin_ns, end_ns), m.Sums)
    play = sums_play(sums)
    if sums.opening_minor + play.net_minor + play.cash_minor != sums.closing_minor:
        raise InvariantViolationError(
            f"account {account}: entries {sums.first_seq} to {sums.last_seq} do not lead from balance "
            f"{sums.opening_minor} to {sums.closing_minor}"
        )
    return (begin_ns, end_ns), sums


async def _lines(known: Services, account: int, span: tuple[int, int], sums: m.Sums) -> AsyncIterator[str]:
    currency = _currency(account)
    yield HEADER
    yield balance_line("opening balance", span[0], sums.opening_minor, currency)
    after = sums.first_seq
    while True:
        ask = m.GetEntries(account, after, sums.last_seq, [*MOVES], False, CSV_ROWS_A_READ)
        rows = (await known.ask(account, ask, m.EntryRows)).rows
        yield "".join(entry_line(explained(known.config.games, row), currency) for row in rows)
        if len(rows) < CSV_ROWS_A_READ:
            break
        after = rows[-1].seq
    yield balance_line("closing balance", span[1], sums.closing_minor, currency)


def _count(sums: m.Sums) -> int:
    return sum(n for kind, n in zip(sums.kinds, sums.counts, strict=True) if kind in MOVES)


def _currency(account: int) -> Currency:
    currency = account_currency(account)
    if currency is None:
        raise InvariantViolationError(f"account {account} has no currency")
    return currency
