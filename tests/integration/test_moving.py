"""Players move between gateways while they play: nothing is lost, nothing doubled, and nobody notices a gap."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from itertools import count

import msgspec
import pytest
import pytest_asyncio
from nats.aio.client import Client
from table_client import HttpError, Player, Socket, call, connect, open_players

from reference_impl import bus
from reference_impl.accounts.passwords import PasswordCost
from reference_impl.balancer.decisions import Placed, agrees, parse
from reference_impl.domain.balance_messages import Drain, GatewayReport, MoveAway, SteerVideo, Taken
from reference_impl.domain.bets import Status
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import CloseCode
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1200, closing_soon_ms=400, dealing_ms=300, pause_ms=200, flush_ms_max=1500)
NUMBERS = count(1)
DEPOSIT_MINOR = 100_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=1, gateways=2, edges=0, timing=TIMING, password_cost=cost)) as running:
        await open_players(running, *range(1, 60), deposit_minor=DEPOSIT_MINOR)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats(stack: Stack) -> AsyncIterator[Client]:
    client = await bus.connect(stack.nats_url, "test")
    yield client
    await client.close()


async def seated(stack: Stack, gateway: str) -> Player:
    player = Player(stack, next(NUMBERS))
    await player.join(avoid="gateway-1" if gateway == "gateway-0" else "gateway-0")
    assert player.gateway == gateway
    return player


async def order(nats: Client, gateway: str, what: MoveAway | Drain | SteerVideo) -> Taken:
    answer = await nats.request(f"balance.order.{gateway}", msgspec.msgpack.encode(what), timeout=2)
    return msgspec.msgpack.decode(answer.data, type=Taken)


async def reports(nats: Client, gateway: str) -> AsyncIterator[GatewayReport]:
    heard = await nats.subscribe("report.gateway")
    async for msg in heard.messages:
        report = msgspec.msgpack.decode(msg.data, type=GatewayReport)
        if report.gateway == gateway:
            yield report


async def door_of(nats: Client, gateway: str) -> tuple[str, int, str, int]:
    report = await anext(aiter(reports(nats, gateway)))
    return report.gateway, report.number, report.url, 1


async def follow(player: Player) -> Socket:
    """Do what a client does when it is told to go: the new socket first. Return the old one."""
    told = await player.socket.until(lambda m: m["t"] == "go_away")
    await asyncio.sleep(told["after_ms"] / 1000)
    seq = max(m["state"]["seq"] for m in player.socket.messages if m["t"] == "table")
    old, fresh = player.socket, await connect(told["url"])
    fresh.send({"t": "hello", "ticket": told["ticket"], "seq": seq})
    await fresh.until(lambda m: m["t"] == "welcome")
    player.socket, player.gateway = fresh, told["gateway"]
    return old


async def test_who_is_moved_is_told_between_rounds_and_both_sockets_live_until_the_old_one_owes_nothing(
    stack: Stack, nats: Client
) -> None:
    player = await seated(stack, "gateway-0")
    event = await player.next_open()
    assert await order(nats, "gateway-0", MoveAway(1, 1, 1, [await door_of(nats, "gateway-1")], "test")) == Taken(1)
    told = await player.socket.until(lambda m: m["t"] == "go_away")
    phases = [m["state"]["event"]["phase"] for m in player.socket.messages if m["t"] == "table"]
    assert phases[-1] not in {Phase.BETS_OPEN, Phase.CLOSING_SOON}
    assert told["gateway"] == "gateway-1"
    fresh = await connect(told["url"])
    opened = await player.phase(Phase.BETS_OPEN, event["round"])
    crossing = player.bet(opened)  # on its way while the other gateway says welcome
    fresh.send({"t": "hello", "ticket": told["ticket"], "seq": 1})
    await fresh.until(lambda m: m["t"] == "welcome")
    late = player.bet(opened, selection=1)
    assert (await player.answer(crossing))["status"] == Status.ACCEPTED
    assert (await player.answer(late))["status"] == Status.ACCEPTED
    await asyncio.wait_for(player.socket.closed.wait(), 3)
    assert player.socket.close_code == CloseCode.MOVED
    player.socket = fresh
    assert (await player.answer(player.bet(opened, selection=2)))["balance_minor"] == DEPOSIT_MINOR - 300
    paid = await fresh.until(lambda m: m["t"] == "paid" and m["round"] == opened["round"])
    assert len(paid["ids"]) == 3


async def test_another_terminal_still_closes_the_socket_of_who_was_told_to_go(stack: Stack, nats: Client) -> None:
    player = await seated(stack, "gateway-0")
    await order(nats, "gateway-0", MoveAway(1, 1, 1, [await door_of(nats, "gateway-1")], "test"))
    await player.socket.until(lambda m: m["t"] == "go_away")
    first = player.socket
    await player.join(avoid="gateway-0")
    await asyncio.wait_for(first.closed.wait(), 3)
    assert first.close_code == CloseCode.REPLACED


async def test_an_order_of_an_earlier_balancer_is_refused(stack: Stack, nats: Client) -> None:
    here = await door_of(nats, "gateway-1")
    assert not (await order(nats, "gateway-0", MoveAway(9, 1, 0, [here], "of the leader"))).refused
    assert "epoch 8 is over" in (await order(nats, "gateway-0", MoveAway(8, 1, 1, [here], "of a former one"))).refused
    assert not (await order(nats, "gateway-0", SteerVideo(0, 1, "edge-0", 0.5, []))).refused, "people are not fenced"


async def test_a_steering_message_reaches_everybody_at_the_table(stack: Stack, nats: Client) -> None:
    player = await seated(stack, "gateway-0")
    steer = SteerVideo(10, 1, "edge-0", 0.25, [("edge-1", 1, "http://127.0.0.1:1")])
    assert (await order(nats, "gateway-0", steer)).players >= 1
    told = await player.socket.until(lambda m: m["t"] == "steer")
    assert (told["leave"], told["share"], told["edges"][0]["name"]) == ("edge-0", 0.25, "edge-1")


async def play_on(player: Player, until: asyncio.Event) -> dict[str, int]:
    """Bet several times a second wherever the player is; return how often each id was answered `accepted`."""
    answered: dict[str, int] = {}
    while not until.is_set():
        states = [m["state"] for m in player.socket.messages if m["t"] in ("table", "welcome") and m["state"]]
        event = max(states, key=lambda state: state["seq"])["event"]
        if event["phase"] in {Phase.BETS_OPEN, Phase.CLOSING_SOON}:
            sent = player.bet(event, amount_minor=10, op=secrets.token_hex(16))
            answer = await player.answer(sent)
            if answer["status"] == Status.ACCEPTED:
                answered[sent["id"]] = answered.get(sent["id"], 0) + 1
        await asyncio.sleep(0.05)
    return answered


async def test_a_gateway_drains_in_mid_window_and_every_bet_counts_once(stack: Stack, nats: Client) -> None:
    players = [await seated(stack, "gateway-0") for _ in range(6)]
    over = asyncio.Event()
    playing = [asyncio.create_task(play_on(player, over)) for player in players]
    await players[0].next_open()
    pid = stack.pid("gateway-0")
    assert (await order(nats, "gateway-0", Drain(0, 3.0, "a deploy"))).players >= len(players)
    olds = await asyncio.gather(*(follow(player) for player in players))
    assert {player.gateway for player in players} == {"gateway-1"}
    opened = await players[0].next_open()
    await players[0].phase(Phase.SETTLED, opened["round"] - 1)
    over.set()
    bets = await asyncio.gather(*playing)
    assert all(len(of) > 3 for of in bets)
    assert {code for of in bets for code in of.values()} == {1}
    for old in olds:
        await asyncio.wait_for(old.closed.wait(), 5)
        assert old.close_code == CloseCode.MOVED
    for player, of in zip(players, bets, strict=True):
        paid = {
            ident: payout
            for old in (*olds, player.socket)
            for m in old.messages
            if m["t"] == "paid"
            for ident, payout in zip(m["ids"], m["payouts_minor"], strict=True)
            if ident in of
        }
        assert set(paid) <= set(of)
        back = await player.socket.until(lambda m: m["t"] == "paid" and m["round"] == opened["round"])
        assert back["balance_minor"] == DEPOSIT_MINOR - 10 * len(of) + sum(paid.values())
    for _ in range(600):
        if stack.runs("gateway-0") and stack.pid("gateway-0") != pid:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("gateway-0 did not come back")
    assert [event.what for event in stack.events if event.node == "gateway-0"].count("died") == 0


async def test_every_placement_was_recorded_with_its_inputs_and_the_rules_decide_alike_once_more(stack: Stack) -> None:
    lines = [parse(line) for line in (stack.record_dir / "decisions-services.jsonl").read_bytes().splitlines()]
    placed = [line for line in lines if isinstance(line, Placed)]
    assert len(placed) >= 10
    assert {len(line.decision.numbers) for line in placed} >= {1}, "somebody avoided a gateway"
    assert all(map(agrees, lines))


async def test_the_control_room_shows_who_is_where_and_an_operator_drains_there(stack: Stack) -> None:
    for _ in range(300):
        room = await call(stack, "/v1/admin/control", token=stack.admin_token)
        if [one["stand"] for one in room["gateways"] if one["silent_s"] < 2] == ["serving"] * 2:
            break
        await asyncio.sleep(0.1)
    player = Player(stack, next(NUMBERS))
    await player.join()
    await player.next_open()
    await asyncio.sleep(1.2)
    room = await call(stack, "/v1/admin/control", token=stack.admin_token)
    here = next(one for one in room["gateways"] if one["name"] == player.gateway)
    assert here["stand"] == "serving"
    assert here["silent_s"] < 2
    assert room["tables"][0]["at"][player.gateway] >= 1
    assert room["leader"] == "services"
    assert 0 <= room["map_age_ms"] < 3000
    with pytest.raises(HttpError, match="there is no gateway-9"):
        await call(stack, "/v1/admin/gateways/gateway-9/drain", {"reason": "x"}, stack.admin_token)
    order = {"reason": "a new release", "drain_s_max": 1}
    await call(stack, f"/v1/admin/gateways/{player.gateway}/drain", order, stack.admin_token)
    old = await follow(player)
    await asyncio.wait_for(old.closed.wait(), 5)
    (newest, *_) = await call(stack, "/v1/admin/orders", token=stack.admin_token)
    assert (newest["what"], newest["target"], newest["reason"]) == ("drain", here["name"], "a new release")
