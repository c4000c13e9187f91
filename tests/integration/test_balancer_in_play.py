"""People play while balancers, gateways and edges break: everybody plays on, and is elsewhere in time."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from table_client import Player, call, connect, open_players

from reference_impl import bus
from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.balance_messages import BalanceMap, EdgeReport, GatewayOrder, SteerVideo
from reference_impl.domain.balancing.signals import REPORT_S_MAX
from reference_impl.domain.bets import Status
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack
from reference_impl.streaming.config import Rung, VideoConfig

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.soak, pytest.mark.timeout(120)]

TIMING = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=300, pause_ms=300)
VIDEO = VideoConfig(
    ladder=(Rung("hi", 320, 180, 300),),
    timing=MediaTiming(fps=25, part_frames=4, parts_per_segment=3, gop_frames=12),
)
GATEWAYS = ("gateway-0", "gateway-1", "gateway-2")
BALANCERS = ("balancer-0", "balancer-1")
ELSEWHERE_S_MAX = 3.0
TURN_S = 1.0
SLACK_S = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    config = StackConfig(tables=1, gateways=3, edges=2, balancers=2, timing=TIMING, video=VIDEO, password_cost=cost)
    async with Stack(config) as running:
        await open_players(running, *range(1, 200))
        yield running


class Guest(Player):
    """Bets all the time, goes where it is told, and comes back elsewhere when its gateway is gone."""

    numbers = iter(range(1, 200))

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, next(Guest.numbers))
        self.accepted: list[float] = []
        self.told_s: list[float] = []
        self.back_s: list[float] = []
        self.unanswered = 0
        self._read = 0

    async def play(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await asyncio.sleep(0.1)
            if self.socket.closed.is_set():
                await self._come_back()
            await self._go_where_told()
            states = [m["state"] for m in self.socket.messages if m["t"] in ("table", "welcome") and m["state"]]
            event = max(states, key=lambda state: state["seq"])["event"] if states else None
            if event and event["phase"] in {Phase.BETS_OPEN, Phase.CLOSING_SOON}:
                await self._bet(event)

    async def _bet(self, event: dict) -> None:
        sent, socket = self.bet(event, amount_minor=10), self.socket
        try:
            answer = await socket.until(lambda m: m["t"] == "answer" and m["id"] == sent["id"], 2.0)
        except TimeoutError:
            self.unanswered += 1
            return
        if answer["status"] == Status.ACCEPTED:
            self.accepted.append(time.monotonic())

    async def _go_where_told(self) -> None:
        told = [m for m in self.socket.messages[self._read :] if m["t"] == "go_away"]
        self._read = len(self.socket.messages)
        for way in told:
            self.told_s.append(time.monotonic())
            await asyncio.sleep(way["after_ms"] / 1000)
            await self._enter(way)

    async def _come_back(self) -> None:
        welcome = next(m for m in self.socket.messages if m["t"] == "welcome")
        await asyncio.sleep(welcome.get("back_ms", 0) / 1000)
        await self.join(self.gateway)
        self._read = 0
        self.back_s.append(time.monotonic())

    async def _enter(self, place: dict) -> None:
        fresh = await connect(place["url"])
        fresh.send({"t": "hello", "ticket": place["ticket"]})
        await fresh.until(lambda m: m["t"] == "welcome")
        self.socket, self.gateway, self._read = fresh, place["gateway"], 0


class Evening:
    """Guests who play, and what balancers say meanwhile."""

    def __init__(self, stack: Stack, guests: list[Guest]) -> None:
        self.stack = stack
        self.guests = guests
        self.maps: list[BalanceMap] = []
        self.orders: list[tuple[float, GatewayOrder]] = []
        self.reports_s: dict[str, float] = {}

    def accepted_since(self, since_s: float) -> int:
        """How many guests had a bet accepted since then."""
        return sum(any(at_s >= since_s for at_s in guest.accepted) for guest in self.guests)

    async def until(self, said, within_s: float) -> float:
        """Wait until something is so; return how long that took."""
        began_s = time.monotonic()
        async with asyncio.timeout(within_s):
            while not said():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return time.monotonic() - began_s


@pytest_asyncio.fixture(loop_scope="module")
async def evening(stack: Stack) -> AsyncIterator[Evening]:
    guests = [Guest(stack) for _ in range(18)]
    tonight, over = Evening(stack, guests), asyncio.Event()
    client = await bus.connect(stack.nats_url, "test")

    async def hear(msg) -> None:
        if msg.subject == "balance.map":
            tonight.maps.append(msgspec.msgpack.decode(msg.data, type=BalanceMap))
        elif msg.subject.startswith("balance.order."):
            tonight.orders.append((time.monotonic(), msgspec.msgpack.decode(msg.data, type=GatewayOrder)))
        elif msg.subject == "report.edge":
            tonight.reports_s[msgspec.msgpack.decode(msg.data, type=EdgeReport).edge] = time.monotonic()

    for subject in ("balance.map", "balance.order.*", "report.edge"):
        await client.subscribe(subject, cb=hear)
    for guest in guests:
        await guest.join()
    playing = [asyncio.create_task(guest.play(over)) for guest in guests]
    await tonight.until(lambda: tonight.maps and tonight.accepted_since(0.0) == len(guests), 20)
    yield tonight
    over.set()
    await asyncio.gather(*playing)
    for guest in guests:
        guest.socket.disconnect()
    await client.close()
    await tonight.until(lambda: all(is_ready(stack, name) for name in (*BALANCERS, *GATEWAYS)), 20)


def is_ready(stack: Stack, name: str) -> bool:
    """Tell whether a process serves, and does not only run."""
    return stack.runs(name) and [event.what for event in stack.events if event.node == name][-1:] == ["ready"]


async def test_while_no_balancer_lives_everybody_plays_on_and_newcomers_are_placed_by_the_last_map(
    stack: Stack, evening: Evening
) -> None:
    pids = [stack.pid(name) for name in BALANCERS]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(0.2)
        spoken, struck_s = len(evening.maps), time.monotonic()
        await asyncio.sleep(5.0)
        assert len(evening.maps) == spoken, "nobody balances"
        assert evening.accepted_since(struck_s + 2.0) == len(evening.guests)
        newcomer = Guest(stack)
        await newcomer.join()
        place = await newcomer.placement()
        assert len(place["video"]["edges"]) == 2
        room = await call(stack, "/v1/admin/control", token=stack.admin_token)
        assert room["leader"] == evening.maps[-1].leader
        assert room["map_age_ms"] >= 5_000
        newcomer.socket.disconnect()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    stack.kill(BALANCERS[0])
    stack.kill(BALANCERS[1])
    await evening.until(lambda: len(evening.maps) > spoken, 15)
    assert sum(guest.unanswered for guest in evening.guests) == 0


async def test_who_balances_changes_in_mid_play_and_nobody_is_told_twice(stack: Stack, evening: Evening) -> None:
    leader = evening.maps[-1].leader
    pid = stack.pid(leader)
    os.kill(pid, signal.SIGSTOP)
    try:
        await evening.until(lambda: evening.maps[-1].leader != leader, 10)
        await asyncio.sleep(1.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    woke_s, first = time.monotonic(), evening.maps[-1].epoch
    await asyncio.sleep(4.0)
    epochs = [known.epoch for known in evening.maps]
    assert epochs == sorted(epochs), "who slept says nothing once another has spoken"
    assert all(order.epoch >= first for at_s, order in evening.orders if at_s > woke_s)
    assert evening.accepted_since(woke_s) == len(evening.guests)
    assert max(len(guest.told_s) for guest in evening.guests) <= 1
    assert sum(guest.unanswered for guest in evening.guests) == 0


async def test_players_of_a_dead_gateway_are_elsewhere_within_three_seconds(stack: Stack, evening: Evening) -> None:
    name = max(
        {guest.gateway for guest in evening.guests}, key=lambda one: sum(g.gateway == one for g in evening.guests)
    )
    struck = [guest for guest in evening.guests if guest.gateway == name]
    others = [guest for guest in evening.guests if guest.gateway != name]
    began_s = time.monotonic()
    stack.kill(name)
    await evening.until(lambda: all(guest.back_s for guest in struck), 10)
    took_s = max(guest.back_s[0] for guest in struck) - began_s
    assert len(struck) >= 3
    assert took_s <= ELSEWHERE_S_MAX
    assert name not in {guest.gateway for guest in struck}
    assert not any(guest.back_s for guest in others)
    await evening.until(lambda: evening.accepted_since(began_s + took_s) == len(evening.guests), 10)


async def test_an_edge_that_is_cut_off_is_left_within_a_report_timeout(stack: Stack, evening: Evening) -> None:
    await evening.until(lambda: len(evening.reports_s) == 2, 10)
    pid = stack.pid("edge-0")
    os.kill(pid, signal.SIGSTOP)
    try:
        silent_s = evening.reports_s["edge-0"]

        def left() -> bool:
            return any(
                isinstance(order, SteerVideo) and order.leave == "edge-0" and order.share == 1.0
                for at_s, order in evening.orders
                if at_s > silent_s
            )

        await evening.until(left, 10)
        assert time.monotonic() - silent_s <= REPORT_S_MAX + TURN_S + SLACK_S
        await evening.until(lambda: all(any(m["t"] == "steer" for m in g.socket.messages) for g in evening.guests), 3)
        place = await evening.guests[0].placement()
        assert [edge["name"] for edge in place["video"]["edges"]] == ["edge-1"]
    finally:
        os.kill(pid, signal.SIGCONT)
