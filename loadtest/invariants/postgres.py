"""Our own wallet under test: the SQL functions of one shard, on a real PostgreSQL."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg

from loadtest.invariants.adapter import Cancel, LimitChange, Move, Payout, Transfer, TransferEnd, WalletAdapter
from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.ids import table_of
from reference_impl.domain.journal import Answer, Bet, Entry
from reference_impl.domain.units import NS_PER_S

T = TypeVar("T")

_JOURNAL = """
    SELECT seq, account, ref, slot, kind, status, counter, amount, balance_after, version, round, win, selection
    FROM journal ORDER BY seq"""
EPOCH = 1


class PostgresWallet(WalletAdapter):
    """A shard's database.

    Parameters
    ----------
    dsn : str
        An empty shard: a database that ``prepare_shard`` prepared.
    table : int
        The table whose rounds are played.
    """

    def __init__(self, dsn: str, table: int = 1) -> None:
        self.loop = asyncio.new_event_loop()
        self.db: asyncpg.Connection[asyncpg.Record] = self.run(asyncpg.connect(dsn, timeout=5))
        self.run(self.db.execute("SET role livetable_wallet; SET jit = off; SET client_min_messages = warning"))
        self.run(
            self.db.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
        )  # fmt: skip
        self.run(self.db.execute("SELECT take_table($1)", table))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something of asyncpg's."""
        return self.loop.run_until_complete(work)

    def close(self) -> None:  # noqa: D102 - as the adapter says
        self.run(self.db.close())
        self.loop.close()

    def cash(self, moves: Sequence[Move]) -> list[Answer]:  # noqa: D102
        return self._answers("move_cash($1, $2, $3, $4)", _columns(moves))

    def open_window(self, round_id: int, accept_until_ns: int) -> None:  # noqa: D102
        until = datetime.fromtimestamp(accept_until_ns / NS_PER_S, tz=UTC)
        self._value("SELECT open_window($1, 0, $2, $3, $4)", round_id, table_of(round_id), EPOCH, until)

    def close_window(self, round_id: int) -> None:  # noqa: D102
        self._value("SELECT close_window($1, 0, $2, $3)", round_id, table_of(round_id), EPOCH)

    def place(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:  # noqa: D102
        return self._answers("place_bets($1, $2, $3, $4, $5, $6, $7, $8)", (*_columns(bets), now_ns))

    def place_together(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:  # noqa: D102
        return self._answers("place_together($1, $2, $3, $4, $5, $6, $7, $8)", (*_columns(bets), now_ns))

    def settle(self, round_id: int, payouts: Sequence[Payout]) -> list[Status]:  # noqa: D102
        return [Status(one) for one in self._value("SELECT settle($1, $2, $3, $4)", round_id, *_columns(payouts))]

    def void(self, round_id: int) -> int:  # noqa: D102
        return int(self._value("SELECT void_bets($1, 1000000)", round_id))

    def balance(self, account: int) -> int:  # noqa: D102
        return int(self._value("SELECT balance FROM account WHERE id = $1", account) or 0)

    def cancel(self, cancels: Sequence[Cancel], now_ns: int) -> list[Answer]:  # noqa: D102
        return self._answers("cancel_bets($1, $2, $3, $4)", (*_columns(cancels), now_ns))

    def correct(self, round_id: int, payouts: Sequence[Payout]) -> list[Answer]:  # noqa: D102
        return self._answers("correct($1, $2, $3, $4)", (round_id, *_columns(payouts)))

    def set_limits(self, changes: Sequence[LimitChange], now_ns: int, loosen_at_ns: int) -> list[Answer]:  # noqa: D102
        return self._answers("set_limits($1, $2, $3, $4, $5, $6)", (*_columns(changes), now_ns, loosen_at_ns))

    def send(self, transfers: Sequence[Transfer]) -> list[Answer]:  # noqa: D102
        return self._answers("send_money($1, $2, $3, $4)", _columns(transfers))

    def receive(self, transfers: Sequence[Transfer]) -> list[Answer]:  # noqa: D102
        return self._answers("receive_money($1, $2, $3, $4)", _columns(transfers))

    def end_transfers(self, ends: Sequence[TransferEnd]) -> list[Answer]:  # noqa: D102
        return self._answers("end_transfers($1, $2, $3)", _columns(ends))

    def journal(self) -> list[Entry]:  # noqa: D102
        return [
            Entry(seq, account, ref, Slot(slot), EntryKind(kind), Status(status), *rest)
            for seq, account, ref, slot, kind, status, *rest in self.run(self.db.fetch(_JOURNAL))
        ]

    def accounts(self) -> dict[int, tuple[int, int]]:  # noqa: D102
        rows = self.run(self.db.fetch("SELECT id, balance, version FROM account"))
        return {row["id"]: (row["balance"], row["version"]) for row in rows}

    def _value(self, query: str, *arguments: Any) -> Any:
        return self.run(self.db.fetchval(query, *arguments))

    def _answers(self, call: str, arguments: Iterable[Any]) -> list[Answer]:
        query = f"SELECT status, balance, version, seq FROM {call}"  # noqa: S608 - calls are written in this file
        row = self.run(self.db.fetchrow(query, *arguments))
        return [Answer(Status(status), *rest) for status, *rest in zip(*row or (), strict=True)]


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))
