"""The ledger on PostgreSQL and the pure model are the same ledger: any history gives equal answers and journals."""

import asyncio
import struct

import asyncpg
import pytest
from hypothesis.stateful import INVARIANT_MARKER, invariant
from shards import new_shard

from loadtest.invariants import PostgresWallet, WalletMachine, check_wallet
from loadtest.invariants.adapter import Cancel, LimitChange, Move, Payout, Transfer, TransferEnd
from loadtest.invariants.strategies import FAR_FUTURE_NS, FOREIGN, HOUR_NS, ROUNDS, START_NS, TABLE
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.ids import (
    CURRENCY_PLACES,
    AccountKind,
    account_id,
)
from reference_impl.domain.journal import Answer, Bet
from reference_impl.domain.limits import NO_LIMIT_MINOR, LimitKind, period_of
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.database import one_row
from reference_impl.wallet.service import _timestamp

EPOCH = 1
DEPOSIT, WITHDRAW = EntryKind.DEPOSIT, EntryKind.WITHDRAW
POUNDS, YEN = FOREIGN


class OurMachine(WalletMachine):
    """Also holds what only our own wallet has: views, the hash chain, the rows of limits and of transfers."""

    wallet: PostgresWallet

    def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return self.wallet.run(self.wallet.db.fetch(query, *arguments))

    @invariant()
    def both_legs_of_all_entries_give_the_balances(self) -> None:
        rows = self.rows("SELECT account, sum(change)::bigint AS balance FROM entry GROUP BY account")
        moved = {number: a.balance for number, a in self.model.ledger.accounts.items() if a.version}
        assert {row["account"]: row["balance"] for row in rows} == moved

    @invariant()
    def balances_now_are_told(self) -> None:
        told = self.rows("SELECT id, balance_at(id, now()) AS balance FROM account")
        assert {row["id"]: row["balance"] for row in told} == {
            number: a.balance for number, a in self.model.ledger.accounts.items()
        }

    @invariant()
    def currencies_are_what_the_accounts_say(self) -> None:
        rows = self.rows("SELECT id FROM account WHERE currency <> currency_of(id)")
        assert rows == []

    @invariant()
    def limits_are_equal(self) -> None:
        rows = self.rows("SELECT * FROM player_limit")
        theirs = {(row["account"], row["kind"]): tuple(row)[2:] for row in rows}
        ours = {
            (account, kind): (limit.amount, limit.next_amount, limit.next_from_ns, limit.period, limit.used_minor)
            for (account, kind), limit in self.model.ledger.limits.items()
        }
        assert theirs == ours

    @invariant()
    def what_is_under_way_is_listed(self) -> None:
        rows = self.rows("SELECT account, ref FROM under_way")
        assert {tuple(row) for row in rows} == {(e.account, e.ref) for e in self.model.ledger.under_way()}

    @invariant()
    def chain_recomputes(self) -> None:
        (row,) = self.rows(
            "SELECT count(*) AS broken FROM (SELECT hash, payload, id,"
            " lag(hash, 1, sha256(int4send(0))) OVER (ORDER BY id) AS before, row_number() OVER (ORDER BY id) AS n"
            " FROM batch) b WHERE hash <> sha256(before || convert_to(payload, 'UTF8')) OR id <> n"
        )
        assert row["broken"] == 0


