"""The page in a real browser, against the whole system."""

import asyncio
import re
import time

import pytest
from playwright.async_api import Page, expect
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

from reference_impl.stack.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

FROZEN_MS = 1_500


async def test_wrong_password_is_refused_in_plain_words(screens, stack: Stack) -> None:
    page = await screens.page()
    await page.goto(stack.api_url)
    await page.get_by_label("Name").fill("player-1")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_have_text("wrong name or password")


async def assert_staked(page: Page, stakes: dict[str, str], total: str, balance_minor: int) -> None:
    """All bets of the round have their answer, and places, sum and balance say the same."""
    await expect(page.locator("#staked")).to_have_text(total)
    chips = page.locator("#layout .chip[data-state=accepted]")
    await expect(chips).to_have_count(len(stakes))
    for spot, text in stakes.items():
        await expect(page.locator(f"[data-spot='{spot}'] .chip")).to_have_attribute("data-text", text)
    await expect(page.locator("#balance")).to_have_text(f"€{balance_minor / 100:,.2f}")


async def test_bets_by_mouse_are_accepted_doubled_taken_back_settled_and_repeated(screens, stack: Stack) -> None:
    page = await screens.seat()
    player = screens.players
    await until_open(page)
    for spot in ("red", "black", "split:14-17"):
        await bet(page, spot)
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(3)
    await assert_staked(page, {"red": "1", "black": "1", "split:14-17": "1"}, "€3.00", BALANCE_MINOR - 300)
    await page.get_by_role("button", name="Double").click()
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(6)
    await assert_staked(page, {"red": "2", "black": "2", "split:14-17": "2"}, "€6.00", BALANCE_MINOR - 600)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#bets li[data-state=returned]")).to_have_text(re.compile("^Split 14–17.*taken back"))
    stakes = {"red": "2", "black": "2", "split:14-17": "1"}
    await assert_staked(page, stakes, "€5.00", BALANCE_MINOR - 500)
    assert await ledger_of(stack, player) == (BALANCE_MINOR - 500, 500)
    await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(0, timeout=SETTLE_MS)
    outcome = int(await page.locator("#result b").inner_text())
    paid = 36 // 2 * 100 * (outcome in {14, 17}) + 400 * (outcome != 0)
    await expect(page.locator("#bets li[data-state=won]")).to_have_count(2 * (outcome != 0) + (outcome in {14, 17}))
    settled_minor = BALANCE_MINOR - 500 + paid
    assert minor(await page.locator("#balance").inner_text()) == settled_minor
    await page.locator("#clock[data-phase=bets_open]").wait_for(timeout=SETTLE_MS)
    await page.get_by_role("button", name="Repeat last round").click()
    await assert_staked(page, stakes, "€5.00", settled_minor - 500)
    assert await ledger_of(stack, player) == (settled_minor - 500, 1000)


async def test_bet_is_placed_with_the_keyboard_alone(screens) -> None:
    page = await screens.seat()
    await until_open(page)
    await page.locator("[data-spot='straight:0']").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#bets li")).to_have_text(re.compile(r"^5.*accepted"))


@pytest.mark.parametrize("tier", ["hls", "live"])
async def test_result_is_shown_when_the_picture_reaches_it_and_not_before(screens, tier: str) -> None:
    page = await screens.seat()
    if tier == "live":
        await page.get_by_text("Interactive").click()
    await until_open(page)
    await latency_ms(page)
    await expect(page.locator("#latency")).to_have_attribute("data-kind", tier)
    await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    table = page.locator(".table")
    assert 0 <= int(await table.get_attribute("data-picture-lead-ms") or "-1") < 300
    assert int(await table.get_attribute("data-shown-after-ms") or "-1") > 40


async def test_killed_edge_is_survived_without_a_reload(screens, stack: Stack, tell) -> None:
    page = await screens.seat()
    await latency_ms(page)
    await mark(page)
    edge = await page.locator("#fact-edge").inner_text()
    stack.kill(edge)
    struck_s = time.monotonic()
    await expect(page.locator("#fact-edge")).not_to_have_text(edge, timeout=10_000)
    await expect(page.locator("#fact-edge")).to_have_text(re.compile(r"edge-\d"), timeout=10_000)
    await latency_ms(page)
    tell(f"picture back {time.monotonic() - struck_s:.2f} s after {edge} was killed")
    await assert_not_reloaded(page)


