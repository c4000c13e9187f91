"""Every game at a table of a running system, and outcomes that a device tells."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from table_client import HttpError, Player, call, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.games.blackjack import Decision
from reference_impl.domain.games.blackjack_table import BLACKJACK
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.game import StandingBet
from reference_impl.domain.games.outcome import commitment
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.replay import held_against, replay
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1200, decision_ms=900, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
COST = PasswordCost(memory_kib=64, iterations=1)
TABLES = dict(enumerate(GAMES, start=1))
CARDS = 4
"""The table at which players decide."""
HITS, DOUBLES, STANDS, STAYS_AWAY = DECIDERS = range(20, 24)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    config = StackConfig(tables=len(GAMES), edges=0, games=tuple(GAMES), timing=TIMING, password_cost=COST)
    async with Stack(config) as running:
        await open_players(running, *range(1, 10), *DECIDERS)
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


def decide(player: Player, event: dict[str, Any], decision: Decision, amount_minor: int = 0) -> dict[str, Any]:
    sent = {
        "t": "decide", "id": secrets.token_hex(16), "table": player.table, "round": event["round"],
        "window": event["window"], "decision": decision, "amount_minor": amount_minor,
    }  # fmt: skip
    player.socket.send(sent)
    return sent


async def until_decisions(*players: Player) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Take seats until all are in time and there is something to decide; return the round's seats and its cards."""
    while True:
        opened = await players[0].next_open()
        seats = [player.bet(opened, BLACKJACK.spot("seat"), 1000) for player in players]
        answers = {(await player.answer(seat))["status"] for player, seat in zip(players, seats, strict=True)}
        assert answers <= {Status.ACCEPTED, Status.WINDOW_CLOSED}
        if Status.WINDOW_CLOSED in answers:
            continue

        def goes_on(message: dict[str, Any], this_round: int = opened["round"]) -> bool:
            event = message["state"]["event"] if message["t"] == "table" else {"round": 0}
            return event["round"] == this_round and event["phase"] in {Phase.DECISIONS_OPEN, Phase.DEALING}

        event = (await players[0].socket.until(goes_on))["state"]["event"]
        if event["phase"] == Phase.DECISIONS_OPEN:
            return seats, event


async def paid(player: Player, round_id: int) -> dict[str, int]:
    """Return what a player's bets of a round were paid or returned."""
    await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == round_id)
    await asyncio.sleep(0.3)  # they may be told in several messages
    told = [m for m in player.socket.messages if m["t"] == "paid" and m["round"] == round_id]
    return {bet: payout for news in told for bet, payout in zip(news["ids"], news["payouts_minor"], strict=True)}


async def test_players_decide_in_later_windows_and_each_is_paid_for_what_she_decided(stack: Stack) -> None:
    players = {number: Player(stack, number, CARDS) for number in DECIDERS}
    for player in players.values():
        await player.join()
    seats, first = await until_decisions(*players.values())
    opened = first["round"]
    assert (first["window"], len(first["hand"]), len(first["dealer"])) == (1, 2, 1)
    hit = decide(players[HITS], first, Decision.HIT)
    double = decide(players[DOUBLES], first, Decision.DOUBLE, 1000)
    twice = decide(players[DOUBLES], first, Decision.DOUBLE, 1000)
    stand = decide(players[STANDS], first, Decision.STAND)
    unaffordable = decide(players[STANDS], first, Decision.DOUBLE, 99_999_999)
    unknown = decide(players[STANDS], first, Decision.DOUBLE + 1)
    for number, sent, status in (
        (HITS, hit, Status.ACCEPTED), (DOUBLES, double, Status.ACCEPTED), (DOUBLES, twice, Status.ACCEPTED),
        (STANDS, stand, Status.ACCEPTED), (STANDS, unaffordable, Status.INSUFFICIENT_FUNDS),
        (STANDS, unknown, Status.BAD_SELECTION),
    ):  # fmt: skip
        assert (await players[number].answer(sent))["status"] == status
    stake = players[STANDS].bet(first, BLACKJACK.spot("seat"), 1000)  # its window says 1: stakes are over
    assert (await players[STANDS].answer(stake))["status"] == Status.WINDOW_CLOSED
    result = await players[HITS].phase(Phase.RESULT, opened - 1)
    late = decide(players[STANDS], first, Decision.HIT)
    assert (await players[STANDS].answer(late))["status"] == Status.WINDOW_CLOSED
    counting = {HITS: [hit], DOUBLES: [double, twice], STANDS: [stand], STAYS_AWAY: []}
    for (number, decisions), seat in zip(counting.items(), seats, strict=True):
        bets = [StandingBet(number, 0, 0, 1000)]
        bets += [StandingBet(number, 1, bet["decision"], bet["amount_minor"]) for bet in decisions]
        due = BLACKJACK.stages.payouts(bets, result["outcome"])
        assert await paid(players[number], opened) == dict(
            zip([bet["id"] for bet in (seat, *decisions)], due, strict=True)
        )
    assert result["hand"][: len(first["hand"])] == first["hand"]
    assert result["dealer"][0] == first["dealer"][0]
    told, entries = replay(stack.audit_dir, opened)
    await held_against(told, entries, stack.dsns)
    assert told.findings == []
    assert {bet.window for bet in told.bets} == {0, 1}


async def test_a_round_that_is_voided_while_players_decide_returns_stakes_and_doubles(stack: Stack) -> None:
    player = Player(stack, HITS, CARDS)
    await player.join()
    _, first = await until_decisions(player)
    assert (await player.answer(decide(player, first, Decision.DOUBLE, 1000)))["status"] == Status.ACCEPTED
    await call(stack, f"/v1/admin/rounds/{first['round']}/void", {"reason": "a card fell"}, stack.admin_token)
    await player.phase(Phase.VOIDED, first["round"] - 1)
    assert sorted((await paid(player, first["round"])).values()) == [1000, 1000]


async def test_lobby_and_rules_name_the_game_of_each_table(stack: Stack) -> None:
    tables = (await call(stack, "/v1/lobby"))["tables"]
    assert {one["table"]: one["game"] for one in tables} == TABLES
    for table, name in TABLES.items():
        rules = await call(stack, f"/v1/rules?table={table}")
        assert rules["game"] == name
        assert rules["decisions"] == (["stand", "hit", "double"] if name == "blackjack" else [])
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
