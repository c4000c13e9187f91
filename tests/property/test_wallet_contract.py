"""The ledger on PostgreSQL and the pure model are the same ledger: any history gives equal answers and journals."""

import asyncio
import struct

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from shards import connect_as_writer, new_shard

from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.ids import AccountKind, account_id, account_kind
from reference_impl.domain.ledger import Answer, Bet, Entry, Ledger
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.database import one_row
from reference_impl.wallet.service import _timestamp

TABLE, EPOCH = 1, 1
ROUNDS = (TABLE << 32 | 1, TABLE << 32 | 2)
PLAYERS = (1, 2, 3)
FAR_FUTURE_NS = 4_000_000_000 * NS_PER_S
LONG_AGO_NS = 1_000_000_000 * NS_PER_S
NOW_NS = 2_000_000_000 * NS_PER_S

# Mostly bets that can be accepted, with every kind of trouble mixed in: repeated ids, changed parameters, strangers,
# unknown rounds, late ones, and amounts that a balance covers once but not twice.
mostly = st.integers(0, 7).map(lambda n: n < 7)
refs = st.integers(0, 30).map(lambda n: n.to_bytes(16, "big"))
bets = st.builds(
    Bet,
    ref=refs,
    account=mostly.flatmap(lambda known: st.sampled_from(PLAYERS) if known else st.just(99)),
    round_id=mostly.flatmap(lambda known: st.sampled_from((ROUNDS[0], *ROUNDS) if known else (TABLE << 32 | 77,))),
    window=st.just(0),
    selection=st.integers(0, 1),
    amount=mostly.flatmap(lambda fine: st.sampled_from((10, 30, 50, 60)) if fine else st.just(0)),
    late=mostly.map(lambda in_time: not in_time),
)


def control_ref(round_id: int, window: int, kind: EntryKind) -> bytes:
    return struct.pack(">qii", round_id, window, kind)


