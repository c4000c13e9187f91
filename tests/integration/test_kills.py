"""Kill after kill on the money path: nothing that was acknowledged is lost, nothing happens twice."""

import asyncio
import logging
import random
from collections import Counter

import asyncpg
import pytest
from table_client import HttpError, Player, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack
from reference_impl.wallet.verify import verify_shard

TIMING = Timing(window_ms=900, closing_soon_ms=300, dealing_ms=200, pause_ms=150, flush_ms_max=300)
VICTIMS = ("wallet-0", "wallet-1", "postgres", "dealer", "gateway-0", "gateway-1", "nats", "services")
PLAYERS = 12
SEED = 20_261_122

log = logging.getLogger(__name__)


class Bettor(Player):
    """Bets without a pause, and sends again whatever got no answer, for as long as it takes."""

    def __init__(self, stack: Stack, number: int) -> None:
        super().__init__(stack, number, table=1 + number % 2)
        self.open: dict[str, dict[str, object]] = {}
        self.answers: dict[str, dict[str, object]] = {}
        self.contradictions: list[str] = []

    async def play(self, stop: asyncio.Event) -> None:
        while not stop.is_set() or self.open:
            try:
                await asyncio.wait_for(self.join(), 5)
                for sent in list(self.open.values()):
                    self.socket.send(sent)
                await self._bet_until_lost(stop)
            except (HttpError, OSError, TimeoutError):
                await asyncio.sleep(0.1)

    async def _bet_until_lost(self, stop: asyncio.Event) -> None:
        seen, quiet_s = 0, 0.0
        while not self.socket.closed.is_set() and quiet_s < 3 and not (stop.is_set() and not self.open):
            fresh = self.socket.messages[seen:]
            seen += len(fresh)
            quiet_s = 0.0 if fresh or not self.open else quiet_s + 0.05
            for message in fresh:
                self._take(message)
            event = self._current()
            if event is not None and event["phase"] <= Phase.CLOSING_SOON and len(self.open) < 5 and not stop.is_set():
                sent = self.bet(event, selection=random.randrange(157))
                self.open[sent["id"]] = sent
            await asyncio.sleep(0.05)
        self.socket.disconnect()

    def _current(self) -> dict[str, object] | None:
        for message in reversed(self.socket.messages):
            if message["t"] == "table":
                return message["state"]["event"]
            if message["t"] == "welcome" and message["state"]:
                return message["state"]["event"]
        return None

    def _take(self, message: dict[str, object]) -> None:
        if message["t"] != "answer" or message["status"] == Status.OVERLOADED:
            return
        known = self.answers.setdefault(message["id"], message)
        if (known["status"], known["seq"]) != (message["status"], message["seq"]):
            self.contradictions.append(f"{known} then {message}")
        self.open.pop(message["id"], None)


async def kill_and_watch(kills: int, pause_s: float) -> tuple[list[Bettor], dict[str, tuple[int, int]], int]:
    """Return the bettors, the ledger's bets as id → (status, terminal entries), and the sum of all balances."""
    dice = random.Random(SEED)
    async with Stack(StackConfig(timing=TIMING, password_cost=PasswordCost(memory_kib=64, iterations=1))) as stack:
        await open_players(stack, *range(1, PLAYERS + 1), deposit_minor=10_000_000)
        stop = asyncio.Event()
        bettors = [Bettor(stack, number) for number in range(1, PLAYERS + 1)]
        playing = [asyncio.create_task(bettor.play(stop)) for bettor in bettors]
        await asyncio.sleep(2)
        killed: Counter[str] = Counter()
        for _ in range(kills):
            victim = dice.choice(VICTIMS)
            if stack.runs(victim):
                stack.kill(victim)
                killed[victim] += 1
            await asyncio.sleep(pause_s * dice.uniform(0.5, 1.5))
        await asyncio.sleep(3)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*playing), 60)
        await stack.finish_rounds()
        log.info("killed %d: %s", killed.total(), dict(killed))
        return bettors, *await ledger_of(stack)


async def ledger_of(stack: Stack) -> tuple[dict[str, tuple[int, int]], int]:
    bets: dict[str, tuple[int, int]] = {}
    total = 0
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch(
                "SELECT replace(b.ref::text, '-', '') AS id, b.status, count(e.ref) AS ends FROM journal b"
                " LEFT JOIN journal e ON e.account = b.account AND e.ref = b.ref AND e.slot = 1"
                " WHERE b.kind = $1 GROUP BY b.account, b.ref, b.status",
                EntryKind.BET,
            )
            bets.update({row["id"]: (row["status"], row["ends"]) for row in rows})
            total += await connection.fetchval("SELECT sum(balance)::bigint FROM account")
            assert await connection.fetchval("SELECT count(*) FROM account WHERE id >> 56 = 2 AND balance <> 0") == 0
            assert await connection.fetchval("SELECT count(*) = max(seq) FROM journal")
            assert (await verify_shard(connection, {})).findings == []
        finally:
            await connection.close()
    return bets, total


def judge(bettors: list[Bettor], bets: dict[str, tuple[int, int]], total: int) -> None:
    assert total == 0
    assert [line for bettor in bettors for line in bettor.contradictions] == []
    answers = {id_: answer for bettor in bettors for id_, answer in bettor.answers.items()}
    accepted = {id_ for id_, answer in answers.items() if answer["status"] == Status.ACCEPTED}
    assert len(accepted) > 100
    log.info("%d bets on record, %d answered, %d of them accepted", len(bets), len(answers), len(accepted))
    assert {id_ for id_ in accepted if bets.get(id_, (0, 0)) != (Status.ACCEPTED, 1)} == set()
    assert {id_ for id_, (status, ends) in bets.items() if ends != (status == Status.ACCEPTED)} == set()
    assert {id_ for id_ in bets if id_ not in answers} == set()


@pytest.mark.soak
async def test_a_few_kills_of_the_money_path_lose_and_double_nothing() -> None:
    judge(*await kill_and_watch(kills=6, pause_s=1.5))


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_hundred_kills_of_the_money_path_lose_and_double_nothing() -> None:
    judge(*await kill_and_watch(kills=200, pause_s=2.0))
