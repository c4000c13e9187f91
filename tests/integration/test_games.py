"""Every game at a table of a running system, a table that collects bets, and outcomes that a device tells."""

import asyncio
import dataclasses
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
from reference_impl.domain.ids import table_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.replay import held_against, replay
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1200, decision_ms=900, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
COLLECTING_TIMING = dataclasses.replace(TIMING, window_ms=3500)
"""A player leaves and comes back within one window, on a machine that does other work, too."""
COST = PasswordCost(memory_kib=64, iterations=1)
TABLES = dict(enumerate(GAMES, start=1))
COLLECTING = len(GAMES) + 1
"""A table of the first game that debits once, when no more bets are taken."""
CARDS = 4
"""The table at which players decide."""
HITS, DOUBLES, STANDS, STAYS_AWAY = DECIDERS = range(20, 24)
COLLECTED = range(30, 34)
MONEY = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    config = StackConfig(
        tables=COLLECTING, collecting=(COLLECTING,), edges=0, games=tuple(GAMES),
        timings=(*[TIMING] * len(GAMES), COLLECTING_TIMING), password_cost=COST,
    )  # fmt: skip
    async with Stack(config) as running:
        await open_players(running, *range(1, 10), *DECIDERS)
        await open_players(running, *COLLECTED, deposit_minor=MONEY)
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
        for player in players:
            await player.hear(opened)
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
            for player in players:
                await player.hear(event)
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


async def collecting_seat(stack: Stack, number: int) -> Player:
    player = Player(stack, number, COLLECTING)
    await player.join()
    return player


async def until_pending(player: Player, *bets: dict[str, object]) -> None:
    for bet in bets:
        await player.socket.until(lambda m, bet=bet: m["t"] == "pending" and m["id"] == bet["id"])


async def stakes_on_record(stack: Stack, round_id: int) -> list[int]:
    """Return the amounts of a round's accepted bets, as the shards have them."""
    amounts = []
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            amounts += await connection.fetch(
                "SELECT amount FROM journal WHERE round = $1 AND slot = 0 AND kind = 3 AND status = 1", round_id
            )
        finally:
            await connection.close()
    return sorted(row["amount"] for row in amounts)


async def test_slips_are_debited_once_at_the_end_whole_or_not_at_all(stack: Stack) -> None:
    saver, spender, leaver = [await collecting_seat(stack, number) for number in COLLECTED[:3]]
    opened = await saver.next_open()
    await spender.hear(opened)
    await leaver.hear(opened)
    kept = [saver.bet(opened, spot, amount) for spot, amount in ((1, 100), (2, 200))]
    regretted = saver.bet(opened, 3, 300)
    too_many = [spender.bet(opened, spot, 600) for spot in (1, 2)]
    sent_twice = leaver.bet(opened, 4, 400)
    await until_pending(saver, *kept, regretted)
    await until_pending(spender, *too_many)
    await until_pending(leaver, sent_twice)
    saver.socket.send({"t": "undo", "table": COLLECTING, "window": 0, "id": regretted["id"], "round": opened["round"]})
    await leaver.join(avoid=leaver.gateway)
    await leaver.hear(opened)
    leaver.bet(opened, 4, 400, op=sent_twice["id"])
    await until_pending(leaver, sent_twice)
    changed = leaver.bet(opened, 5, 400, op=sent_twice["id"])
    assert (await leaver.answer(changed))["status"] == Status.CONFLICT
    undone = await saver.socket.until(lambda m: m["t"] == "undone")
    assert (undone["status"], undone["balance_minor"]) == (Status.ACCEPTED, MONEY)
    assert await stakes_on_record(stack, opened["round"]) == []

    answers = [await saver.answer(bet) for bet in (*kept, regretted)]
    assert [answer["status"] for answer in answers] == [Status.ACCEPTED, Status.ACCEPTED, Status.CANCELLED]
    assert answers[1]["balance_minor"] == MONEY - 300
    assert {(await spender.answer(bet))["status"] for bet in too_many} == {Status.INSUFFICIENT_FUNDS}
    await saver.phase(Phase.SETTLED, opened["round"] - 1)
    answered = [m["status"] for m in leaver.socket.messages if m["t"] == "answer" and m["id"] == sent_twice["id"]]
    assert answered == [Status.CONFLICT, Status.ACCEPTED]
    assert await stakes_on_record(stack, opened["round"]) == [100, 200, 400]


async def test_slips_of_a_round_that_is_voided_are_answered_at_once_and_cost_nothing(stack: Stack) -> None:
    player = await collecting_seat(stack, COLLECTED[3])
    opened = await player.next_open()
    bet = player.bet(opened, 1, 100)
    await until_pending(player, bet)
    await call(stack, f"/v1/admin/rounds/{opened['round']}/void", {"reason": "the ball left"}, stack.admin_token)
    assert (await player.answer(bet))["status"] == Status.WINDOW_CLOSED
    await player.phase(Phase.VOIDED, opened["round"] - 1)
    assert await stakes_on_record(stack, opened["round"]) == []


async def test_rounds_of_every_game_are_rebuilt_from_the_trail_alone_and_equal_the_ledger(stack: Stack) -> None:
    settled: dict[int, int] = {}
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            query = "SELECT DISTINCT round FROM journal WHERE slot = 1 AND kind = $1"
            for (round_id,) in await connection.fetch(query, EntryKind.SETTLE):
                settled[table_of(round_id)] = min(round_id, settled.get(table_of(round_id), round_id))
        finally:
            await connection.close()
    if settled.keys() != {*TABLES, COLLECTING}:
        pytest.skip(f"rounds are played by the tests before; here only tables {sorted(settled)} have any")
    for round_id in settled.values():
        told, entries = replay(stack.audit_dir, round_id)
        await held_against(told, entries, stack.dsns)
        assert (told.findings, {bet.end for bet in told.bets} - {"settle", "void", "open", "cancel"}) == ([], set())
        assert any(bet.end == "settle" for bet in told.bets)


async def test_lobby_and_rules_name_the_game_of_each_table(stack: Stack) -> None:
    tables = (await call(stack, "/v1/lobby"))["tables"]
    assert {one["table"]: one["game"] for one in tables} == TABLES | {COLLECTING: TABLES[1]}
    for table, name in TABLES.items():
        rules = await call(stack, f"/v1/rules?table={table}")
        assert rules["game"] == name
        assert rules["decisions"] == (["stand", "hit", "double"] if name == "blackjack" else [])
        assert [spot["name"] for spot in rules["spots"]] == [spot.name for spot in GAMES[name].spots]
    with pytest.raises(HttpError, match="table 9 does not exist; tables are 1 to 5"):
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
