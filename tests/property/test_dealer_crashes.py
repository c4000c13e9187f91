"""A dealer dies between any two of its effects: each round is completed or voided, never both, and nothing is owed.

The dealer's tables and the wallet's steps are the real ones, on real PostgreSQL; the bus between them is a loop in this
process that counts requests. At the chosen request the dealer dies, before the wallet carried it out or after it did
and before the dealer heard of it, or it lives on as a second dealer that does not know of its successor. A successor
takes the table at once. Meanwhile the operator voids one round and corrects another. So it is at a table of one window
a round, and at one where players decide in further windows, some of them twice, or what they may not.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from enum import Enum

import asyncpg
import msgspec
import numpy as np
import pytest
from shards import connect_as_writer, new_shard

from reference_impl.bets.dealer_outcomes import SeededSource
from reference_impl.bets.dealer_table import Table
from reference_impl.domain import game_round as gr
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.games.blackjack import Decision
from reference_impl.domain.games.blackjack_table import BLACKJACK
from reference_impl.domain.games.game import Game, StandingBet
from reference_impl.domain.games.money_wheel import MONEY_WHEEL
from reference_impl.domain.ids import AccountKind, account_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.table_messages import CorrectOrder, TableEvent, VoidOrder, Watermark
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.service import READS, step_of

GAMES = (MONEY_WHEEL, BLACKJACK)
TABLE = 1
SHARDS = 2
TIMING = Timing(
    window_ms=40, decision_ms=15, closing_soon_ms=20, flush_ms_max=10, open_wait_ms_max=500, close_wait_ms_max=1000,
    done_wait_ms_max=1000, dealing_ms=5, pause_ms=5, margin_ms=5,
)  # fmt: skip


class Death(Enum):
    """How the first dealer ends."""

    BEFORE = "before its request is carried out"
    AFTER = "after it, and before the answer"
    NEVER = "not at all: it does not know that it was replaced"


class House:
    """Both shards, the wallet's steps, players who bet whenever bets are open, and an operator."""

    def __init__(self, ledgers: list[asyncpg.Connection], game: Game) -> None:
        self.ledgers = ledgers
        self.game = game
        self._locks = [asyncio.Lock() for _ in ledgers]
        self.dead: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.asked: list[str] = []
        self.on_request: Callable[[str, int], Death | None] = lambda _dealer, _number: None
        self.events: list[TableEvent] = []
        self.windows: set[int] = set()
        self._bets = 1  # the deposit has the ref of 0

    async def carry_out(self, dealer: str, shard: int, ask: m.ControlRequest) -> m.ControlReply:
        """Serve a dealer, or let it die."""
        number = self.requests[dealer]
        self.requests[dealer] += 1
        self.asked.append(type(ask).__name__)
        death = self.on_request(dealer, number)
        if dealer in self.dead or death is Death.BEFORE:
            self.dead.add(dealer)
            await asyncio.Event().wait()
        # The wallet goes on with what it was asked, whatever becomes of the dealer.
        reply = await asyncio.shield(asyncio.create_task(self._step(shard, ask)))
        if death is Death.AFTER:
            self.dead.add(dealer)
            await asyncio.Event().wait()
        if isinstance(ask, m.AnnounceTable) and isinstance(reply, m.Sequenced):
            await self._hear(msgspec.json.decode(ask.event, type=TableEvent))
        return reply

    async def _step(self, shard: int, ask: m.ControlRequest) -> m.ControlReply:
        try:
            async with self._locks[shard]:
                if read := READS.get(type(ask)):
                    return await read(self.ledgers[shard], ask)
                step, reply = step_of(ask), None
                while reply is None:
                    reply = await step(self.ledgers[shard])
                return reply
        except asyncpg.PostgresError as error:
            return m.Refused(str(error), fenced=error.sqlstate == "LT002")

    async def _hear(self, event: TableEvent) -> None:
        self.events.append(event)
        if event.phase == Phase.BETS_OPEN:
            for shard in event.shards:
                await self._bet(shard, event, [(spot, 10 + spot) for spot in range(len(self.game.spots))])
        if event.phase == Phase.DECISIONS_OPEN:
            self.windows.add(event.window)
            for shard in event.shards:
                # The seat holds 10. The second decision comes too late to count, and must come back.
                wish = (
                    [(Decision.DOUBLE, 10), (Decision.HIT, 0)] if shard else [(Decision.HIT, 0), (Decision.DOUBLE, 7)]
                )
                await self._bet(shard, event, wish)

    async def _bet(self, shard: int, event: TableEvent, bets: list[tuple[int, int]]) -> None:
        n = len(bets)
        refs = [(self._bets + k).to_bytes(16) for k in range(n)]
        self._bets += n
        columns = (
            refs,
            [shard + 1] * n,
            [event.round] * n,
            [event.window] * n,
            [selection for selection, _ in bets],
            [amount for _, amount in bets],
            [False] * n,
        )
        async with self._locks[shard]:
            row = await self.ledgers[shard].fetchrow(
                "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7, $8)", *columns, time.time_ns()
            )
        assert set(row["status"]) <= {Status.ACCEPTED, Status.WINDOW_CLOSED}


