"""The running system from outside: sockets, HTTP, and what survives."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from picows import WSMsgType
from table_client import HttpError, Player, Socket, call, connect, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.audit.trail import follow, genesis, read_trail
from reference_impl.domain.bets import Status
from reference_impl.domain.games.outcome import seeded_outcome
from reference_impl.domain.games.roulette import GROSS, POCKETS
from reference_impl.domain.ids import round_no_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import FRAME_BYTES_MAX, CloseCode
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.replay import describe, held_against, parse_round, replay
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1200, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(said: list[str]) -> AsyncIterator[Stack]:
    config = StackConfig(edges=0, timing=TIMING, password_cost=PasswordCost(memory_kib=64, iterations=1))
    async with Stack(config, said.append) as running:
        await open_players(running, *range(1, 90))
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def player(stack: Stack, request: pytest.FixtureRequest) -> Player:
    numbers = request.config.stash.setdefault(NUMBERS, iter(range(1, 90)))
    joined = Player(stack, next(numbers))
    await joined.join()
    return joined


async def test_a_bet_is_accepted_debited_and_settled(player: Player) -> None:
    event = await player.next_open()
    straight = [player.bet(event, selection=n, amount_minor=100) for n in range(37)]
    answers = [await player.answer(bet) for bet in straight]
    assert {answer["status"] for answer in answers} == {Status.ACCEPTED}
    assert answers[-1]["balance_minor"] == 100_000 - 37 * 100
    paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == event["round"])
    assert sum(paid["payouts_minor"]) == 3600
    assert paid["balance_minor"] == 100_000 - 37 * 100 + 3600
    outcome = (await player.phase(Phase.RESULT, event["round"] - 1))["outcome"]
    won = paid["ids"][paid["payouts_minor"].index(3600)]
    assert straight[outcome]["id"] == won
    assert GROSS[outcome, outcome] == 36


async def test_the_same_id_gets_the_same_answer_for_ever_through_any_gateway(player: Player) -> None:
    event = await player.next_open()
    sent = player.bet(event)
    first = await player.answer(sent)
    await player.phase(Phase.SETTLED, event["round"] - 1)
    former = player.gateway
    player.socket.disconnect()
    await player.join(avoid=former)
    assert player.gateway != former
    player.socket.send(sent)
    assert await player.answer(sent) == first


async def test_the_same_id_with_another_amount_is_a_conflict(player: Player) -> None:
    event = await player.next_open()
    sent = player.bet(event, amount_minor=100)
    await player.answer(sent)
    player.socket.messages.clear()
    player.bet(event, amount_minor=200, op=sent["id"])
    assert (await player.answer(sent))["status"] == Status.CONFLICT


def undo(player: Player, bet: dict[str, object]) -> None:
    player.socket.send({"t": "undo", "id": bet["id"], "table": 1, "round": bet["round"], "window": bet["window"]})


async def undone(player: Player, bet: dict[str, object]) -> dict[str, object]:
    return await player.socket.until(lambda m: m["t"] == "undone" and m["id"] == bet["id"])


async def test_an_undo_returns_the_stake_once_and_is_answered_alike_for_ever(player: Player) -> None:
    event = await player.next_open()
    kept, taken_back = player.bet(event, amount_minor=100), player.bet(event, amount_minor=700)
    undo(player, taken_back)  # right behind the bet, before its answer
    first = await undone(player, taken_back)
    assert (await player.answer(taken_back))["status"] == Status.ACCEPTED
    assert (first["status"], first["balance_minor"]) == (Status.ACCEPTED, 100_000 - 100)
    player.socket.messages.clear()
    undo(player, taken_back)
    assert await undone(player, taken_back) == first
    paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == event["round"])
    assert paid["ids"] == [kept["id"]]


async def test_an_undo_after_the_close_is_too_late_and_the_bet_stands(player: Player) -> None:
    event = await player.next_open()
    bet = player.bet(event)
    await player.phase(Phase.BETS_CLOSED, event["round"] - 1)
    undo(player, bet)
    assert (await undone(player, bet))["status"] == Status.WINDOW_CLOSED
    paid = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == event["round"])
    assert paid["ids"] == [bet["id"]]


async def test_an_undo_that_comes_before_its_bet_keeps_the_bet_out_for_good(player: Player) -> None:
    event = await player.next_open()
    coming = {"id": "5" * 32, "round": event["round"], "window": event.get("window", 0)}
    undo(player, coming)
    assert (await undone(player, coming))["status"] == Status.ACCEPTED
    assert (await player.answer(player.bet(event, op="5" * 32)))["status"] == Status.CANCELLED


async def test_who_comes_back_is_told_every_table_event_that_was_missed(player: Player) -> None:
    await player.next_open()
    seen = max(m["state"]["seq"] for m in player.socket.messages if m["t"] == "table")
    player.socket.disconnect()
    await asyncio.sleep(1.5)
    place = await player.placement()
    player.socket = await connect(place["url"])
    player.socket.send({"t": "hello", "ticket": place["ticket"], "seq": seen})
    now = (await player.socket.until(lambda m: m["t"] == "welcome"))["state"]["seq"]
    told = [m["state"]["seq"] for m in player.socket.messages if m["t"] == "table"]
    assert now - seen >= 2
    assert told[: now - seen] == list(range(seen + 1, now + 1))


async def test_a_late_bet_is_refused_on_record(player: Player) -> None:
    event = await player.next_open()
    await player.phase(Phase.BETS_CLOSED, event["round"] - 1)
    answer = await player.answer(player.bet(event))
    assert answer["status"] == Status.WINDOW_CLOSED
    assert answer["seq"] > 0


async def test_a_bet_on_a_round_that_never_was_is_refused(player: Player) -> None:
    event = await player.next_open()
    answer = await player.answer(player.bet({"round": event["round"] + 1000}))
    assert answer["status"] == Status.UNKNOWN_ROUND


@pytest.mark.parametrize(
    ("selection", "amount_minor", "status"),
    [(157, 100, Status.BAD_SELECTION), (0, 9, Status.BAD_AMOUNT), (0, 1_000_001, Status.BAD_AMOUNT)],
)
async def test_a_bet_outside_the_table_limits_is_refused(
    player: Player, selection: int, amount_minor: int, status: Status
) -> None:
    event = await player.next_open()
    assert (await player.answer(player.bet(event, selection, amount_minor)))["status"] == status


async def test_a_bet_above_the_balance_is_refused_and_changes_nothing(player: Player) -> None:
    event = await player.next_open()
    answer = await player.answer(player.bet(event, amount_minor=100_001))
    assert (answer["status"], answer["balance_minor"]) == (Status.INSUFFICIENT_FUNDS, 100_000)


async def test_the_outcome_recomputes_from_the_revealed_seed_and_the_heads(player: Player) -> None:
    event = await player.next_open()
    result = await player.phase(Phase.RESULT, event["round"] - 1)
    connection = await asyncpg.connect(player.stack.dsns[player.table % 2])
    try:
        row = await connection.fetchrow("SELECT seed, heads FROM round_decision WHERE round = $1", result["round"])
    finally:
        await connection.close()
    assert row["seed"].hex() == result["seed"]
    assert seeded_outcome(row["seed"], row["heads"], POCKETS) == result["outcome"]


@pytest.mark.parametrize(
    "frame",
    [
        b"{", b"[]", b"null", b'{"t":"bet"}', b'{"t":"nonsense"}', b"\xff\xfe", b'{"t":"hello","ticket":"\xd0"}',
        b'{"t":"ping","sent_ns":-1}', b'{"t":"ping","sent_ns":1,"more":1}', b'{"t":"ping","sent_ns":1e999}',
        b'{"t":"bet","id":"../../etc/passwd","table":1,"round":1,"window":0,"selection":0,"amount_minor":1}',
        b'{"t":"bet","id":"' + b"0" * 32 + b'","table":1,"round":1,"window":0,"selection":0,"amount_minor":-5}',
    ],
)  # fmt: skip
async def test_a_malformed_frame_closes_the_socket_with_one_line(player: Player, frame: bytes) -> None:
    player.socket.send(frame)
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    assert player.socket.close_code == CloseCode.MALFORMED
    assert player.socket.close_reason
    assert "\n" not in player.socket.close_reason


async def test_a_binary_frame_is_refused(player: Player) -> None:
    player.socket.send(b"\x00\x01", WSMsgType.BINARY)
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    assert player.socket.close_code == CloseCode.MALFORMED


async def test_an_oversized_frame_is_refused(player: Player) -> None:
    player.socket.send(b" " * (FRAME_BYTES_MAX + 1))
    await asyncio.wait_for(player.socket.closed.wait(), 5)


async def test_a_ticket_opens_one_socket(player: Player) -> None:
    place = await player.placement()
    sockets = []
    for _ in range(2):
        socket = await connect(place["url"])
        socket.send({"t": "hello", "ticket": place["ticket"]})
        sockets.append(socket)
        if len(sockets) == 1:
            await socket.until(lambda m: m["t"] == "welcome")
    await asyncio.wait_for(sockets[1].closed.wait(), 5)
    assert sockets[1].close_code == CloseCode.BAD_TICKET
    assert not sockets[0].closed.is_set()
    sockets[0].disconnect()


@pytest.mark.parametrize("hello", ["false", "AAAA.BBBB", "", "a.b.c"])
async def test_a_false_ticket_is_refused(player: Player, hello: str) -> None:
    socket = await connect((await player.placement())["url"])
    socket.send({"t": "hello", "ticket": hello})
    await asyncio.wait_for(socket.closed.wait(), 5)
    assert socket.close_code == CloseCode.BAD_TICKET


async def test_whoever_does_not_say_hello_first_is_refused(player: Player) -> None:
    socket = await connect((await player.placement())["url"])
    socket.send({"t": "ping", "sent_ns": 1})
    await asyncio.wait_for(socket.closed.wait(), 5)
    assert socket.close_code == CloseCode.BAD_TICKET


@pytest.mark.parametrize("avoid", ["", "the same gateway"])
async def test_a_second_connection_of_a_player_replaces_the_first_on_whatever_gateway(
    player: Player, avoid: str
) -> None:
    first: Socket = player.socket
    await player.join(avoid=avoid and player.gateway)
    await asyncio.wait_for(first.closed.wait(), 5)
    assert first.close_code == CloseCode.REPLACED
    assert not player.socket.closed.is_set()


@pytest.mark.parametrize(
    ("path", "body", "token", "status"),
    [
        ("/v1/login", {"name": "player-1", "password": "wrong"}, "", 401),
        ("/v1/login", {"name": "nobody", "password": "wrong"}, "", 401),
        ("/v1/login", {"name": "player-1"}, "", 400),
        ("/v1/login", {"name": "player-1", "password": "x", "more": 1}, "", 400),
        ("/v1/placement", {"table": 1}, "", 401),
        ("/v1/placement", {"table": 1}, "not-a-token", 401),
        ("/v1/admin/players", {"players": []}, "wrong", 401),
        ("/v1/nothing", None, "", 404),
    ],
)
async def test_bad_requests_get_the_right_status_and_one_line(
    stack: Stack, path: str, body: dict[str, object] | None, token: str, status: int
) -> None:
    with pytest.raises(HttpError) as caught:
        await call(stack, path, body, token)
    assert caught.value.status == status
    assert "Traceback" not in caught.value.detail
    assert json.loads(caught.value.detail)["detail"]


async def test_a_table_that_does_not_exist_is_named_with_the_limit(player: Player) -> None:
    player.table = 9
    with pytest.raises(HttpError, match="table 9 does not exist; tables are 1 to 2"):
        await player.placement()


@pytest.mark.parametrize("node", ["wallet-0", "wallet-1", "gateway-0", "dealer", "services", "nats", "postgres"])
async def test_a_killed_process_comes_back_and_the_table_plays_on(
    stack: Stack, said: list[str], player: Player, node: str
) -> None:
    """Kill it while bets are on their way; every bet's fate is known in the end, and new rounds settle."""
    event = await player.next_open()
    sent = [player.bet(event, selection=n % 37) for n in range(20)]
    stack.kill(node)
    await until(lambda: any(f"{node} is back" in line for line in said) or node in ("nats", "postgres"), 20)
    await until(lambda: any(e.node == node and e.what == "ready" for e in stack.events[-6:]), 20)
    await rejoin(player)
    for bet in sent:
        player.socket.send(bet)
    statuses = {(await player.answer(bet))["status"] for bet in sent}
    assert statuses <= {Status.ACCEPTED, Status.WINDOW_CLOSED, Status.UNKNOWN_ROUND}
    fresh = await player.next_open()
    assert (await player.answer(player.bet(fresh)))["status"] == Status.ACCEPTED
    await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == fresh["round"], 30)
    said.clear()


