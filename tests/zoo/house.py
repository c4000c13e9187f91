"""One shard in this process, with everybody who uses it: dealers, two gateways, players and a cashier.

The wallet's writer and steps are the real ones. Everybody else is told what to do by a script, and records what they
saw in the same files, and by the same rules, as the processes of a campaign. Instants are real, but nothing depends on
how fast the machine is: a window closes when the script is through with it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import msgspec
from shards import connect_as_writer

from loadtest.adapters.base import Arrived
from loadtest.pushed import pushes_of
from reference_impl.bets.fanout import Fanout
from reference_impl.bets.frames import frame_of
from reference_impl.domain import records
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.games.outcome import SEED_BYTES, commitment, seeded_outcome
from reference_impl.domain.games.roulette import POCKETS, SPOTS
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import ServerMessage, Welcome
from reference_impl.domain.records import OpEvent, OpKind, Outcome
from reference_impl.domain.table_messages import PaidBatch, TableEnvelope, TableEvent
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.stack.recording import RecordFile

PLAYERS = tuple(range(1, 13))
POOR = 12
CAREFUL = (13, 14, 15, 16, 17)
"""Players who set limits for themselves: of a bet, a round and a day's loss, a time-out, an exclusion."""
EUR = 978
CAMPAIGN = (0x5EED).to_bytes(8, "big")
LATE_NS = NS_PER_MS
BATCH = 50
TABLES = (1, 2)

_decode = msgspec.json.Decoder(ServerMessage).decode
_HEAD_BYTES = {126: 4, 127: 10}
"""How long the head of an unmasked WebSocket frame is, by its second byte; 2 bytes otherwise."""


@dataclass
class Round:
    """A round as its dealer and the gateways know it; 0 means not yet."""

    table: int
    number: int
    epoch: int
    seed: bytes
    opens_ns: int = 0
    closes_ns: int = 0
    head: bytes = b""

    @property
    def id(self) -> int:
        return round_id(self.table, self.number)


@dataclass
class Wager:
    """A bet as its player knows it."""

    number: int
    account: int
    round: Round
    selection: int
    amount: int
    attempts: int = 0
    due_ns: int = 0

    @property
    def ref(self) -> bytes:
        return CAMPAIGN + self.number.to_bytes(8, "big")


class FencedError(Exception):
    """Another dealer holds the table."""


class Ear:
    """A player's socket at one table: what is sent to it is recorded."""

    def __init__(self, player: int, table: int, record: Callable[..., None]) -> None:
        self._where = player, table, table
        self._record = record

    def push(self, frame: bytes) -> None:
        now_ns = time.monotonic_ns()
        payload = frame[_HEAD_BYTES.get(frame[1], 2) :]
        for row in pushes_of(Arrived(_decode(payload), now_ns, now_ns), *self._where):
            self._record(*row)


