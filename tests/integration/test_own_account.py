"""What players ask of their own accounts in a running system: limits, exclusion, statements, the session's reminder."""

import asyncio
import csv
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from table_client import HttpError, Player, call, call_raw, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.api.account_messages import EXCLUSION_DAYS_MIN
from reference_impl.api.services import ASKS_BURST
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import shard_of
from reference_impl.domain.limits import LOOSEN_AFTER_NS, next_day_ns
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import CloseCode
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1000, closing_soon_ms=400, dealing_ms=300, pause_ms=200, flush_ms_max=300)
CHECK_S, ACKNOWLEDGE_S = 4.0, 2.0
DEPOSIT = 100_000
HOUR_NS = 3600 * NS_PER_S
NUMBERS = iter(range(1, 40))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    config = StackConfig(
        tables=1, gateways=1, edges=0, timing=TIMING, password_cost=PasswordCost(memory_kib=64, iterations=1),
        reality_check_s=CHECK_S, acknowledge_s=ACKNOWLEDGE_S,
    )  # fmt: skip
    async with Stack(config) as running:
        await open_players(running, *range(1, 40), deposit_minor=DEPOSIT)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def player(stack: Stack) -> Player:
    joined = Player(stack, next(NUMBERS))
    await joined.join()
    return joined


async def ask(player: Player, path: str, method: str | None = None, **body: Any) -> dict[str, Any]:
    return await call(player.stack, f"/v1/{path}", body or None, player.token, method)


async def limit(player: Player, kind: str, amount: int | None, op: str = "") -> dict[str, Any]:
    told = await ask(player, f"limits/{kind}", "PUT", id=op or secrets.token_hex(16), amount=amount)
    return next(one for one in told["limits"] if one["kind"] == kind)


async def leave(player: Player, how: str, from_now_ns: int, op: str = "") -> dict[str, Any]:
    return await ask(player, how, id=op or secrets.token_hex(16), until_unix_ns=time.time_ns() + from_now_ns)


async def ledger_balance(stack: Stack, player: int) -> int:
    connection = await asyncpg.connect(stack.dsns[shard_of(player, len(stack.dsns))])
    try:
        return await connection.fetchval("SELECT balance FROM account WHERE id = $1", player)
    finally:
        await connection.close()


async def tried(player: Player, event: dict[str, Any], amount_minor: int) -> Status:
    return Status((await player.answer(player.bet(event, amount_minor=amount_minor)))["status"])


async def test_a_tighter_limit_holds_at_once_and_a_looser_one_a_day_later(player: Player) -> None:
    told = (await ask(player, "limits"))["limits"]
    assert {one["kind"]: one["amount"] for one in told} == dict.fromkeys(
        ("stake", "round", "loss_day", "loss_week", "time_day")
    )
    assert (await limit(player, "stake", 200))["amount"] == 200
    event = await player.next_open()
    assert await tried(player, event, 201) is Status.STAKE_LIMIT
    assert await tried(player, event, 200) is Status.ACCEPTED
    assert (await limit(player, "stake", 150))["amount"] == 150
    looser = await limit(player, "stake", 500)
    assert (looser["amount"], looser["next"]["amount"]) == (150, 500)
    assert abs(looser["next"]["from_unix_ns"] - time.time_ns() - LOOSEN_AFTER_NS) < 10 * NS_PER_S
    lifted = await limit(player, "stake", None)
    assert (lifted["amount"], lifted["next"]["amount"]) == (150, None)


async def test_losses_count_and_are_told(player: Player) -> None:
    await limit(player, "loss_day", 300)
    event = await player.next_open()
    assert await tried(player, event, 250) is Status.ACCEPTED
    assert await tried(player, event, 51) is Status.LOSS_LIMIT
    (told,) = (one for one in (await ask(player, "limits"))["limits"] if one["kind"] == "loss_day")
    assert (told["amount"], told["used"]) == (300, 250)


async def test_a_wish_that_is_sent_again_changes_nothing_and_its_id_is_its_own(player: Player) -> None:
    op = secrets.token_hex(16)
    await limit(player, "round", 700, op)
    assert (await limit(player, "round", 600))["amount"] == 600
    assert (await limit(player, "round", 700, op))["next"] is None
    with pytest.raises(HttpError, match="used before for something else") as caught:
        await limit(player, "round", 650, op)
    assert caught.value.status == 409


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("limits/height", {"amount": 1}, 404, "there is no limit 'height', known are stake, round"),
        ("limits/time_day", {"amount": 1441}, 400, "1441 minutes a day, limit 1440"),
        ("limits/stake", {"amount": -1}, 400, '"detail":"amount: Expected `int` >= 0"'),
        ("limits/stake", {"amount": 1, "more": 1}, 400, "unknown field `more`"),
    ],
)
async def test_what_is_no_limit_is_refused_by_name(
    player: Player, path: str, body: Any, status: int, words: str
) -> None:
    with pytest.raises(HttpError, match=words) as caught:
        await ask(player, path, "PUT", id=secrets.token_hex(16), **body)
    assert caught.value.status == status


