"""Every game at a table of a running system, and outcomes that a device tells."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from table_client import HttpError, Player, call, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.game_round import Phase, Timing
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.outcome import commitment
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1200, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
COST = PasswordCost(memory_kib=64, iterations=1)
TABLES = dict(enumerate(GAMES, start=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    config = StackConfig(tables=len(GAMES), edges=0, games=tuple(GAMES), timing=TIMING, password_cost=COST)
    async with Stack(config) as running:
        await open_players(running, *range(1, 10))
        yield running


async def on_record(stack: Stack, round_id: int) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
    """Return a round's decision and how its bets ended, as the shards have them."""
    decision, ends = None, []
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            row = await connection.fetchrow("SELECT * FROM round_decision WHERE round = $1", round_id)
            decision = row or decision
            ends += await connection.fetch(
                "SELECT selection, amount, kind FROM journal WHERE round = $1 AND slot = 1 ORDER BY seq", round_id
            )
        finally:
            await connection.close()
    assert decision is not None
    return decision, ends


@pytest.mark.parametrize(("table", "name"), TABLES.items(), ids=TABLES.values())
async def test_a_round_of_every_game_is_played_paid_and_verified(stack: Stack, table: int, name: str) -> None:
    game = GAMES[name]
    player = Player(stack, table, table)
    await player.join()
    opened = await player.next_open()
    spots = list(range(len(game.spots)))[:40]
    bets = [player.bet(opened, spot, 101 + spot) for spot in spots]
    assert {(await player.answer(bet))["status"] for bet in bets} == {Status.ACCEPTED}
    refused = await player.answer(player.bet(opened, len(game.spots)))
    assert refused["status"] == Status.BAD_SELECTION
    result = await player.phase(Phase.RESULT, opened["round"] - 1)
    await player.phase(Phase.SETTLED, opened["round"] - 1)
    decision, ends = await on_record(stack, opened["round"])
    assert commitment(bytes.fromhex(result["seed"])).hex() == opened["commitment"]
    assert (
        game.draw(bytes.fromhex(result["seed"]), decision["heads"]) == result.get("outcome", -1) == decision["outcome"]
    )
    assert result["result"] == game.describe(decision["outcome"])
    assert decision["game"] == name
    stakes = np.array([101 + spot for spot in spots])
    paid = game.payouts_minor(np.array(spots), stakes, decision["outcome"]).tolist()
    assert [(end["selection"], end["amount"], end["kind"]) for end in ends] == [
        (spot, payout, EntryKind.SETTLE) for spot, payout in zip(spots, paid, strict=True)
    ]


async def test_lobby_and_rules_name_the_game_of_each_table(stack: Stack) -> None:
    tables = (await call(stack, "/v1/lobby"))["tables"]
    assert {one["table"]: one["game"] for one in tables} == TABLES
    for table, name in TABLES.items():
        rules = await call(stack, f"/v1/rules?table={table}")
        assert rules["game"] == name
        assert [spot["name"] for spot in rules["spots"]] == [spot.name for spot in GAMES[name].spots]
    with pytest.raises(HttpError, match="table 9 does not exist; tables are 1 to 4"):
        await call(stack, "/v1/rules?table=9")


@pytest.mark.soak  # a system of its own
async def test_a_device_tells_the_outcome_and_a_silent_one_voids_the_round(tmp_path: Path) -> None:
    feed = tmp_path / "table-1.jsonl"
    config = StackConfig(
        tables=1,
        gateways=1,
        shards=1,
        edges=0,
        feed_dir=str(tmp_path),
        feed_s_max=1.5,
        timing=TIMING,
        password_cost=COST,
    )
    async with Stack(config) as stack:
        await open_players(stack, 1)
        player = Player(stack, 1)
        await player.join()
        opened = await player.next_open()
        bet = player.bet(opened, 17, 100)
        assert (await player.answer(bet))["status"] == Status.ACCEPTED
        feed.write_text(json.dumps({"outcome": 3}) + "\n")  # too early: bets are open
        await player.phase(Phase.BETS_CLOSED, opened["round"] - 1)
        await asyncio.sleep(0.2)
        with feed.open("a") as file:
            file.write(json.dumps({"outcome": 17}) + "\n")
        result = await player.phase(Phase.RESULT, opened["round"] - 1)
        assert (result["outcome"], result.get("seed", "")) == (17, "")
        silent = await player.next_open()
        player.bet(silent, 17, 100)
        await player.phase(Phase.VOIDED, silent["round"] - 1)
        paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == silent["round"])
        assert (paid["payouts_minor"], paid["balance_minor"]) == ([100], 100_000 + 3500)