async def test_a_shard_that_slept_through_an_opening_forgets_that_round_and_plays_on(stack: Stack) -> None:
    player = Player(stack, 89, table=2)  # whose home is shard 0
    await player.join()
    event = await player.next_open()
    await player.phase(Phase.SETTLED, event["round"] - 1)
    stack.kill("wallet-1", signal.SIGSTOP)
    alone = await player.phase(Phase.BETS_OPEN, event["round"])
    stack.kill("wallet-1", signal.SIGCONT)
    assert alone["shards"] == [0]
    together = alone
    while together["shards"] != [0, 1]:
        together = await player.phase(Phase.BETS_OPEN, together["round"])
    connection = await asyncpg.connect(stack.dsns[1])
    try:
        ends = await connection.fetch("SELECT finished FROM betting_window WHERE round = $1", alone["round"])
    finally:
        await connection.close()
    assert [end["finished"] for end in ends] in ([], [True])


async def test_the_audit_trail_recomputes_and_equals_the_ledger(stack: Stack, player: Player) -> None:
    event = await player.next_open()
    await player.answer(player.bet(event))
    for shard, dsn in enumerate(stack.dsns):
        connection = await asyncpg.connect(dsn)
        try:
            batches = [tuple(row) for row in await connection.fetch("SELECT id, payload FROM batch ORDER BY id")]
        finally:
            await connection.close()
        await until(lambda: len(read_trail(stack.audit_dir / f"trail-{shard}.jsonl")) >= len(batches), 10)  # noqa: B023
        lines = read_trail(stack.audit_dir / f"trail-{shard}.jsonl")
        assert [(line.batch, line.payload) for line in lines][: len(batches)] == batches
        head = genesis(shard)
        for line in lines:
            head = follow(head, line)
            assert head is not None