async def test_exclusion_blocks_wagers_at_once_and_nothing_else_until_its_end(player: Player) -> None:
    term_ns = EXCLUSION_DAYS_MIN * 24 * HOUR_NS
    for wrong_ns in (term_ns - HOUR_NS, 6 * 365 * 24 * HOUR_NS, -HOUR_NS):
        with pytest.raises(HttpError, match="h from now, allowed are") as caught:
            await leave(player, "exclusion", wrong_ns)
        assert caught.value.status == 400
    event = await player.next_open()
    assert await tried(player, event, 100) is Status.ACCEPTED
    until = (await leave(player, "exclusion", term_ns + HOUR_NS))["excluded_until_unix_ns"]
    assert await tried(player, event, 100) is Status.EXCLUDED
    assert (await leave(player, "exclusion", term_ns))["excluded_until_unix_ns"] == until, "it is not made shorter"
    assert (await leave(player, "time-out", HOUR_NS))["excluded_until_unix_ns"] == until
    assert await tried(player, event, 100) is Status.EXCLUDED
    withdrawn = await ask(player, "withdrawals", id=secrets.token_hex(16), amount_minor=5000)
    assert withdrawn["balance_minor"] == DEPOSIT - 5100
    assert (await ask(player, "statement"))["play"]["staked_minor"] == 100


async def test_a_break_blocks_wagers_and_says_until_when(player: Player) -> None:
    told = await leave(player, "time-out", 2 * HOUR_NS)
    assert abs(told["time_out_until_unix_ns"] - time.time_ns() - 2 * HOUR_NS) < 10 * NS_PER_S
    assert await tried(player, await player.next_open(), 100) is Status.TIME_OUT


async def test_time_of_a_day_that_is_used_up_is_a_break_until_the_next(player: Player) -> None:
    assert (await limit(player, "time_day", 0))["amount"] == 0
    async with asyncio.timeout(15):
        while await tried(player, await player.next_open(), 100) is not Status.TIME_OUT:
            pass
    assert (await ask(player, "limits"))["time_out_until_unix_ns"] == next_day_ns(time.time_ns())


async def test_money_is_withdrawn_once_an_id_and_never_more_than_there_is(player: Player) -> None:
    op = secrets.token_hex(16)
    for _ in range(2):
        assert (await ask(player, "withdrawals", id=op, amount_minor=400))["balance_minor"] == DEPOSIT - 400
    with pytest.raises(HttpError, match="the balance does not cover it") as caught:
        await ask(player, "withdrawals", id=secrets.token_hex(16), amount_minor=DEPOSIT)
    assert caught.value.status == 409
    assert await ledger_balance(player.stack, player.number) == DEPOSIT - 400