class LosesOneAnswer:
    """A connection that breaks after the next batch of bets was committed and before its answer is read."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetchrow(self, *asked: Any) -> None:
        await self._connection.fetchrow(*asked)
        raise ConnectionResetError("the answer was lost")

    def terminate(self) -> None:
        self._connection.terminate()


class House:
    """One shard, and everybody who uses it.

    Parameters
    ----------
    dsn, folder : str, Path
        The shard's database, and where records go.
    writer, service : module
        The wallet's modules.
    """

    def __init__(self, dsn: str, folder: Path, writer: ModuleType, service: ModuleType) -> None:
        self.dsn = dsn
        self.writer = writer.Writer(dsn, lambda: None)
        self.faults: list[dict[str, Any]] = []
        self.orders: dict[tuple[int, bytes], tuple[int, int, int]] = {}
        now_ns = time.monotonic_ns()
        self.clock = (now_ns, time.time_ns())
        self.service = service
        self._dice = random.Random(7)
        self._wagers = 0
        self._ops = RecordFile(folder / "ops-w0.bin", records.OPS)
        self._pushes = RecordFile(folder / "pushes-w0.bin", records.PUSHES)
        self._phases = RecordFile(folder / "phases-dealer.bin", records.PHASES)
        self._stages = [RecordFile(folder / f"stages-gateway-{n}.bin", records.STAGES) for n in range(2)]

    async def play(self, script: Callable[["House"], Coroutine[None, None, None]]) -> None:
        """Live through a script; raises what the wallet raises."""
        serving = asyncio.create_task(self.writer.run())
        playing = asyncio.create_task(script(self))
        try:
            await asyncio.wait((serving, playing), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            await playing
            await self._tell_players()
        finally:
            for task in (serving, playing):
                task.cancel()
            await asyncio.gather(serving, playing, return_exceptions=True)
            for file in (self._ops, self._pushes, self._phases, *self._stages):
                file.close()

    # What dealers do.

    async def open(self, table: int, number: int, epoch: int, accept_s: float = 60.0) -> Round:
        known = Round(table, number, epoch, self._dice.randbytes(SEED_BYTES))
        until_ns = time.time_ns() + round(accept_s * NS_PER_S)
        await self.ask(m.OpenWindow(known.id, 0, epoch, until_ns))
        known.opens_ns = time.monotonic_ns()
        self.announce_phase(known, Phase.BETS_OPEN)
        await self._tell(known, Phase.BETS_OPEN)
        return known

    async def cut_off(self, known: Round) -> None:
        known.closes_ns = time.monotonic_ns()
        self.announce_phase(known, Phase.NO_MORE_BETS)
        await asyncio.sleep(2 * LATE_NS / NS_PER_S)

    async def close(self, known: Round) -> None:
        known.head = (await self.ask(m.CloseWindow(known.id, 0, known.epoch))).head
        self.announce_phase(known, Phase.BETS_CLOSED)

    async def decide(self, known: Round, *, void: bool = False) -> m.Decision:
        heads = [] if void else [known.head]
        outcome = -1 if void else seeded_outcome(known.seed, heads, POCKETS)
        decision = await self.ask(m.RecordDecision(known.id, known.epoch, void, outcome, known.seed, heads))
        if not decision.void:
            self.announce_phase(known, Phase.DEALING)
        return decision

    async def settle(self, known: Round, decision: m.Decision) -> None:
        self.announce_phase(known, Phase.RESULT, decision.outcome)
        await self.end(known, decision)

    async def end(self, known: Round, decision: m.Decision) -> None:
        if decision.void:
            await self.ask(m.VoidRound(known.id, known.epoch))
        else:
            await self.ask(m.SettleRound(known.id, known.epoch, decision.outcome))
        self.announce_phase(known, Phase.VOIDED if decision.void else Phase.SETTLED, decision.outcome)
        await self._tell(known, Phase.VOIDED if decision.void else Phase.RESULT, decision.outcome, known.seed.hex())

    async def _tell(self, known: Round, phase: Phase, outcome: int = -1, seed: str = "") -> None:
        event = TableEvent(
            known.table, known.id, 0, int(phase), 1, outcome=outcome, commitment=commitment(known.seed).hex(), seed=seed
        )
        await self.ask(m.AnnounceTable(known.table, known.epoch, msgspec.json.encode(event)))

    async def ask(self, ask: m.ControlRequest) -> Any:
        """Ask the wallet as its service does."""
        try:
            reply = await self._carry_out(ask)
        except asyncpg.PostgresError as error:
            if error.sqlstate != self.service.FENCED:
                raise
            raise FencedError(str(error)) from error
        self._note_orders(ask, reply)
        return reply

    def _note_orders(self, ask: m.ControlRequest, reply: m.ControlReply) -> None:
        """Note what was ordered and answered; an order that is repeated is one order."""
        match ask, reply:
            case m.OpenAccounts(refs, accounts, amounts), m.Done():
                kinds, answers = [int(EntryKind.DEPOSIT)] * len(refs), [int(Status.ACCEPTED)] * len(refs)
            case m.MoveCash(kinds, refs, accounts, amounts), m.Answers(answers):
                pass
            case m.CorrectBets(_, refs, accounts, amounts), m.Answers(answers):
                kinds = [int(EntryKind.CORRECT)] * len(refs)
            case _:
                return
        for kind, ref, *row in zip(kinds, refs, accounts, amounts, answers, strict=True):
            self.orders[kind, ref] = tuple(row)

    def _carry_out(self, ask: m.ControlRequest) -> Awaitable[m.ControlReply]:
        if read := self.service.READS.get(type(ask)):
            return self._read(read, ask)
        return self.writer.control(self.service.step_of(ask))

    async def _read(self, read: Any, ask: m.ControlRequest) -> m.ControlReply:
        connection = await connect_as_writer(self.dsn)
        try:
            return await read(connection, ask)
        finally:
            await connection.close()

    # What gateways and players do.

    def some(
        self,
        known: Round,
        count: int,
        players: tuple[int, ...] = PLAYERS[:-1],
        amount: int | None = None,
        selection: int | None = None,
    ) -> Iterator[Wager]:
        for _ in range(count):
            self._wagers += 1
            stake = self._dice.randrange(1, 300) if amount is None else amount
            spot = self._dice.randrange(len(SPOTS)) if selection is None else selection
            yield Wager(self._wagers, self._dice.choice(players), known, spot, stake)

    async def bet_in_batches(self, wagers: Iterable[Wager]) -> None:
        """Bet at both gateways at once, a batch each at a time."""
        waiting = list(wagers)
        shares = [waiting[: len(waiting) // 3], waiting[len(waiting) // 3 :]]
        await asyncio.gather(*(self._bet_in_turn(gateway, share) for gateway, share in enumerate(shares)))

    async def _bet_in_turn(self, gateway: int, wagers: list[Wager]) -> None:
        for first in range(0, len(wagers), BATCH):
            await self.bet(gateway, wagers[first : first + BATCH])

    async def bet(
        self,
        gateway: int,
        wagers: Iterable[Wager],
        *,
        heard: bool = True,
        unaware: bool = False,
        frozen_since_ns: int = 0,
    ) -> None:
        """Send a batch of a gateway; one that is unaware, or was frozen, takes late bets for timely ones."""
        batch = list(wagers)
        received_ns = [frozen_since_ns or self.invoke(wager, gateway, time.monotonic_ns()) for wager in batch]
        if frozen_since_ns:
            for wager in batch:
                self.invoke(wager, gateway, frozen_since_ns)
        asked = [
            (w.ref, w.account, w.round.id, 0, w.selection, w.amount, not unaware and 0 < w.round.closes_ns <= at_ns)
            for w, at_ns in zip(batch, received_ns, strict=True)
        ]
        sent_ns = time.monotonic_ns()
        answers: m.BetAnswers = await self.writer.place(m.BetBatch(*map(list, zip(*asked, strict=True))))
        replied_ns = time.monotonic_ns()
        rows = zip(batch, received_ns, answers.status, answers.balance, answers.version, answers.seq, strict=True)
        for wager, at_ns, *answer in rows:
            self._stages[gateway].append(
                wager.ref, gateway, 0, answers.batch_size, answers.queue_depth, at_ns, at_ns, sent_ns,
                answers.received_ns, answers.started_ns, answers.committed_ns, replied_ns, time.monotonic_ns(),
            )  # fmt: skip
            if heard:
                self._return(wager, gateway, answer)

    def invoke(self, wager: Wager, gateway: int, now_ns: int) -> int:
        wager.attempts += 1
        wager.due_ns = wager.due_ns or now_ns
        self._record(wager, OpEvent.INVOKE, gateway, Outcome.UNKNOWN, now_ns, 0, [0, 0, 0, 0])
        return now_ns

    def _return(self, wager: Wager, gateway: int, answer: list[int]) -> None:
        outcome = Outcome.OK if answer[0] == Status.ACCEPTED else Outcome.REJECTED
        self._record(wager, OpEvent.RETURN, gateway, outcome, 0, time.monotonic_ns(), answer)

    def _record(
        self,
        w: Wager,
        event: OpEvent,
        gateway: int,
        outcome: Outcome,
        invoke_ns: int,
        return_ns: int,
        answer: list[int],
    ) -> None:
        status, balance, version, seq = answer
        shard = 0 if return_ns else -1
        self._ops.append(
            w.ref, event, w.attempts, outcome, status, OpKind.BET, gateway, w.account, 1, w.round.table, 0, w.selection,
            EUR, shard, w.account, w.round.id, w.amount, w.due_ns, invoke_ns, return_ns, 0, balance, version, seq,
        )  # fmt: skip

    async def _tell_players(self) -> None:
        """Tell everybody what the outbox holds, in its order, as gateways do; then welcome everybody again."""
        fanout = Fanout()
        for table in TABLES:
            for player in (*PLAYERS, *CAREFUL):
                ear = Ear(player, table, self._pushes.append)
                fanout.join(table, player, ear, ear.push)
        connection = await asyncpg.connect(self.dsn)
        try:
            rows = await connection.fetch("SELECT topic, payload FROM batch ORDER BY id")
        finally:
            await connection.close()
        for row in rows:
            if row["topic"].startswith("table."):
                await fanout.announce(msgspec.json.decode(row["payload"], type=TableEnvelope))
            elif row["topic"] == "paid":
                await fanout.pay(msgspec.json.decode(row["payload"], type=PaidBatch))
        for player in (*PLAYERS, *CAREFUL):
            has = await self.ask(m.GetBalance(player))
            welcome = Welcome(player, 0, has.balance, has.version, has.currency, time.time_ns(), None)
            Ear(player, 0, self._pushes.append).push(frame_of(welcome))

    # Records.

    def announce_phase(self, known: Round, phase: Phase, outcome: int = -1) -> None:
        now_ns = time.monotonic_ns()
        self._phases.append(
            now_ns, self._unix(now_ns), known.table, phase, known.id, known.epoch, outcome, self._unix(known.opens_ns),
            self._unix(known.closes_ns) if known.closes_ns else 0, 0, 0, 0,
        )  # fmt: skip

    def _unix(self, mono_ns: int) -> int:
        return mono_ns - self.clock[0] + self.clock[1]

    def fault(self, target: str, struck_ns: int) -> None:
        now_ns = time.monotonic_ns()
        self.faults.append(
            {"t_ns": struck_ns, "kind": "kill", "target": target, "detected_ns": now_ns, "recovered_ns": now_ns}
        )