class WalletMachine(RuleBasedStateMachine):
    """Does the same to both and compares."""

    server: EmbeddedPostgres

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Ledger(shard=0)
        self.db: asyncpg.Connection = self.run(self._connect())

    def run(self, work):
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.db.close())
        self.loop.close()

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect_as_writer(await new_shard(self.server))
        await connection.execute("SELECT take_table($1)", TABLE)
        return connection

    @initialize(amounts=st.tuples(*[st.sampled_from((50, 100, 1000)) for _ in PLAYERS]))
    def open_accounts(self, amounts: tuple[int, ...]) -> None:
        first = [bytes(15) + bytes([200 + player]) for player in PLAYERS]
        for ref, player, amount in zip(first, PLAYERS, amounts, strict=True):
            self.model.deposit(ref, player, amount)
        count = self.run(self.db.fetchval("SELECT open_accounts($1, $2, $3, 978)", first, list(PLAYERS), list(amounts)))
        assert count == len(PLAYERS)
        self.open_window(ROUNDS[0], FAR_FUTURE_NS)

    @rule(player=st.sampled_from(PLAYERS), amount=st.sampled_from((1, 40)), number=st.integers(100, 103))
    def deposit(self, player: int, amount: int, number: int) -> None:
        ref = number.to_bytes(16, "big")
        known = (player, ref, Slot.FIRST) in self.model._by_key
        self.model.deposit(ref, player, amount)
        new = self.run(self.db.fetchval("SELECT open_accounts($1, $2, $3, 978)", [ref], [player], [amount]))
        assert new == (not known)

    @rule(
        moves=st.lists(
            st.tuples(
                st.sampled_from((EntryKind.DEPOSIT, EntryKind.WITHDRAW)),
                st.one_of(refs, st.integers(100, 103).map(lambda n: n.to_bytes(16, "big"))),
                st.sampled_from((*PLAYERS, *PLAYERS, 98, account_id(AccountKind.HOUSE, 0))),
                st.sampled_from((1, 40, 40, 90, 0, -5)),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def move_cash(self, moves: list[tuple[EntryKind, bytes, int, int]]) -> None:
        does = {EntryKind.DEPOSIT: self.model.deposit, EntryKind.WITHDRAW: self.model.withdraw}
        ours = [does[kind](ref, account, amount) for kind, ref, account, amount in moves]
        assert self._answers("move_cash($1, $2, $3, $4, 978)", moves) == ours

    @rule(
        cancels=st.lists(st.tuples(refs, st.sampled_from((*PLAYERS, 99)), st.just(False)), min_size=1, max_size=4),
        late=mostly.map(lambda in_time: not in_time),
    )
    def cancel(self, cancels: list[tuple[bytes, int, bool]], late: bool) -> None:
        self._cancel([(ref, account, late) for ref, account, _ in cancels])

    @rule(round_id=st.sampled_from(ROUNDS), limit=st.integers(1, 2))
    def cancel_waiting_bets(self, round_id: int, limit: int) -> None:
        if waiting := self.model.unsettled(round_id)[-limit:]:
            self._cancel([(bet.ref, bet.account, False) for bet in waiting])

    def _cancel(self, cancels: list[tuple[bytes, int, bool]]) -> None:
        ours = [self.model.cancel(ref, account, NOW_NS, late=late) for ref, account, late in cancels]
        assert self._answers("cancel_bets($1, $2, $3)", cancels) == ours

    @rule(
        round_id=st.sampled_from(ROUNDS), payout=st.sampled_from((0, 5, 60, 200)), limit=st.integers(1, 3),
        stray=refs, player=st.sampled_from((*PLAYERS, 99)), bad=mostly,
    )  # fmt: skip
    def correct(self, round_id: int, payout: int, limit: int, stray: bytes, player: int, bad: bool) -> None:
        settled = [e for e in self.model.journal if e.kind is EntryKind.SETTLE and e.round_id == round_id]
        asked = [(bet.ref, bet.account, payout) for bet in settled[:limit]]
        asked.append((stray, player, payout if bad else -1))
        ours = [self.model.correct(round_id, *one) for one in asked]
        assert self._answers("correct($4, $1, $2, $3)", asked, round_id) == ours

    def _answers(self, call: str, rows: list[tuple], *more: object) -> list[Answer]:
        """Return what a batch function answers to rows that it takes as columns."""
        query = f"SELECT * FROM {call}"  # noqa: S608 - calls are written in this file
        row = self.run(one_row(self.db, query, *map(list, zip(*rows, strict=True)), *more))
        return [Answer(*one) for one in zip(row["status"], row["balance"], row["version"], row["seq"], strict=True)]

    @rule(round_id=st.sampled_from(ROUNDS), until_ns=st.sampled_from((FAR_FUTURE_NS, FAR_FUTURE_NS, LONG_AGO_NS)))
    def open_window(self, round_id: int, until_ns: int) -> None:
        ours = self.model.open_window(control_ref(round_id, 0, EntryKind.OPEN), round_id, 0, until_ns)
        theirs = self.run(
            self.db.fetchval("SELECT open_window($1, 0, $2, $3, $4)", round_id, TABLE, EPOCH, _timestamp(until_ns))
        )
        assert theirs == ours

    @rule(round_id=st.sampled_from((ROUNDS[1], *ROUNDS)))
    def close_window(self, round_id: int) -> None:
        if (round_id, 0) not in self.model.windows:
            with pytest.raises(asyncpg.PostgresError, match="never opened"):
                self.run(self.db.execute("SELECT close_window($1, 0, $2, $3)", round_id, TABLE, EPOCH))
            return
        ours = self.model.close_window(control_ref(round_id, 0, EntryKind.CLOSE), round_id, 0)
        row = self.run(one_row(self.db, "SELECT seq FROM close_window($1, 0, $2, $3)", round_id, TABLE, EPOCH))
        assert row["seq"] == ours

    @rule(
        bets=st.lists(
            st.tuples(st.sampled_from(PLAYERS), st.sampled_from((10, 30, 50)), st.integers(0, 3)),
            min_size=1,
            max_size=6,
        )
    )
    def place_new_bets(self, bets: list[tuple[int, int, int]]) -> None:
        """Nothing odd in the batch: the set-based path, until a balance does not cover it."""
        first = len(self.model.journal) + 1000
        self.place(
            [
                Bet((first + n).to_bytes(16, "big"), account, ROUNDS[0], 0, selection, amount, late=False)
                for n, (account, amount, selection) in enumerate(bets)
            ]
        )

    @rule(batch=st.lists(bets, min_size=1, max_size=8))
    def place(self, batch: list[Bet]) -> None:
        ours = self.model.place(batch, NOW_NS)
        assert self._answers("place_bets($1, $2, $3, $4, $5, $6, $7)", batch) == ours

    @rule(round_id=st.sampled_from(ROUNDS), factor=st.integers(0, 3), limit=st.integers(1, 4))
    def settle(self, round_id: int, factor: int, limit: int) -> None:
        chosen = [
            (bet.ref, bet.account, factor * bet.amount if number % 2 else 0)
            for number, bet in enumerate(self.model.unsettled(round_id)[:limit])
        ]
        self._settle_both(round_id, chosen)

    @rule(round_id=st.sampled_from(ROUNDS), ref=refs, player=st.sampled_from(PLAYERS), payout=st.sampled_from((0, 10)))
    def settle_whatever(self, round_id: int, ref: bytes, player: int, payout: int) -> None:
        self._settle_both(round_id, [(ref, player, payout)])

    def _settle_both(self, round_id: int, chosen: list[tuple[bytes, int, int]]) -> None:
        if not chosen:
            return
        fresh = sum(
            (account, ref, Slot.TERMINAL) not in self.model._by_key
            and (bet := self.model._by_key.get((account, ref, Slot.FIRST))) is not None
            and bet.status is Status.ACCEPTED
            and bet.round_id == round_id
            for ref, account, _ in chosen
        )
        sweep_ref = struct.pack(">qq", round_id, len(self.model.journal) + fresh + 1)
        ours = self.model.settle(round_id, chosen, sweep_ref)
        theirs = self.run(
            self.db.fetchval(
                "SELECT settle($1, $2, $3, $4)", round_id, *(list(column) for column in zip(*chosen, strict=True))
            )
        )
        assert theirs == list(ours)

    @rule(round_id=st.sampled_from(ROUNDS))
    def void(self, round_id: int) -> None:
        if (round_id, 0) not in self.model.windows:
            return
        assert self.run(self.db.fetchval("SELECT void_bets($1, 1000)", round_id)) == self.model.void(round_id)

    @invariant()
    def journals_are_equal(self) -> None:
        rows = self.run(
            self.db.fetch(
                "SELECT seq, account, ref, slot, kind, status, counter, amount, balance_after, version, round, win,"
                " selection FROM journal ORDER BY seq"
            )
        )
        assert [Entry(*row) for row in rows] == self.model.journal

    @invariant()
    def balances_are_equal_and_sum_to_zero(self) -> None:
        rows = self.run(self.db.fetch("SELECT id, balance, version FROM account"))
        theirs = {row["id"]: (row["balance"], row["version"]) for row in rows}
        assert theirs == {number: (a.balance, a.version) for number, a in self.model.accounts.items()}
        assert sum(balance for balance, _ in theirs.values()) == 0
        assert all(b >= 0 for number, (b, _) in theirs.items() if account_kind(number) is AccountKind.PLAYER)
        assert all(b <= 0 for number, (b, _) in theirs.items() if account_kind(number) is AccountKind.OWED)

    @invariant()
    def chain_recomputes(self) -> None:
        broken = self.run(
            self.db.fetchval(
                "SELECT count(*) FROM (SELECT hash, payload, id,"
                " lag(hash, 1, sha256(int4send(0))) OVER (ORDER BY id) AS before, row_number() OVER (ORDER BY id) AS n"
                " FROM batch) b WHERE hash <> sha256(before || convert_to(payload, 'UTF8')) OR id <> n"
            )
        )
        assert broken == 0


def test_postgres_and_the_model_give_the_same_answers_to_any_history(postgres: EmbeddedPostgres) -> None:
    machine = type("WalletMachine", (WalletMachine,), {"server": postgres})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


async def test_a_batch_that_cannot_all_be_covered_is_answered_in_arrival_order(shard: asyncpg.Connection) -> None:
    round_id = ROUNDS[0]
    await shard.execute("SELECT take_table($1)", TABLE)
    await shard.fetchval("SELECT open_accounts($1, $2, $3, 978)", [bytes(16)], [1], [100])
    await shard.execute("SELECT open_window($1, 0, $2, $3, $4)", round_id, TABLE, EPOCH, _timestamp(FAR_FUTURE_NS))
    amounts = (60, 50, 30)
    batch = [Bet((n + 1).to_bytes(16, "big"), 1, round_id, 0, 0, amount, False) for n, amount in enumerate(amounts)]
    row = await one_row(
        shard, "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7)", *(list(c) for c in zip(*batch, strict=True))
    )
    assert row["status"] == [Status.ACCEPTED, Status.INSUFFICIENT_FUNDS, Status.ACCEPTED]
    assert row["balance"] == [40, 40, 10]


async def test_an_older_dealer_is_fenced(shard: asyncpg.Connection) -> None:
    await shard.execute("SELECT take_table($1)", TABLE)
    await shard.execute("SELECT take_table($1)", TABLE)
    with pytest.raises(asyncpg.PostgresError, match="held by epoch 2, not 1") as caught:
        await shard.execute("SELECT open_window($1, 0, $2, 1, now())", ROUNDS[0], TABLE)
    assert caught.value.sqlstate == "LT002"


async def test_the_first_decision_stands(shard: asyncpg.Connection) -> None:
    await shard.execute("SELECT take_table($1)", TABLE)
    ask = "SELECT void, outcome FROM decide($1, $2, $3, $4, $5, $6, $7)"
    first = await one_row(shard, ask, ROUNDS[0], TABLE, EPOCH, False, 17, b"seed", [b"head"])
    second = await one_row(shard, ask, ROUNDS[0], TABLE, EPOCH, True, -1, b"", [])
    assert tuple(first) == tuple(second) == (False, 17)


async def test_escrow_is_empty_once_a_round_is_settled(shard: asyncpg.Connection) -> None:
    round_id = ROUNDS[0]
    await shard.execute("SELECT take_table($1)", TABLE)
    await shard.fetchval("SELECT open_accounts($1, $2, $3, 978)", [bytes(16)], [1], [100])
    await shard.execute("SELECT open_window($1, 0, $2, $3, $4)", round_id, TABLE, EPOCH, _timestamp(FAR_FUTURE_NS))
    ref = b"a" * 16
    placed = await one_row(
        shard, "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7)", [ref], [1], [round_id], [0], [0], [60], [False]
    )
    assert placed["status"] == [Status.ACCEPTED]
    escrow = account_id(AccountKind.ESCROW, round_id)
    assert await shard.fetchval("SELECT balance FROM account WHERE id = $1", escrow) == 60
    await shard.execute("SELECT settle($1, $2, $3, $4)", round_id, [ref], [1], [0])
    assert await shard.fetchval("SELECT balance FROM account WHERE id = $1", escrow) == 0