async def test_a_round_is_rebuilt_from_the_trail_alone_and_equals_the_ledger(stack: Stack, player: Player) -> None:
    event = await player.next_open()
    kept, late = player.bet(event, selection=36, amount_minor=300), player.bet(event, amount_minor=500)
    undo(player, late)
    await undone(player, late)
    await player.phase(Phase.SETTLED, event["round"] - 1)
    await asyncio.sleep(1.0)
    told, entries = replay(stack.audit_dir, parse_round(f"1:{round_no_of(event['round'])}"))
    await held_against(told, entries, stack.dsns)
    assert told.findings == []
    mine = {bet.id: bet for bet in told.bets if bet.player == player.number}
    assert (mine[kept["id"]].end, mine[late["id"]].end) == ("settle", "cancel")
    assert mine[kept["id"]].payout_minor == GROSS[36, told.decision["outcome"]] * 300
    phases = [Phase(news["event"]["phase"]) for news in told.events]
    assert phases[0] == Phase.BETS_OPEN
    assert phases[-1] == Phase.SETTLED
    assert "0 contradictions" in describe(told)


async def test_a_row_that_only_the_ledger_has_is_named(stack: Stack, player: Player) -> None:
    event = await player.next_open()
    bet = player.bet(event)
    await player.phase(Phase.SETTLED, event["round"] - 1)
    await asyncio.sleep(1.0)
    told, entries = replay(stack.audit_dir, event["round"])
    lost = {shard: [entry for entry in kept if entry.ref != bet["id"]] for shard, kept in entries.items()}
    await held_against(told, lost, stack.dsns)
    assert len(told.findings) == 2
    assert all("only the ledger has entry" in finding and bet["id"] in finding for finding in told.findings)


async def test_every_round_ends_and_nothing_is_owed_when_the_rounds_are_finished(stack: Stack) -> None:
    await stack.finish_rounds()
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT count(*) FROM betting_window WHERE NOT finished") == 0
            assert await connection.fetchval("SELECT sum(balance) FROM account") == 0
            assert await connection.fetchval("SELECT count(*) FROM account WHERE id >> 56 = 2 AND balance <> 0") == 0
        finally:
            await connection.close()


async def rejoin(player: Player) -> None:
    """Join again, trying for as long as services are coming back."""
    player.socket.disconnect()
    async with asyncio.timeout(20):
        while True:
            try:
                await asyncio.wait_for(player.join(), 3)
            except (HttpError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
            else:
                return


async def until(true: object, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.05)


NUMBERS = pytest.StashKey[object]()