class Bus:
    """What a dealer needs of NATS: questions to wallets."""

    def __init__(self, house: House, dealer: str) -> None:
        self._house = house
        self._dealer = dealer
        self._decode = msgspec.msgpack.Decoder(m.ControlRequest).decode

    async def request(self, subject: str, payload: bytes, timeout: float) -> object:  # noqa: ASYNC109 - NATS's own signature
        reply = await self._house.carry_out(self._dealer, int(subject.split(".")[1]), self._decode(payload))
        return _Msg(msgspec.msgpack.encode(reply))


class _Msg:
    def __init__(self, data: bytes) -> None:
        self.data = data


def dealer(house: House, name: str) -> Table:
    source = SeededSource(house.game)
    return Table(TABLE, SHARDS, TIMING, house.game, source, Bus(house, name), frozenset, lambda *_fields: None)


async def operate(house: House, table: Table) -> None:
    """Correct the first round that is settled; void the one after it."""
    seen = 0
    corrected = voided = 0
    while not (corrected and voided):
        await asyncio.sleep(0.003)
        fresh, seen = house.events[seen:], len(house.events)
        for event in fresh:
            if event.phase == Phase.SETTLED and not corrected:
                other = next(outcome for outcome, _ in house.game.chances() if outcome != event.outcome)
                await table.order(CorrectOrder(event.round, other, "misread"))
                corrected = event.round
            elif event.phase == Phase.BETS_OPEN and corrected and not voided and event.round != corrected:
                await table.order(VoidOrder(event.round, "stuck"))
                voided = event.round


