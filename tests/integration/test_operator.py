"""The operator voids, corrects, stops and disables in a running system."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from table_client import HttpError, Player, call, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.audit.trail import read_trail
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.ids import AccountKind, account_id, home_shard, round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
GAMES = ("roulette", "money_wheel", "roulette")
DEPOSIT = 100_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=3, edges=0, games=GAMES, timing=TIMING, password_cost=cost)) as running:
        await open_players(running, *range(1, 20))
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def player(stack: Stack, request: pytest.FixtureRequest) -> Player:
    numbers = request.config.stash.setdefault(NUMBERS, iter(range(1, 20)))
    joined = Player(stack, next(numbers))
    await joined.join()
    return joined


async def order(stack: Stack, path: str, **body: Any) -> dict[str, Any]:
    return await call(stack, f"/v1/admin/{path}", body, stack.admin_token)


async def rows(stack: Stack, query: str, *arguments: Any) -> list[asyncpg.Record]:
    """Return what a query finds in all shards."""
    found: list[asyncpg.Record] = []
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            found += await connection.fetch(query, *arguments)
        finally:
            await connection.close()
    return found


async def test_a_voided_round_returns_every_stake_and_the_reason_is_told_and_kept(player: Player) -> None:
    opened = await player.next_open()
    assert (await player.answer(player.bet(opened, 17, 500)))["status"] == Status.ACCEPTED
    answer = await order(player.stack, f"rounds/{opened['round']}/void", reason="the wheel is stuck")
    assert answer == {"tables": [1], "refused": {}}
    voided = await player.phase(Phase.VOIDED, opened["round"] - 1)
    assert voided["result"] == "the wheel is stuck"
    paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == opened["round"])
    assert (paid["payouts_minor"], paid["balance_minor"]) == ([500], DEPOSIT)
    again = await order(player.stack, f"rounds/{opened['round']}/void", reason="the wheel is stuck")
    assert again["tables"] == [1]
    trail = player.stack.audit_dir / f"trail-{home_shard(1, 2)}.jsonl"
    await until(lambda: sum("the wheel is stuck" in line.payload for line in read_trail(trail)) >= 2)
    assert (await player.answer(player.bet(opened, 17, 500)))["status"] == Status.WINDOW_CLOSED


async def test_a_round_with_an_outcome_is_not_voided(player: Player) -> None:
    opened = await player.next_open()
    await player.phase(Phase.DEALING, opened["round"] - 1)
    with pytest.raises(HttpError, match="has its outcome: correct it once it is settled") as caught:
        await order(player.stack, f"rounds/{opened['round']}/void", reason="too late")
    assert caught.value.status == 409
    await player.phase(Phase.SETTLED, opened["round"] - 1)
    with pytest.raises(HttpError, match=r"has its outcome|is not being played"):
        await order(player.stack, f"rounds/{opened['round']}/void", reason="too late")


async def test_a_correction_takes_winnings_back_even_when_they_were_bet_again(player: Player) -> None:
    """The player covers the wheel, wins, bets all of it and loses; then the first round turns out to be wrong."""
    opened = await player.next_open()
    for pocket in range(37):
        player.bet(opened, pocket, 2700)
    result = await player.phase(Phase.SETTLED, opened["round"] - 1)
    paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == opened["round"])
    balance = DEPOSIT - 37 * 2700 + 36 * 2700
    assert paid["balance_minor"] == balance
    spent = await player.next_open()
    assert (await player.answer(player.bet(spent, result["outcome"], balance)))["status"] == Status.ACCEPTED
    wrong = (result["outcome"] + 1) % 37
    with pytest.raises(HttpError, match="99 is no outcome of roulette"):
        await order(player.stack, f"rounds/{opened['round']}/correct", outcome=99, reason="typing error")
    await order(player.stack, f"rounds/{opened['round']}/correct", outcome=wrong, reason="the ball was misread")
    told = await player.socket.until(lambda m: m["t"] == "table" and m["state"]["event"].get("corrected"))
    assert told["state"]["event"]["result"].endswith("corrected: the ball was misread")
    query = "SELECT kind, account, amount, selection FROM journal WHERE round = $1 AND slot = 2 ORDER BY seq"
    entries = await rows(player.stack, query, opened["round"])
    taken = [e for e in entries if e["kind"] == EntryKind.RECLAIM]
    given = [e for e in entries if e["kind"] == EntryKind.CORRECT]
    assert {e["selection"] for e in taken} == {result["outcome"]}
    assert sum(e["amount"] for e in taken) == 36 * 2700
    assert [(e["selection"], e["amount"]) for e in given] == [(wrong, 36 * 2700)]
    owed = account_id(AccountKind.OWED, player.number)
    balances = {row["id"]: row["balance"] for row in await rows(player.stack, "SELECT id, balance FROM account")}
    assert balances[player.number] >= 0
    assert sum(balances.values()) == 0
    assert balances.get(owed, 0) == -sum(e["amount"] for e in taken if e["account"] == owed)
    await order(player.stack, f"rounds/{opened['round']}/correct", outcome=wrong, reason="said twice")
    with pytest.raises(HttpError, match=f"was corrected to {wrong} before; that stands"):
        await order(player.stack, f"rounds/{opened['round']}/correct", outcome=result["outcome"], reason="no, yes")
    await asyncio.sleep(0.3)
    assert len(await rows(player.stack, query, opened["round"])) == len(entries)


async def test_what_was_never_settled_cannot_be_corrected(player: Player) -> None:
    opened = await player.next_open()
    with pytest.raises(HttpError, match="is in phase BETS_OPEN: correct it once it is settled"):
        await order(player.stack, f"rounds/{opened['round']}/correct", outcome=1, reason="early")
    with pytest.raises(HttpError, match="has no outcome that could be corrected"):
        await order(player.stack, f"rounds/{opened['round'] + 900}/correct", outcome=1, reason="unknown")


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        pytest.param({}, [1, 2, 3], id="all", marks=pytest.mark.soak),
        pytest.param({"game": "roulette"}, [1, 3], id="game", marks=pytest.mark.soak),
        pytest.param({"table": 1}, [1], id="table"),
    ],
)
async def test_stopped_tables_finish_their_round_and_start_no_other(
    player: Player, scope: dict[str, Any], stopped: list[int]
) -> None:
    stack = player.stack
    opened = await player.next_open()
    bet = player.bet(opened, 5, 100)
    assert (await player.answer(bet))["status"] == Status.ACCEPTED
    answer = await order(stack, "tables/stop", reason="maintenance", **scope)
    assert answer == {"tables": stopped, "refused": {}}
    await player.phase(Phase.SETTLED, opened["round"] - 1)
    idle = await player.phase(Phase.IDLE, opened["round"] - 1)
    assert idle["result"] == "maintenance"
    before = {one["table"]: one["round"] for one in (await call(stack, "/v1/lobby"))["tables"]}
    if scope == {"table": 1}:  # a stop outlives the dealer
        stack.kill("dealer")
    await asyncio.sleep(4.5 if scope else 2.5)
    lobby = (await call(stack, "/v1/lobby"))["tables"]
    assert {one["table"] for one in lobby if one["phase"] == "idle"} == set(stopped)
    assert {one["table"] for one in lobby if one["round"] > before[one["table"]]} == {1, 2, 3} - set(stopped)
    await order(stack, "tables/go", reason="mended", **scope)
    fresh = await player.phase(Phase.BETS_OPEN, opened["round"])
    assert (await player.answer(player.bet(fresh, 5, 100)))["status"] == Status.ACCEPTED


async def test_a_disabled_player_is_sent_away_and_the_bets_in_play_are_settled_asvs_7_4_2(player: Player) -> None:
    opened = await player.next_open()
    for pocket in range(37):
        player.bet(opened, pocket, 100)
    await player.socket.until(lambda m: m["t"] == "answer" and m["balance_minor"] == DEPOSIT - 3700)
    assert (await order(player.stack, f"players/{player.number}/disable", reason="under age"))["ended"]
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    with pytest.raises(HttpError, match=f"player {player.number} may not play: under age") as caught:
        await player.log_in()
    assert caught.value.status == 403
    with pytest.raises(HttpError) as caught:
        await player.placement()
    assert caught.value.status == 401
    query = "SELECT sum(amount) AS won FROM journal WHERE account = $1 AND kind = $2"

    async def won() -> bool:
        found = await rows(player.stack, query, player.number, EntryKind.SETTLE)
        return sum(row["won"] or 0 for row in found) == 3600

    await until_so(won)
    assert (await order(player.stack, f"players/{player.number}/enable", reason="was of age"))["lifted"]
    await player.log_in()


@pytest.mark.parametrize("path", ["rounds/1/void", "rounds/1/correct", "tables/stop", "players/1/disable"])
async def test_orders_need_the_operators_token_and_a_reason(stack: Stack, path: str) -> None:
    with pytest.raises(HttpError) as caught:
        await call(
            stack, f"/v1/admin/{path}", {"reason": "x", "outcome": 1} if "correct" in path else {"reason": "x"}, "wrong"
        )
    assert caught.value.status == 401
    with pytest.raises(HttpError) as caught:
        await order(stack, path, reason="")
    assert caught.value.status == 400


async def test_orders_name_what_does_not_exist(stack: Stack) -> None:
    with pytest.raises(HttpError, match="there is no game 'poker'"):
        await order(stack, "tables/stop", reason="x", game="poker")
    with pytest.raises(HttpError, match="table 9 does not exist; tables are 1 to 3"):
        await order(stack, "tables/stop", reason="x", table=9)


async def test_every_order_is_on_record_with_who_gave_it_and_what_came_of_it(stack: Stack) -> None:
    await order(stack, "operators", name="ann", password="correct horse battery")
    ann = (await call(stack, "/v1/admin/login", {"name": "ann", "password": "correct horse battery"}))["token"]
    await call(stack, "/v1/admin/players/19/disable", {"reason": "asked by letter"}, ann)
    await call(stack, "/v1/admin/players/19/enable", {"reason": "asked by phone"}, ann)
    with pytest.raises(HttpError, match="is not being played"):
        await call(stack, f"/v1/admin/rounds/{round_id(1, 9999)}/void", {"reason": "typing error"}, ann)
    newest = await call(stack, "/v1/admin/orders", token=ann)
    assert [(o["operator"], o["what"], o["target"], o["reason"]) for o in newest[:3]] == [
        ("ann", "void", f"table 1 round 9999 ({round_id(1, 9999)})", "typing error"),
        ("ann", "enable", "player 19", "asked by phone"),
        ("ann", "disable", "player 19", "asked by letter"),
    ]
    assert newest[0]["answer"].startswith("refused: round")
    assert [o["answer"] for o in newest[1:3]] == ["done", "done"]
    assert all(abs(time.time_ns() - o["at_unix_ns"]) < 60e9 for o in newest[:3])
    older = await call(stack, f"/v1/admin/orders?before={newest[2]['id']}", token=ann)
    assert [o["id"] for o in older] == [o["id"] for o in newest[3:]] or len(newest) == 50


async def test_operators_log_in_and_out_and_make_no_operators(stack: Stack) -> None:
    words = {"name": "bob", "password": "correct horse battery"}
    assert (await order(stack, "operators", **words))["registered"]
    assert not (await order(stack, "operators", **words))["registered"]
    bob = (await call(stack, "/v1/admin/login", words))["token"]
    desk = await call(stack, "/v1/admin/desk", token=bob)
    assert desk["operator"] == "bob"
    assert [(t["table"], t["game"]) for t in desk["tables"]] == list(enumerate(GAMES, 1))
    with pytest.raises(HttpError) as caught:
        await call(stack, "/v1/admin/operators", {"name": "eve", "password": "correct horse battery"}, bob)
    assert caught.value.status == 403
    await call(stack, "/v1/admin/logout", {}, bob)
    with pytest.raises(HttpError) as caught:
        await call(stack, "/v1/admin/desk", token=bob)
    assert caught.value.status == 401
    for status in (401, 401, 401, 429):
        with pytest.raises(HttpError) as caught:
            await call(stack, "/v1/admin/login", {"name": "bob", "password": "wrong"})
        assert caught.value.status == status


async def test_an_outcome_is_told_in_words_before_a_round_is_corrected_to_it(stack: Stack) -> None:
    told = await call(stack, "/v1/admin/games/roulette/outcomes/17", token=stack.admin_token)
    assert "17" in told["result"]
    with pytest.raises(HttpError, match="37 is no outcome of 'roulette'"):
        await call(stack, "/v1/admin/games/roulette/outcomes/37", token=stack.admin_token)


@pytest.mark.parametrize("path", ["desk", "orders", "players/1", "games/roulette/outcomes/1", "lab", "lab/offers"])
async def test_what_operators_see_nobody_else_sees(player: Player, path: str) -> None:
    for token in (player.token, "wrong"):
        with pytest.raises(HttpError) as caught:
            await call(player.stack, f"/v1/admin/{path}", token=token)
        assert caught.value.status == 401


async def test_without_a_lab_nothing_is_started_and_the_attempt_is_on_record(stack: Stack) -> None:
    kill = {"kind": "kill", "target": "dealer"}
    for path, body in [("lab/campaign", {"campaign": "smoke"}), ("lab/campaign/stop", {}), ("lab/fault", kill)]:
        with pytest.raises(HttpError, match="this system was started without --lab") as caught:
            await order(stack, path, reason="to see", **body)
        assert caught.value.status == 404
    newest = (await call(stack, "/v1/admin/orders", token=stack.admin_token))[0]
    assert (newest["what"], newest["target"]) == ("fault: kill", "dealer")
    assert newest["answer"].startswith("refused: this system was started without --lab")
    assert not (await call(stack, "/v1/admin/control", token=stack.admin_token))["lab"]


async def test_the_books_verify_after_all_of_it(stack: Stack) -> None:
    await stack.finish_rounds()
    assert sum(row["balance"] for row in await rows(stack, "SELECT balance FROM account")) == 0
    assert not await rows(stack, "SELECT 1 FROM round_correction WHERE NOT finished")
    assert not await rows(stack, "SELECT 1 FROM betting_window WHERE NOT finished")


async def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.05)


async def until_so(true: Callable[[], Awaitable[bool]], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.1)


NUMBERS = pytest.StashKey[Any]()
