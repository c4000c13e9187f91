"""A dealer that dies between any two effects of close, decide, settle: the next one brings the round to its one end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from wallets import HaltingBus, Wallets, two_wallets, until

from reference_impl.bets.dealer import Dealer, DealerConfig
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.embedded import EmbeddedPostgres

TIMING = Timing(
    window_ms=250, closing_soon_ms=100, dealing_ms=50, pause_ms=50, flush_ms_max=50, close_wait_ms_max=3000,
)  # fmt: skip
ACCOUNTS = list(range(1, 41))
EFFECTS = 9
"""Close twice, decide, settle twice, and what is announced meanwhile."""


@pytest.fixture
async def wallets(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Wallets]:
    async with two_wallets(postgres, tmp_path, "killed") as two:
        for shard in range(2):
            await two.open_accounts(shard, ACCOUNTS, 10_000)
        yield two


async def play_and_die(wallets: Wallets, allowed: int) -> list[str]:
    """Play a round with bets; the dealer dies after so many effects from the first close on. Return those it took."""
    placed: set[int] = set()

    def is_close(ask: m.ControlRequest) -> bool:
        return isinstance(ask, m.CloseWindow)

    client = await wallets.connect()
    halting = HaltingBus(client, allowed, is_close)
    dealer = Dealer(DealerConfig((1,), 2, TIMING), halting, lambda *_fields: None)
    playing = asyncio.create_task(dealer.run(lambda: None))
    try:
        async with asyncio.timeout(15):
            while not halting.halted.is_set():
                for row in await wallets.rows(0, "SELECT round FROM betting_window WHERE closed_seq IS NULL"):
                    if row["round"] not in placed and not halting.asked:
                        placed.add(row["round"])
                        await asyncio.gather(*(bet_if_open(wallets, shard, row["round"]) for shard in range(2)))
                await asyncio.sleep(0.01)
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await client.close()
    return halting.asked


async def bet_if_open(wallets: Wallets, shard: int, known: int) -> None:
    await until(lambda: wallets.rows(shard, "SELECT FROM betting_window WHERE round = $1", known))
    await wallets.place(shard, ACCOUNTS, known)


async def finish(wallets: Wallets) -> None:
    """Let a new dealer complete what the dead one left, and play on."""
    client = await wallets.connect()
    dealer = Dealer(DealerConfig((1,), 2, TIMING), client, lambda *_fields: None)
    playing = asyncio.create_task(dealer.run(lambda: None))
    await asyncio.sleep(0.1)
    await wallets.client.request("dealer.drain", b"", timeout=20)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    await client.close()


async def judge(wallets: Wallets) -> None:
    decisions = {row["round"]: row for row in await wallets.rows(1, "SELECT * FROM round_decision")}  # table 1's home
    seen = 0
    for shard in range(2):
        ends = await wallets.rows(
            shard,
            "SELECT b.round, b.selection, b.amount, array_agg(e.kind) AS kinds, sum(e.amount)::bigint AS paid"
            " FROM journal b LEFT JOIN journal e ON e.account = b.account AND e.ref = b.ref AND e.slot = 1"
            " WHERE b.kind = $1 AND b.status = $2 GROUP BY b.round, b.account, b.ref, b.selection, b.amount",
            EntryKind.BET, Status.ACCEPTED,
        )  # fmt: skip
        for bet in ends:
            seen += 1
            decision = decisions[bet["round"]]
            if decision["void"]:
                assert (bet["kinds"], bet["paid"]) == ([EntryKind.VOID], bet["amount"])
            else:
                paid = int(
                    ROULETTE.payouts_minor(*(np.array([bet[n]]) for n in ("selection", "amount")), decision["outcome"])[
                        0
                    ]
                )
                assert (bet["kinds"], bet["paid"]) == ([EntryKind.SETTLE], paid)
        assert await wallets.rows(shard, "SELECT FROM betting_window WHERE NOT finished") == []
    assert seen >= 2 * len(ACCOUNTS)
    await wallets.require_sound_books()


@pytest.mark.parametrize(
    "allowed", [pytest.param(n, marks=() if n in (1, 3, 5) else pytest.mark.soak) for n in range(EFFECTS + 1)]
)
async def test_a_round_has_one_end_though_its_dealer_died_after(wallets: Wallets, allowed: int) -> None:
    taken = await play_and_die(wallets, allowed)
    assert len(taken) == allowed
    await finish(wallets)
    await judge(wallets)