@pytest.fixture(params=GAMES, ids=lambda game: game.name)
async def house(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    ledgers = []
    for shard in range(SHARDS):
        connection = await connect_as_writer(await new_shard(postgres))
        await connection.fetchval("SELECT open_accounts($1, $2, $3)", [bytes(16)], [shard + 1], [10**9])
        ledgers.append(connection)
    yield House(ledgers, request.param)
    for connection in ledgers:
        await connection.close()


async def play_through(house: House, die_at: int, death: Death) -> None:
    """Let a dealer die at a request, and a successor take over, until two more rounds are over and nothing is owed."""
    first, second = dealer(house, f"first {die_at} {death}"), dealer(house, f"second {die_at} {death}")
    taken_over = asyncio.Event()

    def on_request(name: str, number: int) -> Death | None:
        if name.startswith("first") and number == die_at:
            taken_over.set()
            return death
        return None

    house.on_request = on_request
    one = asyncio.create_task(first.run())
    operator = asyncio.create_task(operate(house, first))
    await asyncio.wait([asyncio.create_task(taken_over.wait()), one], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    if death is not Death.NEVER:
        await asyncio.sleep(0.002)
        one.cancel()
    operator.cancel()
    heard = len(house.events)
    other = asyncio.create_task(second.run())
    async with asyncio.timeout(10):
        while rounds_over(house.events[heard:]) < 2 or await owed(house):  # noqa: ASYNC110 - the database knows
            await asyncio.sleep(0.01)
    second.drain()
    await asyncio.wait([one, other], timeout=5)
    assert other.done()
    assert one.done()  # dead, or fenced by the other


def rounds_over(events: list[TableEvent]) -> int:
    return sum(event.phase in (Phase.SETTLED, Phase.VOIDED) for event in events)


async def owed(house: House) -> bool:
    corrections = "SELECT count(*) FROM round_correction WHERE NOT finished"
    windows = "SELECT count(*) FROM betting_window WHERE NOT finished"
    last = house.events[-1].round if house.events else 0
    found = 0
    for shard, ledger in enumerate(house.ledgers):
        async with house._locks[shard]:
            found += await ledger.fetchval(corrections)
            found += await ledger.fetchval(f"{windows} AND round < $1", last)
    return found > 0


async def verify(house: House) -> Counter[str]:
    """Hold every bet against the record; return how rounds ended."""
    decisions = {row["round"]: row for row in await house.ledgers[TABLE % SHARDS].fetch("SELECT * FROM round_decision")}
    corrections = {
        row["round"]: row["outcome"]
        for row in await house.ledgers[TABLE % SHARDS].fetch("SELECT * FROM round_correction")
    }
    ends: Counter[str] = Counter()
    for ledger in house.ledgers:
        bets = await ledger.fetch(
            "SELECT b.round, b.account, b.win, b.selection, b.amount, e.kind, e.amount AS paid, c.kind AS corrected,"
            " c.amount AS more, o.amount AS owed FROM journal b"
            " LEFT JOIN journal e ON e.account = b.account AND e.ref = b.ref AND e.slot = 1"
            " LEFT JOIN journal c ON c.account = b.account AND c.ref = b.ref AND c.slot = 2"
            " LEFT JOIN journal o ON o.account = $1 | b.account AND o.ref = b.ref AND o.slot = 2"
            " WHERE b.kind = 3 AND b.status = 1 ORDER BY b.seq",
            account_id(AccountKind.OWED, 0),
        )
        outcomes = {known: decision["outcome"] for known, decision in decisions.items() if not decision["void"]}
        pays, other_pays = (due(house.game, bets, which) for which in (outcomes, corrections))
        for place, bet in enumerate(bets):
            decision = decisions[bet["round"]]
            if decision["void"]:
                ends["voided"] += 1
                assert (bet["kind"], bet["paid"], bet["corrected"]) == (EntryKind.VOID, bet["amount"], None)
                continue
            assert (bet["kind"], bet["paid"]) == (EntryKind.SETTLE, pays[place])
            ends["settled"] += 1
            if bet["round"] in corrections:
                ends["corrected"] += 1
                change = other_pays[place] - pays[place]
                sign = -1 if bet["corrected"] == EntryKind.RECLAIM else 1
                assert sign * ((bet["more"] or 0) + (bet["owed"] or 0)) == change
        assert await ledger.fetchval("SELECT sum(balance) FROM account") == 0
        assert await ledger.fetchval("SELECT count(*) FROM account WHERE id >> 56 = 2 AND balance <> 0") == 0
        assert await ledger.fetchval("SELECT count(*) FROM betting_window WHERE NOT finished") == 0
    return ends


def due(game: Game, bets: list[asyncpg.Record], outcomes: dict[int, int]) -> dict[int, int]:
    """Return what bets are paid, by their place, in the rounds that have an outcome."""
    pays: dict[int, int] = {}
    for known, outcome in outcomes.items():
        mine = [place for place, bet in enumerate(bets) if bet["round"] == known]
        if game.stages:
            slips = [
                StandingBet(*(bets[place][name] for name in ("account", "win", "selection", "amount")))
                for place in mine
            ]
            paid = game.stages.payouts(slips, outcome)
        else:
            columns = (np.array([bets[place][name] for place in mine], np.int64) for name in ("selection", "amount"))
            paid = game.payouts_minor(*columns, outcome).tolist()
        pays |= dict(zip(mine, paid, strict=True))
    return pays


REQUESTS = 64
"""A dealer's first two rounds, with a correction and a void, are about this many requests."""


async def crash_everywhere(house: House, points: list[tuple[int, Death]]) -> None:
    for die_at, death in points:
        await play_through(house, die_at, death)
    ends = await verify(house)
    assert ends["settled"] > 0
    assert ends["voided"] > 0
    assert ends["corrected"] > 0
    kinds = {"TakeTable", "Fence", "OpenWindow", "CloseWindow", "RecordDecision", "SettleRound", "VoidRound",
             "AnnounceTable", "RecordCorrection", "CorrectRound", "FinishCorrection", "GetUnfinished"}  # fmt: skip
    assert kinds <= set(house.asked)
    if house.game.stages:
        assert "CountVotes" in house.asked
        assert {1, 2} <= house.windows


async def test_a_dealer_that_dies_between_any_two_effects_leaves_rounds_that_end_once(house: House) -> None:
    points = [(die_at, list(Death)[die_at % 3]) for die_at in range(0, REQUESTS, 4)]
    await crash_everywhere(house, points)


@pytest.mark.soak
@pytest.mark.parametrize("death", Death)
async def test_a_dealer_that_dies_at_every_single_effect_leaves_rounds_that_end_once(
    house: House, death: Death
) -> None:
    await crash_everywhere(house, [(die_at, death) for die_at in range(REQUESTS)])


async def test_a_gateway_that_is_heard_of_first_while_bets_are_open_is_waited_for(house: House) -> None:
    heard = {"gateway-0"}
    timing, source = replace(TIMING, flush_ms_max=2000), SeededSource(house.game)
    table = Table(
        TABLE,
        SHARDS,
        timing,
        house.game,
        source,
        Bus(house, "patient"),
        lambda: frozenset(heard),
        lambda *_fields: None,
    )

    async def reaches(phase: Phase) -> gr.RoundState:
        async with asyncio.timeout(5):
            while table.state is None or table.state.phase is not phase:  # noqa: ASYNC110 - phases are not told to us
                await asyncio.sleep(0.001)
        return table.state

    running = asyncio.create_task(table.run())
    known = (await reaches(Phase.BETS_OPEN)).round_id
    heard.add("gateway-1")
    await reaches(Phase.NO_MORE_BETS)
    table.watermark(Watermark("gateway-0", known, 0))
    await asyncio.sleep(0.1)
    assert table.state is not None
    assert table.state.phase is Phase.NO_MORE_BETS
    table.watermark(Watermark("gateway-1", known, 0))
    async with asyncio.timeout(1):
        while table.state.phase is Phase.NO_MORE_BETS:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])
