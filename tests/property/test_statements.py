"""A statement, a session's play and what the event stream told of it are the ledger's sums, after any history."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from shards import new_shard

from loadtest.invariants import PostgresWallet, WalletMachine, check_wallet
from loadtest.invariants import strategies as some
from reference_impl.accounts.follower import Batch, Columns, Follower
from reference_impl.accounts.presence import Presence
from reference_impl.accounts.sessions import Sessions
from reference_impl.accounts.store import Store
from reference_impl.api.account import sums_play
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.ids import account_number
from reference_impl.domain.journal import DIRECTION
from reference_impl.domain.play import MOVES, Play, play_of
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.player_reads import entries_of, sums_of

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000"
_BATCHES = (
    "SELECT id, payload, (extract(epoch FROM at) * 1000000)::bigint AS at_us FROM batch WHERE id > $1 ORDER BY id"
)
_SUMS = "SELECT session, kind, n, amount_minor FROM accounts.session_sum ORDER BY 1, 2"


class Wallet(PostgresWallet):
    """A shard with accounts of players beside it, in the same database."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.reader = self.run(asyncpg.connect(dsn))
        self.store = Store(dsn)
        self.run(self.store.open())
        self.run(
            self.store.pool.executemany(
                "INSERT INTO accounts.player VALUES ($1, $2, '', 978)", [(n, f"player-{n}") for n in some.PLAYERS]
            )
        )

    def close(self) -> None:
        self.run(self.reader.close())
        self.run(self.store.pool.close())
        super().close()


class StatementMachine(WalletMachine):
    """Looks at spans between instants of any history, and logs players in and out."""

    wallet: Wallet

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[tuple[int, int]] = []
        self.follower = Follower(self.wallet.store, None)
        self.sessions = Sessions(self.wallet.store, b"only for this test, thirty-two byt", 1800.0)
        self.presence = Presence(self.wallet.store, 0, 1)
        self.counted = 0

    def read(self, read: Any, ask: Any) -> Any:
        return self.wallet.run(read(self.wallet.reader, ask))

    def now_unix_ns(self) -> int:
        return self.wallet.run(self.wallet.reader.fetchval(_NOW))

    @rule(account=st.sampled_from((*some.PLAYERS, *some.FOREIGN)), back=st.integers(0, 3))
    def a_statement_is_what_the_model_moved(self, account: int, back: int) -> None:
        self.marks.append((self.now_unix_ns(), len(self.model.journal())))
        (from_ns, first), (to_ns, last) = self.marks[max(0, len(self.marks) - 1 - back)], self.marks[-1]
        span = self.model.journal()[first:last]
        mine = [
            e for e in span if e.account == account and e.status is Status.ACCEPTED and e.kind is not EntryKind.LIMIT
        ]
        sums = self.read(sums_of, m.GetSums(account, from_ns, to_ns))
        assert (sums.opening_minor, sums.closing_minor) == tuple(
            sum(
                DIRECTION[e.kind] * e.amount for e in self.model.journal()[:n] if e.account == account and e.status == 1
            )
            for n in (first, last)
        )
        play = sums_play(sums)
        assert play.bets == sum(e.kind is EntryKind.BET for e in mine)
        assert play.staked_minor == sum(e.amount for e in mine if e.kind is EntryKind.BET)
        assert sums.opening_minor + play.net_minor + play.cash_minor == sums.closing_minor
        self.assert_pages(account, sums, (from_ns, to_ns), [e for e in mine if e.kind in MOVES])

    def assert_pages(self, account: int, sums: m.Sums, span: tuple[int, int], mine: list) -> None:
        """Pages from either end hold each entry once, with the balance after it, committed within the span."""
        for newest_first in (False, True):
            after, to, told = sums.first_seq, sums.last_seq, []
            while rows := self.read(entries_of, m.GetEntries(account, after, to, [*MOVES], newest_first, 2)).rows:
                told += rows
                after, to = (after, rows[-1].seq - 1) if newest_first else (rows[-1].seq, to)
            expected = [(e.seq, e.ref, e.kind, e.amount, e.balance_after) for e in mine]
            assert [(r.seq, r.ref, r.kind, r.amount_minor, r.balance_minor) for r in told] == (
                expected[::-1] if newest_first else expected
            )
            assert all(span[0] < row.at_unix_ns <= span[1] for row in told)
            balances = [r.balance_minor for r in sorted(told, key=lambda r: r.seq)]
            assert not balances or balances[-1] == sums.closing_minor

    @rule(player=st.sampled_from(some.PLAYERS), leaves=st.booleans())
    def come_or_go(self, player: int, leaves: bool) -> None:
        self.wallet.run(self.sessions.end(player, "log-out") if leaves else self.sessions.open(player, 0))

    @rule()
    def sessions_are_what_the_ledger_says(self) -> None:
        self.count()
        for player in some.PLAYERS:
            accounts = [one for one in (*some.PLAYERS, *some.FOREIGN) if account_number(one) == player]
            for past in self.wallet.run(self.presence.sessions(player)):
                assert past.play == self.played(accounts, past.opened_unix_ns, past.ended_unix_ns)

    def played(self, accounts: list[int], from_ns: int, to_ns: int | None) -> Play:
        told: dict[EntryKind, tuple[int, int]] = {}
        for account in accounts:
            sums = self.read(sums_of, m.GetSums(account, from_ns, to_ns or self.now_unix_ns()))
            for kind, n, moved in zip(sums.kinds, sums.counts, sums.sums_minor, strict=True):
                before = told.get(EntryKind(kind), (0, 0))
                told[EntryKind(kind)] = (before[0] + n, before[1] + moved)
        return play_of(told)

    def count(self) -> None:
        rows = self.wallet.run(self.wallet.reader.fetch(_BATCHES, self.counted))
        batches = [
            Batch(0, row["id"], row["id"], row["at_us"], msgspec.json.decode(row["payload"], type=Columns))
            for row in rows
        ]
        if batches:
            assert self.wallet.run(self.follower.count(batches))
            assert not self.wallet.run(Follower(self.wallet.store, None).count(batches)), "nobody counts beside another"
            self.counted = rows[-1]["id"]

    def teardown(self) -> None:
        """What was forgotten and is counted again, all at once, is the same."""
        self.count()
        before = self.wallet.run(self.wallet.reader.fetch(_SUMS))
        self.wallet.run(self.presence.forget_counts())
        self.follower, self.counted = Follower(self.wallet.store, None), 0
        self.count()
        assert self.wallet.run(self.wallet.reader.fetch(_SUMS)) == before
        super().teardown()


@pytest.mark.parametrize("histories", [6, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_statements_and_sessions_equal_the_ledger_after_any_history(postgres: EmbeddedPostgres, histories: int) -> None:
    check_wallet(lambda: Wallet(asyncio.run(new_shard(postgres))), histories=histories, machine=StatementMachine)