async def test_killed_gateway_is_survived_and_every_bet_counts_once(screens, stack: Stack) -> None:
    page = await screens.seat()
    await until_open(page)
    await mark(page)
    await expect(page.locator("#fact-gateway")).to_contain_text("gateway-")
    gateway = await page.locator("#fact-gateway").inner_text()
    await bet(page, "straight:1")
    await bet(page, "straight:2")
    stack.kill(gateway)
    await bet(page, "straight:3")
    await bet(page, "straight:4")
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(4, timeout=5000)
    await expect(page.locator("#fact-gateway")).not_to_have_text(gateway)
    await expect(page.locator("#balance")).to_have_text("€996.00")
    await assert_not_reloaded(page)


@pytest.mark.soak
async def test_the_lobby_follows_its_tables_over_the_socket_alone_and_survives_its_gateway(
    screens, stack: Stack
) -> None:
    page = await screens.page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    async with page.expect_response(re.compile("/v1/placement$")) as placed:
        await screens.log_in(page)
    gateway = (await (await placed.value).json())["gateway"]
    card = page.locator(".card")
    await expect(card.locator(".card-name")).to_have_text("Roulette 1")
    stack.kill(gateway)
    for words in ("No more bets", "Place your bets"):
        await expect(card.locator(".card-phase")).to_have_text(words, timeout=SETTLE_MS)
    assert len([url for url in asked if url.endswith("/v1/placement")]) >= 2
    assert not [url for url in asked if url.endswith("/v1/lobby")]


@pytest.mark.soak
@pytest.mark.timeout(180)
@pytest.mark.parametrize("tier", ["hls", "live"])
async def test_picture_is_back_within_three_seconds_after_its_studio_or_its_origin_is(
    screens, stack: Stack, tell, tier: str
) -> None:
    page = await screens.seat()
    if tier == "live":
        await page.get_by_text("Interactive").click()
    await latency_ms(page)
    await mark(page)
    for node in ("studio-1", "origin", "studio-1", "origin"):
        await asyncio.sleep(4)
        stack.kill(node)
        async with asyncio.timeout(20):
            await until_frozen(page, True)
            await until_frozen(page, False)
        ready_ns = max(event.t_ns for event in stack.events if (event.node, event.what) == (node, "ready"))
        back_s = (time.monotonic_ns() - ready_ns) / 1e9
        tell(f"{tier}: picture back {back_s:.1f} s after {node} was")
        assert back_s < 3.0
    await assert_not_reloaded(page)


async def until_frozen(page: Page, frozen: bool) -> None:
    """Wait until the picture stands still, or is not there at all; or until it is there and moves."""
    while frozen == (float(await page.locator("#latency").get_attribute("data-ms") or "inf") < FROZEN_MS):  # noqa: ASYNC110 - a page has no event for us
        await asyncio.sleep(0.05)


async def test_late_bet_is_not_offered_and_too_large_a_bet_is_refused_with_its_reason(screens) -> None:
    page = await screens.seat()
    await until_open(page)
    await page.locator("[data-minor='10000']").click()
    for _ in range(11):
        await bet(page, "red")
    await expect(page.locator("#bets li[data-state=rejected]")).to_have_text(re.compile("not enough money"))
    await page.locator("#clock[data-phase=dealing]").wait_for(timeout=SETTLE_MS)
    await expect(page.locator("[data-spot='red']")).to_have_attribute("aria-disabled", "true")


async def test_everything_fits_a_phone(screens) -> None:
    page = await screens.seat(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    await latency_ms(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for spot in ("straight:0", "straight:34", "column:3", "low"):
        box = await page.locator(f"[data-spot='{spot}']").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40


async def test_without_hls_js_the_interactive_picture_plays(screens) -> None:
    page = await screens.page()
    await page.route("**/vendor/**", lambda route: route.abort())
    await screens.sit_down(page)
    await latency_ms(page)
    await expect(page.locator("#latency")).to_have_attribute("data-kind", "live")
    await expect(page.locator("input[value=hls]")).to_be_disabled()