@pytest.mark.parametrize("histories", [25, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_postgres_and_the_model_give_the_same_answers_to_any_history(
    postgres: EmbeddedPostgres, histories: int
) -> None:
    check_wallet(lambda: PostgresWallet(asyncio.run(new_shard(postgres))), histories=histories, machine=OurMachine)


def ref(number: int) -> bytes:
    return number.to_bytes(16, "big")


def bet(number: int, amount: int, account: int = 1, selection: int = 0, *, late: bool = False) -> Bet:
    return Bet(ref(number), account, ROUNDS[0], 0, selection, amount, late)


def cancels_told_apart(machine: OurMachine) -> None:
    machine.place([bet(1, 60), bet(2, 60), bet(3, 30)])
    machine.cancel([Cancel(ref(1), 1, True)])
    machine.cancel([Cancel(ref(n), 1, False) for n in (1, 1, 2, 9, 9, 200)])
    machine.place([bet(9, 10), bet(9, 20), bet(1, 60)])
    machine.move_cash([Move(DEPOSIT, ref(20), 1, 5), Move(WITHDRAW, ref(21), 1, 500)])
    machine.cancel([Cancel(ref(20), 1, False), Cancel(ref(21), 1, False), Cancel(ref(1), 98, False)])
    machine.close_window(ROUNDS[0])
    machine.cancel([Cancel(ref(3), 1, False)])
    machine.settle(ROUNDS[0], [Payout(ref(3), 1, 90), Payout(ref(1), 1, 60)])
    machine.cancel([Cancel(ref(3), 1, False), Cancel(ref(1), 1, False)])


def corrections_leave_debts(machine: OurMachine) -> None:
    machine.place([bet(n, 20) for n in (1, 2, 3, 4)])
    machine.settle(ROUNDS[0], [Payout(ref(1), 1, 700), Payout(ref(2), 1, 0), Payout(ref(3), 1, 40)])
    machine.move_cash([Move(WITHDRAW, ref(20), 1, 700), Move(WITHDRAW, ref(20), 1, 700)])
    for number, payout in (
        (1, 0), (1, 0), (1, 10), (2, 720), (2, 720), (2, 700), (3, 40), (3, 40), (3, 41), (4, 5), (77, 5),
    ):  # fmt: skip
        machine.correct(ROUNDS[0], [Payout(ref(number), 1, payout)])
    assert machine.wallet.balance(account_id(AccountKind.OWED, 1)) < 0


def twins_in_one_batch(machine: OurMachine) -> None:
    machine.place([bet(1, 0), bet(1, 60), bet(1, 60), bet(1, 60, selection=1), bet(1, 0), bet(1, 60, late=True)])
    machine.place([bet(2, 90), bet(2, 90), bet(3, 30), bet(4, 30, account=99), bet(4, 30, account=99), bet(5, 10)])
    machine.place([bet(6, 10, late=True), bet(6, 10), bet(6, 10, account=2), bet(2, 90), bet(1, 60)])
    machine.settle(ROUNDS[0], [Payout(ref(1), 1, amount) for amount in (5, 5, 6)] + [Payout(ref(5), 1, 0)])


def odd_moves_of_cash(machine: OurMachine) -> None:
    machine.move_cash([Move(WITHDRAW, ref(1), 1, 0), Move(WITHDRAW, ref(1), 1, -5), Move(DEPOSIT, ref(2), 1, -1)])
    machine.move_cash([Move(DEPOSIT, ref(3), 98, 0), Move(WITHDRAW, ref(3), 98, 5), Move(WITHDRAW, ref(4), 97, 5)])
    machine.move_cash([Move(WITHDRAW, ref(5), 1, 101), Move(DEPOSIT, ref(6), 1, 1), Move(WITHDRAW, ref(5), 1, 101)])
    house, no_currency = account_id(AccountKind.HOUSE, 0), 200 << 48 | 7
    machine.move_cash([Move(DEPOSIT, ref(5), 1, 101), Move(WITHDRAW, ref(7), 1, 101), Move(DEPOSIT, ref(8), house, 5)])
    machine.move_cash([Move(DEPOSIT, ref(9), no_currency, 101)])


def several_currencies_in_one_round(machine: OurMachine) -> None:
    mixed = [bet(1, 60), bet(1, 60, account=POUNDS), bet(2, 10, account=YEN), bet(3, 50, account=POUNDS)]
    machine.place(mixed)
    machine.place([bet(4, 1, account=POUNDS)])
    machine.cancel([Cancel(ref(2), YEN, False)])
    machine.place([bet(5, 10, account=YEN), bet(6, 10)])
    machine.settle(ROUNDS[0], [Payout(ref(1), 1, 120), Payout(ref(1), POUNDS, 90), Payout(ref(5), YEN, 0)])
    machine.correct(ROUNDS[0], [Payout(ref(1), POUNDS, 0), Payout(ref(5), YEN, 7)])
    machine.move_cash([Move(WITHDRAW, ref(7), POUNDS, 5), Move(WITHDRAW, ref(7), YEN, 5)])
    machine.void(ROUNDS[0])


def limits_hold_within_a_batch(machine: OurMachine) -> None:
    wish = [
        LimitChange(ref(100), 1, LimitKind.STAKE, 40), LimitChange(ref(101), 1, LimitKind.ROUND, 70),
        LimitChange(ref(102), 2, LimitKind.LOSS_DAY, 50), LimitChange(ref(102), 2, LimitKind.LOSS_DAY, 50),
        LimitChange(ref(102), 2, LimitKind.LOSS_DAY, 60), LimitChange(ref(103), 99, LimitKind.STAKE, 5),
        LimitChange(ref(104), 3, LimitKind.STAKE, -1),
    ]  # fmt: skip
    machine.place([bet(1, 10)])  # before there was a limit: it counts, for the round still runs
    machine.set_limits(wish, machine.now_ns + 24 * HOUR_NS)
    machine.place([bet(2, 41), bet(3, 40), bet(4, 21), bet(5, 20), bet(6, 1), bet(5, 20), bet(7, 30, account=2)])
    machine.place([bet(8, 21, account=2), bet(9, 20, account=2), bet(10, 1, account=2), bet(11, 10, account=3)])
    machine.cancel([Cancel(ref(3), 1, False), Cancel(ref(9), 2, False)])
    machine.place([bet(12, 40), bet(13, 1), bet(14, 20, account=2), bet(15, 1, account=2)])
    machine.settle(ROUNDS[0], [Payout(ref(7), 2, 25), Payout(ref(12), 1, 0)])
    machine.place([bet(16, 26, account=2), bet(17, 25, account=2)])
    statuses = [entry.status for entry in machine.model.journal() if entry.kind is EntryKind.BET]
    assert {Status.STAKE_LIMIT, Status.ROUND_LIMIT, Status.LOSS_LIMIT} <= set(statuses)


def tighter_at_once_looser_later(machine: OurMachine) -> None:
    stake, pause, gone = LimitKind.STAKE, LimitKind.TIME_OUT, LimitKind.EXCLUSION
    number = iter(range(100, 200))

    def wish(kind: LimitKind, amount: int) -> None:
        machine.set_limits([LimitChange(ref(next(number)), 1, kind, amount)], machine.now_ns + 24 * HOUR_NS)

    def try_one(expected: Status, amount: int = 30) -> None:
        tried = bet(next(number), amount, account=1)
        machine.place([tried])
        assert machine.model.journal()[-1].status is expected

    wish(stake, 30)
    wish(stake, 50)
    try_one(Status.STAKE_LIMIT, 40)
    machine.now_ns += 24 * HOUR_NS - 1
    try_one(Status.STAKE_LIMIT, 40)
    machine.now_ns += 1
    try_one(Status.ACCEPTED, 40)
    wish(stake, NO_LIMIT_MINOR)
    wish(stake, 20)  # a newer decision replaces the one that waits
    machine.now_ns += 48 * HOUR_NS
    try_one(Status.STAKE_LIMIT, 21)
    wish(pause, machine.now_ns + HOUR_NS)
    try_one(Status.TIME_OUT, 1)
    wish(gone, machine.now_ns + 3 * HOUR_NS)
    wish(gone, 0)  # nobody comes back early
    try_one(Status.EXCLUDED, 1)
    machine.now_ns += 2 * HOUR_NS
    try_one(Status.EXCLUDED, 1)
    machine.now_ns += HOUR_NS
    try_one(Status.ACCEPTED, 1)


def all_of_a_slip_or_none(machine: OurMachine) -> None:
    def together(*slip: Bet) -> list[Answer]:
        ours = machine.model.place_together(slip, machine.now_ns)
        assert machine.wallet.place_together(slip, machine.now_ns) == ours
        return ours

    said = together(bet(1, 60), bet(2, 50, account=2), bet(3, 50), bet(1, 60), bet(4, 0), bet(5, 5, account=99))
    assert [answer.status for answer in said] == [
        Status.INSUFFICIENT_FUNDS, Status.ACCEPTED, Status.INSUFFICIENT_FUNDS, Status.INSUFFICIENT_FUNDS,
        Status.BAD_AMOUNT, Status.UNKNOWN_PLAYER,
    ]  # fmt: skip
    other = Bet(ref(6), 1, ROUNDS[1], 0, 0, 60, late=False)
    machine.open_window(ROUNDS[1], FAR_FUTURE_NS)
    together(bet(7, 60), other, bet(8, 40), Bet(ref(9), 1, ROUNDS[1], 0, 0, 1, late=False))
    together(bet(10, 1, account=3, late=True), bet(11, 1, account=3), bet(2, 50, account=2))
    machine.set_limits([LimitChange(ref(100), 3, LimitKind.LOSS_WEEK, 50)], machine.now_ns)
    together(bet(12, 30, account=3), bet(13, 21, account=3))
    together(bet(14, 30, account=3), bet(15, 20, account=3))
    machine.settle(ROUNDS[0], [Payout(ref(14), 3, 0), Payout(ref(15), 3, 0), Payout(ref(2), 2, 100)])


def transfers_end_once(machine: OurMachine) -> None:
    out = [Transfer(ref(1), 1, 2, 40), Transfer(ref(1), 1, 2, 40), Transfer(ref(1), 1, 3, 40)]
    machine.send([*out, Transfer(ref(2), 1, 98, 30), Transfer(ref(3), 1, 2, 40), Transfer(ref(4), 1, POUNDS, 5)])
    machine.end_transfers([TransferEnd(ref(3), 1, True), TransferEnd(ref(9), 1, True)])
    machine.receive([Transfer(ref(1), 2, 1, 40), Transfer(ref(1), 2, 1, 40), Transfer(ref(1), 2, 1, 41)])
    machine.receive([Transfer(ref(1), 2, 3, 40), Transfer(ref(2), 98, 1, 30)])
    machine.move_cash([Move(DEPOSIT, ref(20), 98, 1)])
    machine.receive([Transfer(ref(2), 98, 1, 30)])  # the refusal stands, though the player is there now
    ends = [TransferEnd(ref(1), 1, True), TransferEnd(ref(2), 1, False)]
    machine.end_transfers([*ends, *ends, TransferEnd(ref(1), 1, False), TransferEnd(ref(2), 1, True)])
    machine.settle(0, [Payout(ref(1), 1, 5)])
    assert machine.wallet.balance(1) == 60
    assert machine.wallet.balance(2) == 90


def decisions_cost_nothing_or_a_stake(machine: OurMachine) -> None:
    """Bets of a later window may be free; neither cover nor a limit forbids those, and each ends as every bet does."""

    def decide(number: int, amount: int, account: int = 1, window: int = 1, *, late: bool = False) -> Bet:
        return Bet(ref(number), account, ROUNDS[0], window, 1, amount, late)

    machine.place([bet(1, 100), bet(2, 0), bet(3, 30, account=2), decide(4, 0)])  # there is no such window yet
    opening = struct.pack(">qii", ROUNDS[0], 1, EntryKind.OPEN)
    machine.model.ledger.open_window(opening, ROUNDS[0], 1, FAR_FUTURE_NS)
    machine.rows("SELECT open_window($1, 1, $2, $3, $4)", ROUNDS[0], TABLE, EPOCH, _timestamp(FAR_FUTURE_NS))
    machine.place([decide(5, 0), decide(6, 0, account=2), decide(7, 30, account=2), decide(8, 100), decide(5, 0)])
    machine.place([decide(5, 1), decide(9, 0, late=True), decide(10, -1), decide(11, 0, account=99), decide(12, 0)])
    machine.set_limits([LimitChange(ref(100), 3, LimitKind.EXCLUSION, FAR_FUTURE_NS)], FAR_FUTURE_NS)
    machine.set_limits([LimitChange(ref(101), 2, LimitKind.LOSS_DAY, 5)], FAR_FUTURE_NS)
    machine.place(
        [decide(13, 0, account=3), decide(14, 5, account=3), decide(15, 0, account=2), decide(16, 6, account=2)]
    )
    machine.cancel([Cancel(ref(12), 1, False), Cancel(ref(7), 2, False), Cancel(ref(6), 2, True)])
    slip = [decide(17, 0), decide(18, 5, account=2), decide(19, 0, late=True), decide(17, 0)]
    assert machine.wallet.place_together(slip, machine.now_ns) == machine.model.place_together(slip, machine.now_ns)
    free = [entry for entry in machine.model.journal() if entry.kind is EntryKind.BET and entry.amount == 0]
    assert {entry.status for entry in free} == {Status.ACCEPTED, Status.UNKNOWN_ROUND, Status.WINDOW_CLOSED}
    machine.settle(ROUNDS[0], [Payout(ref(5), 1, 0), Payout(ref(1), 1, 200)])
    machine.void(ROUNDS[0])


STORIES = [
    cancels_told_apart, corrections_leave_debts, twins_in_one_batch, odd_moves_of_cash, several_currencies_in_one_round,
    limits_hold_within_a_batch, tighter_at_once_looser_later, all_of_a_slip_or_none, transfers_end_once,
    decisions_cost_nothing_or_a_stake,
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_postgres_and_the_model_agree_on_the_corners(postgres: EmbeddedPostgres, story) -> None:
    made = staticmethod(lambda: PostgresWallet(asyncio.run(new_shard(postgres))))
    machine = type("StoryMachine", (OurMachine,), {"make": made})()
    try:
        machine.open_accounts((100, 50, 1000, 100, 30))
        story(machine)
        for name in dir(OurMachine):
            if hasattr(getattr(OurMachine, name), INVARIANT_MARKER):
                getattr(machine, name)()
    finally:
        machine.teardown()


async def test_codes_in_sql_are_the_domains(shard: asyncpg.Connection) -> None:
    for place, currency in enumerate(CURRENCY_PLACES):
        assert await shard.fetchval("SELECT currency_of($1)", place << 48 | 5) == currency
    assert await shard.fetchval("SELECT currency_of($1)", len(CURRENCY_PLACES) << 48) is None
    for kind in LimitKind:
        for now_ns in (START_NS, START_NS + 77 * HOUR_NS, START_NS + 1001 * HOUR_NS):
            assert await shard.fetchval("SELECT period_of($1, $2)", kind, now_ns) == period_of(kind, now_ns)


async def test_a_batch_that_cannot_all_be_covered_is_answered_in_arrival_order(shard: asyncpg.Connection) -> None:
    round_id = ROUNDS[0]
    await shard.execute("SELECT take_table($1)", TABLE)
    await shard.fetchval("SELECT open_accounts($1, $2, $3)", [bytes(16)], [1], [100])
    await shard.execute("SELECT open_window($1, 0, $2, $3, $4)", round_id, TABLE, EPOCH, _timestamp(FAR_FUTURE_NS))
    amounts = (60, 50, 30)
    batch = [Bet((n + 1).to_bytes(16, "big"), 1, round_id, 0, 0, amount, False) for n, amount in enumerate(amounts)]
    row = await one_row(
        shard,
        "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7, $8)",
        *map(list, zip(*batch, strict=True)),
        START_NS,
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
    await shard.fetchval("SELECT open_accounts($1, $2, $3)", [bytes(16)], [1], [100])
    await shard.execute("SELECT open_window($1, 0, $2, $3, $4)", round_id, TABLE, EPOCH, _timestamp(FAR_FUTURE_NS))
    ref = b"a" * 16
    placed = await one_row(
        shard, "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7, $8)",
        [ref], [1], [round_id], [0], [0], [60], [False], START_NS,
    )  # fmt: skip
    assert placed["status"] == [Status.ACCEPTED]
    escrow = account_id(AccountKind.ESCROW, round_id)
    assert await shard.fetchval("SELECT balance FROM account WHERE id = $1", escrow) == 60
    await shard.execute("SELECT settle($1, $2, $3, $4)", round_id, [ref], [1], [0])
    assert await shard.fetchval("SELECT balance FROM account WHERE id = $1", escrow) == 0
