"""The wallet role: a shard's writer behind NATS, and the requests that it understands."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import numpy as np
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.background import Background
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Slot
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.ids import account_currency, table_of
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.wallet.credits import Credits
from reference_impl.wallet.database import WALLET_ROLE, Database, one_row
from reference_impl.wallet.operator_steps import Correction, finish_correction, record_correction, stop_table
from reference_impl.wallet.player_reads import entries_of, limits_of, sums_of
from reference_impl.wallet.standing import RoundPayouts, count_votes
from reference_impl.wallet.transfers import Carrier
from reference_impl.wallet.writer import SEND_AGAIN, Step, Writer

CHUNK_BETS_MIN, CHUNK_BETS_FIRST, CHUNK_BETS_MAX = 100, 500, 2000
"""Bets that one step of a settlement or a void takes."""

STATEMENTS_WAITING_MAX = 64
"""Statements that may wait for their turn: one is read at a time, so that others find a connection."""

CHUNK_NS = 15 * NS_PER_MS
"""How long one step of a settlement should take."""

FENCED = "LT002"
NEVER_OPENED = "LT003"

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode


def _timestamp(unix_ns: int) -> datetime:
    return datetime.fromtimestamp(unix_ns / NS_PER_S, tz=UTC)


async def _take_table(db: Database, ask: m.TakeTable) -> m.ControlReply:
    row = await one_row(db, "SELECT epoch, round_no FROM take_table($1)", ask.table_id)
    stopped = await db.fetchval("SELECT stopped FROM game_table WHERE id = $1", ask.table_id)
    return m.Taken(row["epoch"], row["round_no"] + 1, stopped)


async def _fence(db: Database, ask: m.Fence) -> m.ControlReply:
    await db.execute("SELECT fence($1, $2)", ask.table_id, ask.epoch)
    return m.Done(1)


async def _open_window(db: Database, ask: m.OpenWindow) -> m.ControlReply:
    accept_until = _timestamp(ask.accept_until_unix_ns)
    seq = await db.fetchval(
        "SELECT open_window($1, $2, $3, $4, $5)",
        ask.round_id, ask.window, table_of(ask.round_id), ask.epoch, accept_until,
    )  # fmt: skip
    return m.Sequenced(seq)


async def _close_window(db: Database, ask: m.CloseWindow) -> m.ControlReply:
    row = await one_row(
        db,
        "SELECT seq, hash FROM close_window($1, $2, $3, $4)",
        ask.round_id, ask.window, table_of(ask.round_id), ask.epoch,
    )  # fmt: skip
    return m.Sequenced(row["seq"], row["hash"])


async def _record_decision(db: Database, ask: m.RecordDecision) -> m.ControlReply:
    row = await one_row(
        db,
        "SELECT void, outcome, game FROM decide($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        ask.round_id, table_of(ask.round_id), ask.epoch, ask.void, ask.outcome, ask.seed, ask.heads, ask.game,
        ask.reason,
    )  # fmt: skip
    return m.Decision(row["void"], row["outcome"], row["game"])


class _Settlement:
    """A round's settlement, a chunk at a time: of about :data:`CHUNK_NS`, so that other tables' bets interleave.

    After an unknown outcome the same chunk is taken again: the place in the journal moves only after a commit.
    """

    def __init__(self, ask: m.SettleRound) -> None:
        self._ask = ask
        self._game = game_named(ask.game)
        stages = self._game.stages
        self._payouts = RoundPayouts(stages, ask.round_id, ask.outcome) if stages else None
        self._after_seq = 0
        self._bets = CHUNK_BETS_FIRST

    async def __call__(self, db: Database) -> m.ControlReply | None:
        round_id = self._ask.round_id
        if await db.fetchval("SELECT count(*) FROM betting_window WHERE round = $1 AND closed_seq IS NULL", round_id):
            return m.Refused(f"round {round_id} cannot be settled: a window of it is still open")
        started_ns = time.monotonic_ns()
        query = "SELECT ref, account, selection, amount, seq FROM unsettled($1, $2, $3)"
        bets = await db.fetch(query, round_id, self._bets, self._after_seq)
        if not bets:
            await db.execute("SELECT finish_round($1)", round_id)
            return m.Done(0)
        if self._payouts:
            payouts = await self._payouts.of(db, bets)
        else:
            selections = np.array([bet["selection"] for bet in bets], dtype=np.int64)
            stakes = np.array([bet["amount"] for bet in bets], dtype=np.int64)
            payouts = self._game.payouts_minor(selections, stakes, self._ask.outcome).tolist()
        refs, accounts = [bet["ref"] for bet in bets], [bet["account"] for bet in bets]
        await db.fetchval("SELECT settle($1, $2, $3, $4)", round_id, refs, accounts, payouts)
        self._after_seq = bets[-1]["seq"]
        spent_ns = max(1, time.monotonic_ns() - started_ns)
        self._bets = min(CHUNK_BETS_MAX, max(CHUNK_BETS_MIN, len(bets) * CHUNK_NS // spent_ns))
        return None


async def _void_chunk(db: Database, ask: m.VoidRound) -> m.ControlReply | None:
    for row in await db.fetch(
        "SELECT win FROM betting_window WHERE round = $1 AND closed_seq IS NULL ORDER BY win", ask.round_id
    ):
        await _close_window(db, m.CloseWindow(ask.round_id, row["win"], ask.epoch))
    if await db.fetchval("SELECT void_bets($1, $2)", ask.round_id, CHUNK_BETS_FIRST):
        return None
    await db.execute("SELECT finish_round($1)", ask.round_id)
    return m.Done(0)


async def _announce(db: Database, ask: m.AnnounceTable) -> m.ControlReply:
    seq = await db.fetchval("SELECT announce($1, $2, $3)", ask.table_id, ask.epoch, ask.event.decode())
    return m.Sequenced(seq)


async def _open_accounts(db: Database, ask: m.OpenAccounts) -> m.ControlReply:
    if stranger := _in_another_currency(ask.accounts, ask.currency):
        return m.Refused(stranger)
    return m.Done(await db.fetchval("SELECT open_accounts($1, $2, $3)", ask.refs, ask.accounts, ask.amounts))


def _in_another_currency(accounts: list[int], asked: int) -> str:
    for account in accounts:
        if asked not in (0, held := account_currency(account)):
            return f"account {account} is in currency {held}, asked was {asked}"
    return ""


async def _answers(db: Database, call: str, *columns: Any) -> m.Answers:
    row = await one_row(db, f"SELECT status, balance, version, seq FROM {call}", *columns)  # noqa: S608 - calls are written in this file
    return m.Answers(row["status"], row["balance"], row["version"], row["seq"])


async def _move_cash(db: Database, ask: m.MoveCash) -> m.ControlReply:
    if stranger := _in_another_currency(ask.accounts, ask.currency):
        return m.Refused(stranger)
    return await _answers(db, "move_cash($1, $2, $3, $4)", ask.kinds, ask.refs, ask.accounts, ask.amounts)


async def _cancel_bets(db: Database, ask: m.CancelBets) -> m.ControlReply:
    return await _answers(db, "cancel_bets($1, $2, $3, $4)", ask.refs, ask.accounts, ask.late, time.time_ns())


async def _correct_bets(db: Database, ask: m.CorrectBets) -> m.ControlReply:
    return await _answers(db, "correct($1, $2, $3, $4)", ask.round_id, ask.refs, ask.accounts, ask.payouts)


async def _place_together(db: Database, ask: m.PlaceTogether) -> m.ControlReply:
    columns = ask.refs, ask.accounts, ask.rounds, ask.windows, ask.selections, ask.amounts, ask.late
    return await _answers(db, "place_together($1, $2, $3, $4, $5, $6, $7, $8)", *columns, time.time_ns())


async def _set_limits(db: Database, ask: m.SetLimits) -> m.ControlReply:
    columns = ask.refs, ask.accounts, ask.kinds, ask.amounts, ask.now_unix_ns, ask.loosen_at_unix_ns
    return await _answers(db, "set_limits($1, $2, $3, $4, $5, $6)", *columns)


async def _send_money(db: Database, ask: m.SendMoney) -> m.ControlReply:
    return await _answers(db, "send_money($1, $2, $3, $4)", ask.refs, ask.accounts, ask.to, ask.amounts)


async def _receive_money(db: Database, ask: m.ReceiveMoney) -> m.ControlReply:
    return await _answers(db, "receive_money($1, $2, $3, $4)", ask.refs, ask.accounts, ask.senders, ask.amounts)


async def _end_transfers(db: Database, ask: m.EndTransfers) -> m.ControlReply:
    return await _answers(db, "end_transfers($1, $2, $3)", ask.refs, ask.accounts, ask.arrived)


async def _transfer(db: Database, ask: m.GetTransfer) -> m.ControlReply:
    row = await db.fetchrow(
        "SELECT o.status, e.kind FROM journal o"
        " LEFT JOIN journal e ON e.account = o.account AND e.ref = o.ref AND e.slot = $3"
        " WHERE o.account = $1 AND o.ref = $2 AND o.slot = $4 AND o.kind = $5",
        ask.account, UUID(bytes=ask.ref), Slot.TERMINAL, Slot.FIRST, EntryKind.TRANSFER_OUT,
    )  # fmt: skip
    if row is None:
        return m.Transfer(known=False)
    ends = row["kind"]
    return m.Transfer(True, row["status"], ends == EntryKind.TRANSFER_END, ends == EntryKind.TRANSFER_BACK)


async def _balance(db: Database, ask: m.GetBalance) -> m.ControlReply:
    row = await db.fetchrow("SELECT balance, version, currency FROM account WHERE id = $1", ask.account)
    return m.Balance(row["balance"], row["version"], row["currency"], True) if row else m.Balance(0, 0, 0, False)


async def _unfinished(db: Database, ask: m.GetUnfinished) -> m.ControlReply:
    rows = await db.fetch(
        "SELECT DISTINCT round FROM betting_window WHERE table_id = $1 AND NOT finished ORDER BY round", ask.table_id
    )
    corrections = await db.fetch(
        "SELECT c.round, c.outcome, d.game FROM round_correction c JOIN round_decision d USING (round)"
        " WHERE c.table_id = $1 AND NOT c.finished ORDER BY c.round", ask.table_id
    )  # fmt: skip
    return m.Unfinished([row["round"] for row in rows], [tuple(row) for row in corrections])


WRITES: dict[type, Callable[[Database, Any], Any]] = {
    m.TakeTable: _take_table,
    m.Fence: _fence,
    m.OpenWindow: _open_window,
    m.CloseWindow: _close_window,
    m.RecordDecision: _record_decision,
    m.VoidRound: _void_chunk,
    m.AnnounceTable: _announce,
    m.OpenAccounts: _open_accounts,
    m.MoveCash: _move_cash,
    m.CancelBets: _cancel_bets,
    m.CorrectBets: _correct_bets,
    m.RecordCorrection: record_correction,
    m.FinishCorrection: finish_correction,
    m.StopTable: stop_table,
    m.PlaceTogether: _place_together,
    m.SetLimits: _set_limits,
    m.SendMoney: _send_money,
    m.ReceiveMoney: _receive_money,
    m.EndTransfers: _end_transfers,
}
"""Requests that pass through the writer, one step at a time."""


def step_of(ask: m.ControlRequest) -> Step:
    """Return what carries out a request that writes, one step a call."""
    if isinstance(ask, m.SettleRound):
        return _Settlement(ask)
    if isinstance(ask, m.CorrectRound):
        return Correction(ask)
    write = WRITES[type(ask)]

    async def step(db: Database) -> m.ControlReply | None:
        reply: m.ControlReply | None = await write(db, ask)
        return reply

    return step


READS: dict[type, Callable[[Database, Any], Any]] = {
    m.GetBalance: _balance,
    m.GetUnfinished: _unfinished,
    m.GetTransfer: _transfer,
    m.GetLimits: limits_of,
    m.GetSums: sums_of,
    m.GetEntries: entries_of,
    m.CountVotes: count_votes,
}
"""Requests that read committed state on a connection of their own and never wait for a batch."""

STATEMENTS = (m.GetSums, m.GetEntries)
"""Reads that take as long as an account has entries."""


@dataclass
class Wallet:
    """The wallet role of one shard.

    Parameters
    ----------
    shard : int
        Its number.
    dsn : str
        Its database.
    bus : nats.aio.client.Client
        A connected NATS client.
    shards : int
        How many there are; what is sent to a player goes to the player's shard.
    """

    shard: int
    dsn: str
    bus: Client
    shards: int

    def __post_init__(self) -> None:
        self._writer = Writer(self.dsn, self._nudge)
        self._credits = Credits(self._writer)
        self._carrier = Carrier(self.shard, self.shards, self.dsn, self.bus, self._end_transfers)
        self._beside = Background(f"shard {self.shard}")
        self._reader: asyncpg.Pool | None = None
        self._statements = asyncio.Semaphore(1)
        self._statements_waiting = 0
        self._decode_bets = msgspec.msgpack.Decoder(m.BetBatch).decode
        self._decode_control = msgspec.msgpack.Decoder(m.ControlRequest).decode

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Connections, waiting bets, bets placed and egress bytes (not counted here)."""
        return 0, self._writer.queued_bets, self._writer.bets_placed, 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; call `ready` once subscribed."""
        await self.bus.subscribe(f"wallet.{self.shard}.bets", cb=self._on_bets)
        await self.bus.subscribe(f"wallet.{self.shard}.control", cb=self._on_control)
        await self.bus.flush()
        ready()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                group.create_task(self._carrier.run())
        finally:
            self._beside.cancel()
            if self._reader is not None:
                self._reader.terminate()

    async def _end_transfers(self, ask: m.EndTransfers) -> None:
        await self._writer.control(step_of(ask))

    def _nudge(self) -> None:
        self._beside.spawn(self.bus.publish(f"nudge.{self.shard}", b""))

    async def _on_bets(self, msg: Msg) -> None:
        answer = self._writer.place(self._decode_bets(msg.data))
        answer.add_done_callback(lambda done: self._beside.spawn(self.bus.publish(msg.reply, _encode(done.result()))))

    async def _on_control(self, msg: Msg) -> None:
        self._beside.spawn(self._answer_control(msg))

    async def _answer_control(self, msg: Msg) -> None:
        ask = self._decode_control(msg.data)
        try:
            reply: m.ControlReply = await self._carry_out(ask)
        except asyncpg.PostgresError as error:
            reply = m.Refused(f"shard {self.shard}: {error}", fenced=error.sqlstate == FENCED)
        except (asyncio.QueueFull, *SEND_AGAIN) as error:
            log.warning("shard %d: %s not answered: %s", self.shard, type(ask).__name__, error)
            return  # the asker's time-out says "unknown", which is the truth
        await self.bus.publish(msg.reply, _encode(reply))
        if isinstance(ask, m.SendMoney):
            self._carrier.hurry()

    async def _carry_out(self, ask: m.ControlRequest) -> m.ControlReply:
        if read := READS.get(type(ask)):
            return await (self._read_statement if isinstance(ask, STATEMENTS) else self._read)(read, ask)
        if isinstance(ask, m.SettleBets):
            return await self._credits.settle(ask)
        return await self._writer.control(step_of(ask))

    async def _read_statement(self, read: Callable[[Database, Any], Any], ask: m.ControlRequest) -> m.ControlReply:
        if self._statements_waiting >= STATEMENTS_WAITING_MAX:
            return m.Refused(f"{self._statements_waiting} statements wait already, limit {STATEMENTS_WAITING_MAX}")
        self._statements_waiting += 1
        try:
            async with self._statements:
                return await self._read(read, ask)
        finally:
            self._statements_waiting -= 1

    async def _read(self, read: Callable[[Database, Any], Any], ask: m.ControlRequest) -> m.ControlReply:
        if self._reader is None:
            self._reader = await asyncpg.create_pool(
                self.dsn, min_size=0, max_size=2, server_settings={"role": WALLET_ROLE}
            )
        async with self._reader.acquire() as connection:
            reply: m.ControlReply = await read(connection, ask)
            return reply
