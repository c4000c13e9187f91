"""The picture goes another way in mid-session: it plays on, and bets notice nothing."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from itertools import count
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.async_api import Page, Route, expect
from table_page import (
    BALANCE_MINOR,
    SETTLE_MS,
    assert_not_reloaded,
    bet,
    latency_ms,
    ledger_of,
    mark,
    minor,
    until_open,
)

from reference_impl import bus
from reference_impl.domain.balance_messages import OPERATOR_EPOCH, EdgeReport, SteerVideo
from reference_impl.domain.hls_steering import HOME
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.stack.stack import Stack
from reference_impl.streaming.steering import Pathways

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120), pytest.mark.soak]

Switch = Callable[[Page, Stack], Awaitable[None]]
FOREVER_UNIX_S = 1 << 40
CROWD = 100
"""Connections that make one of two edges crowded: it sends half of its viewers away."""
EDGES = 2


async def edge_of(page: Page) -> str:
    """Return the edge that serves the page."""
    return await page.locator("#fact-edge").inner_text()


def other_than(edge: str) -> str:
    """Return the other one of the two edges."""
    return "edge-1" if edge == "edge-0" else "edge-0"


def port_of(stack: Stack, edge: str) -> int:
    return stack.wiring.edge_ports[int(edge[-1])]


async def steer(stack: Stack, leave: str) -> None:
    """Order everybody away from an edge, as the balancer does."""
    other = other_than(leave)
    to = [(other, int(other[-1]), f"http://127.0.0.1:{port_of(stack, other)}")]
    client = await bus.connect(stack.nats_url, "test")
    for gateway in ("gateway-0", "gateway-1"):
        order = msgspec.msgpack.encode(SteerVideo(OPERATOR_EPOCH, 1, leave, 1.0, to))
        await client.request(f"balance.order.{gateway}", order, timeout=2)
    await client.close()


async def assert_plays_through(page: Page, stack: Stack, edge: str) -> None:
    """Nothing but this edge is asked for video any more, and the picture moves."""
    await expect(page.locator("#fact-edge")).to_have_text(edge, timeout=10_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await latency_ms(page)
    played_s = await page.locator("video").evaluate("video => video.currentTime")
    await asyncio.sleep(3.0)
    assert {urlsplit(url).port for url in asked[-10:] if "/live/1/" in url} == {port_of(stack, edge)}
    assert await page.locator("video").evaluate("video => video.currentTime") - played_s >= 2.0


def ranked(manifest: bytes) -> list[str]:
    return msgspec.json.decode(manifest)["PATHWAY-PRIORITY"]


def token_of_one_who_goes(stack: Stack) -> str:
    """Return a token whose owner is among those whom a crowded edge sends away."""
    edge = Pathways("edge-0")
    edge.hear(EdgeReport("edge-1", 1, "http://127.0.0.1:1", 0, 0, 1.0, 0.0), 0.0)
    tokens = (seal_playback(Playback(1, 1, FOREVER_UNIX_S + n), stack.wiring.playback_secret) for n in count())
    return next(token for token in tokens if ranked(edge.manifest(token, "", CROWD, 0.0))[0] != HOME)


async def to_the_other_tier(page: Page, _stack: Stack) -> None:
    await page.get_by_text("Interactive").click()


async def away_from_a_killed_edge(page: Page, stack: Stack) -> None:
    stack.kill(await edge_of(page))


async def away_from_an_edge_by_order(page: Page, stack: Stack) -> None:
    await steer(stack, await edge_of(page))


@pytest.mark.parametrize("switch", [to_the_other_tier, away_from_a_killed_edge, away_from_an_edge_by_order])
async def test_a_bet_under_way_is_untouched_when_the_picture_goes_another_way(
    screens, stack: Stack, switch: Switch
) -> None:
    page = await screens.seat()
    player = screens.players
    await latency_ms(page)
    await mark(page)
    edge, gateway = await edge_of(page), await page.locator("#fact-gateway").inner_text()
    opened: list[int | None] = []
    page.on("websocket", lambda socket: opened.append(urlsplit(socket.url).port))
    await until_open(page)
    for shard in range(len(stack.dsns)):
        stack.kill(f"wallet-{shard}", signal.SIGSTOP)
    try:
        await bet(page, "red")
        await switch(page, stack)
        await expect(page.locator("#bets li")).to_have_attribute("data-state", "sent")
    finally:
        for shard in range(len(stack.dsns)):
            stack.kill(f"wallet-{shard}", signal.SIGCONT)
    await expect(page.locator("#bets li")).to_have_attribute("data-state", "accepted")
    await expect(page.locator("#balance")).to_have_text("€999.00")
    if switch is to_the_other_tier:
        await expect(page.locator("#latency[data-kind=live]:not([data-ms=''])")).to_be_visible(timeout=10_000)
        assert await edge_of(page) == "origin"
    else:
        await assert_plays_through(page, stack, other_than(edge))
    await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    end = page.locator("#bets li[data-state=won], #bets li[data-state=lost]")
    await expect(end).to_have_count(1, timeout=SETTLE_MS)
    won = await end.get_attribute("data-state") == "won"
    balance_minor = BALANCE_MINOR + (100 if won else -100)
    assert minor(await page.locator("#balance").inner_text()) == balance_minor
    assert await ledger_of(stack, player) == (balance_minor, 100)
    assert not set(opened) & set(stack.wiring.gateway_ports)
    assert await page.locator("#fact-gateway").inner_text() == gateway
    await assert_not_reloaded(page)


async def test_a_steered_page_plays_on_through_the_other_edge(screens, stack: Stack) -> None:
    page = await screens.seat()
    await latency_ms(page)
    await mark(page)
    leave = await edge_of(page)
    await steer(stack, leave)
    await assert_plays_through(page, stack, other_than(leave))
    await assert_not_reloaded(page)


async def test_a_page_that_a_crowded_edge_sends_away_plays_on_through_the_other_one(screens, stack: Stack) -> None:
    page = await screens.page()
    left: list[str] = []

    async def ask_in_a_crowd(route: Route) -> None:
        """Ask the page's edge as one of those viewers whom it sends away while it is crowded."""
        url = urlsplit(route.request.url)
        left.append(f"edge-{stack.wiring.edge_ports.index(url.port)}")
        asked = route.request.url.replace(url.path.split("/")[1], token_of_one_who_goes(stack))
        async with asyncio.timeout(5):
            while len(ranked(await (await route.fetch(url=asked)).body())) < EDGES:  # noqa: ASYNC110 - heard once a second
                await asyncio.sleep(0.05)
        crowd = [await asyncio.open_connection(url.hostname, url.port) for _ in range(CROWD)]
        answer = await route.fetch(url=asked)
        for _, writer in crowd:  # before the balancer hears of it, and does the same
            writer.close()
        await route.fulfill(response=answer)

    await page.route("**/steering.json*", ask_in_a_crowd, times=1)
    await screens.sit_down(page)
    await mark(page)
    async with asyncio.timeout(10):
        while not left:  # noqa: ASYNC110 - a page has no event for us
            await asyncio.sleep(0.05)
    await assert_plays_through(page, stack, other_than(left[0]))
    await assert_not_reloaded(page)
