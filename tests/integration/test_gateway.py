"""What a gateway gives besides answers: the lobby, its metrics, and a seat that is back within two seconds."""

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from itertools import count

import msgspec
import pytest
import pytest_asyncio
from table_client import Player, open_players

from reference_impl import bus
from reference_impl.accounts.passwords import PasswordCost
from reference_impl.bets.lobby_feed import DELTA_S
from reference_impl.domain.bets import Status
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
NUMBERS = count(1)
BACK_S_MAX = 2.0
TABLES = 60
OF_NO_CHAIN = {"Nats-Msg-Id": "0-0"}
"""Events of tables that nobody deals: the audit trail takes them for a batch that it has."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=2, edges=0, timing=TIMING, password_cost=cost)) as running:
        await open_players(running, *range(1, 20))
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def player(stack: Stack) -> Player:
    joined = Player(stack, next(NUMBERS))
    await joined.join()
    return joined


async def scraped(stack: Stack, node: str) -> dict[str, float]:
    def get() -> str:
        with urllib.request.urlopen(stack.metrics_urls[node], timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return answer.read().decode()

    lines = (await asyncio.to_thread(get)).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


async def test_the_lobby_of_sixty_tables_is_shown_whole_and_then_as_it_changes(stack: Stack, player: Player) -> None:
    nats = await bus.connect(stack.nats_url, "test")
    for table in range(3, TABLES + 1):
        event = TableEvent(table, 1, 0, Phase.BETS_OPEN, 1, 2, 3)
        await nats.publish(
            f"table.{table}", msgspec.json.encode(TableEnvelope(table, 1, 1, event)), headers=OF_NO_CHAIN
        )
    await nats.flush()
    await player.next_open()
    player.socket.send({"t": "lobby"})
    whole = await player.socket.until(lambda m: m["t"] == "lobby" and m["whole"])
    assert [row["table"] for row in whole["tables"]] == list(range(1, TABLES + 1))
    again = TableEnvelope(7, 1, 2, TableEvent(7, 2, 0, Phase.BETS_OPEN, 1))
    await nats.publish("table.7", msgspec.json.encode(again), headers=OF_NO_CHAIN)
    await nats.close()
    changed = await player.socket.until(
        lambda m: m["t"] == "lobby" and any(row["table"] == 7 and row["round"] == 2 for row in m["tables"])
    )
    assert not changed["whole"]
    assert len(changed["tables"]) <= 3  # that table, and those that really play
    player.socket.send({"t": "lobby", "watch": False})
    await asyncio.sleep(2 * DELTA_S)
    heard = len(player.socket.messages)
    await player.next_open()
    assert not [m for m in player.socket.messages[heard:] if m["t"] == "lobby"]


async def test_a_gateway_tells_what_became_of_its_bets(stack: Stack, player: Player) -> None:
    before = await scraped(stack, player.gateway)
    event = await player.next_open()
    answers = [await player.answer(player.bet(event, selection=n)) for n in range(5)]
    assert {answer["status"] for answer in answers} == {Status.ACCEPTED}
    await player.answer(player.bet(event, selection=9999))
    await asyncio.sleep(0.5)  # records are looked at five times a second
    grown = {name: value - before[name] for name, value in (await scraped(stack, player.gateway)).items()}
    assert grown["livetable_bets_total"] == 6
    assert grown['livetable_bet_answers_total{status="accepted"}'] == 5
    assert grown['livetable_bet_answers_total{status="bad_selection"}'] == 1
    assert grown["livetable_bet_duration_seconds_count"] == 5
    assert grown['livetable_bet_stage_duration_seconds_count{stage="commit"}'] == 5
    assert 0 < grown["livetable_bet_duration_seconds_sum"] < 5 * 1.0
    assert before['livetable_sockets{state="seated"}'] >= 1


async def test_every_process_tells_its_metrics_and_prometheus_can_find_them(stack: Stack) -> None:
    targets = json.loads(stack.metrics_targets_path.read_text())
    assert {group["labels"]["node"] for group in targets} == set(stack.metrics_urls)
    for node, url in stack.metrics_urls.items():
        assert url.split("/")[2] in {address for group in targets for address in group["targets"]}
        assert (await scraped(stack, node))["process_cpu_seconds_total"] > 0


async def test_a_gateway_that_was_killed_knows_the_results_of_before(stack: Stack, player: Player) -> None:
    async def results() -> list[int]:
        player.socket.messages.clear()
        player.socket.send({"t": "lobby"})
        whole = await player.socket.until(lambda m: m["t"] == "lobby" and m["whole"])
        player.socket.send({"t": "lobby", "watch": False})
        return next(row["recent_rounds"] for row in whole["tables"] if row["table"] == 1)

    before: list[int] = []
    while not before:
        await asyncio.sleep(0.2)
        before = await results()
    killed = player.gateway
    stack.kill(killed)
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    (other,) = {"gateway-0", "gateway-1"} - {killed}
    deadline_s = time.monotonic() + 10
    while player.gateway != killed or player.socket.closed.is_set():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.1)
        with contextlib.suppress(OSError):  # it is still down
            await player.join(avoid=other)
    assert set(before) <= set(await results())


async def test_balance_and_round_are_back_within_two_seconds_when_the_gateway_dies(
    stack: Stack, player: Player
) -> None:
    event = await player.next_open()
    bet = player.bet(event, amount_minor=700)
    assert (await player.answer(bet))["status"] == Status.ACCEPTED
    stack.kill(player.gateway)
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    lost_s = time.monotonic()
    welcome = await player.join(avoid=player.gateway)
    back_s = time.monotonic() - lost_s
    assert back_s <= BACK_S_MAX
    assert welcome["balance_minor"] == 100_000 - 700
    assert welcome["state"]["event"]["round"] >= event["round"]
    again = await player.answer(player.bet(event, amount_minor=700, op=bet["id"]))
    assert again["status"] == Status.ACCEPTED
    assert again["balance_minor"] == 100_000 - 700