async def test_a_statement_explains_every_entry_and_its_file_says_the_same(player: Player) -> None:
    event = await player.next_open()
    bets = [player.bet(event, selection=n % 37, amount_minor=100 + n) for n in range(37)]
    for bet in bets:
        assert (await player.answer(bet))["status"] == Status.ACCEPTED
    result = await player.phase(Phase.SETTLED, event["round"] - 1)
    await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == event["round"])
    span = f"from_unix_ns=0&to_unix_ns={time.time_ns()}"
    pages = [await ask(player, f"statement?{span}")]
    while before := pages[-1]["next_before"]:
        pages.append(await ask(player, f"statement?{span}&before={before}"))
    first, rows = pages[0], [row for page in pages for row in page["rows"]]
    assert [len(page["rows"]) for page in pages] == [50, 25]
    assert len(rows) == first["entries"] == 75
    closing = await ledger_balance(player.stack, player.number)
    assert (first["opening_minor"], first["closing_minor"]) == (0, closing)
    assert sum(row["amount_minor"] for row in rows) == closing
    assert [row["balance_minor"] for row in rows[:-1]] == [
        row["balance_minor"] + after["amount_minor"] for after, row in itertools.pairwise(rows)
    ]
    play = first["play"]
    assert (play["bets"], play["staked_minor"]) == (37, sum(bet["amount_minor"] for bet in bets))
    assert play["won_minor"] == 36 * (100 + result["outcome"])
    assert play["net_minor"] + first["cash_minor"] == closing
    words = {row["what"] for row in rows}
    assert {"Deposit", "Bet on straight 17", f"Won: straight {result['outcome']}"} <= words
    assert {(row["game"], row["table"], row["round"]) for row in rows if row["kind"] == "bet"} == {
        ("roulette", 1, event["round"] % 2**32)
    }
    text = (await call_raw(player.stack, f"/v1/statement.csv?{span}", token=player.token)).decode()
    lines = list(csv.DictReader(text.splitlines()))
    assert [line["what"] for line in (lines[0], lines[-1])] == ["opening balance", "closing balance"]
    assert [round(float(line["balance"]) * 100) for line in lines[1:-1]] == [r["balance_minor"] for r in rows[::-1]]
    assert [round(float(line["amount"]) * 100) for line in lines[1:-1]] == [r["amount_minor"] for r in rows[::-1]]
    assert [line["id"] for line in lines[1:-1]] == [row["id"] for row in rows[::-1]]
    later = await ask(player, f"statement?from_unix_ns={time.time_ns()}")
    assert (later["opening_minor"], later["closing_minor"], later["entries"]) == (closing, closing, 0)
    with pytest.raises(HttpError, match="is after to_unix_ns"):
        await ask(player, "statement?from_unix_ns=2&to_unix_ns=1")
    for path in ("statement", "statement.csv"):
        for wrong in (-1, 1 << 63, 1 << 80, "now"):
            with pytest.raises(HttpError) as caught:
                await ask(player, f"{path}?to_unix_ns={wrong}")
            assert caught.value.status == 400


async def test_the_reminder_tells_what_the_ledger_says_and_silence_ends_the_session(player: Player) -> None:
    event = await player.next_open()
    assert await tried(player, event, 700) is Status.ACCEPTED
    now = await ask(player, "session")
    assert (now["play"]["staked_minor"], now["play"]["bets"]) == (700, 1)
    assert now["played_ns"] == now["server_unix_ns"] - now["opened_unix_ns"]
    assert now["reminder_due_unix_ns"] == now["opened_unix_ns"] + int(CHECK_S) * NS_PER_S
    statement = await ask(player, f"statement?from_unix_ns={now['opened_unix_ns']}&to_unix_ns={time.time_ns()}")
    assert statement["play"]["staked_minor"] == 700
    acknowledged = await call(player.stack, "/v1/session/acknowledge", {}, player.token)
    began_s = time.monotonic()
    assert acknowledged["reminder_due_unix_ns"] >= acknowledged["server_unix_ns"] + (CHECK_S - 1) * NS_PER_S
    await asyncio.wait_for(player.socket.closed.wait(), CHECK_S + ACKNOWLEDGE_S + 5)
    assert time.monotonic() - began_s >= CHECK_S + ACKNOWLEDGE_S - 0.5
    assert player.socket.close_code == CloseCode.LOGGED_OUT
    seen = await call(player.stack, f"/v1/admin/players/{player.number}", token=player.stack.admin_token)
    assert seen["sessions"][0]["ended_by"] == "reminder not acknowledged"
    assert seen["sessions"][0]["play"]["staked_minor"] == 700, "as the event stream told it"
    await call(player.stack, "/v1/admin/sessions/recount", {"reason": "try"}, player.stack.admin_token)
    async with asyncio.timeout(15):
        while True:
            again = await call(player.stack, f"/v1/admin/players/{player.number}", token=player.stack.admin_token)
            if again["sessions"][0]["play"] == seen["sessions"][0]["play"]:
                break
            await asyncio.sleep(0.2)


async def test_who_asks_too_often_is_told_to_wait(player: Player) -> None:
    answers = await asyncio.gather(*(ask(player, "limits") for _ in range(ASKS_BURST + 20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, HttpError)]
    assert refused
    assert {error.status for error in refused} == {429}


@pytest.mark.parametrize("path", ["limits", "statement", "statement.csv", "session"])
async def test_nobody_reads_an_account_without_its_players_token(player: Player, path: str) -> None:
    for token in ("", "wrong", player.stack.admin_token):
        with pytest.raises(HttpError) as caught:
            await call_raw(player.stack, f"/v1/{path}", token=token)
        assert caught.value.status == 401
