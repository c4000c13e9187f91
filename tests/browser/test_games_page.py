"""Every game's board in a real browser: what is bet by mouse is accepted and settles, and cards are decided on."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.serve import open_players
from reference_impl.stack.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180), pytest.mark.soak]

TIMING = Timing(window_ms=4000, decision_ms=4000, closing_soon_ms=1000, dealing_ms=600, pause_ms=500)
SETTLE_MS = 40_000
PASSWORD = "open sesame"
DEPOSIT_MINOR = 100_000
SPOTS = {"roulette": "red", "baccarat": "player", "money_wheel": "", "blackjack": "seat"}
"""What is bet on; the first place, where nothing is said."""
COLLECTING = len(GAMES) + 1
"""A table of the first game that debits once."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tables() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    config = StackConfig(
        tables=COLLECTING, gateways=1, edges=0, games=tuple(GAMES), collecting=(COLLECTING,), timing=TIMING,
        password_cost=cost,
    )  # fmt: skip
    async with Stack(config) as running:
        players = [
            {"id": n, "name": f"player-{n}", "password": PASSWORD, "deposit_minor": DEPOSIT_MINOR} for n in range(1, 6)
        ]
        await asyncio.to_thread(open_players, running, players)
        yield running


async def sit_down(browser: Browser, tables: Stack, table: int) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{tables.api_url}/")
    await page.get_by_label("Name").fill(f"player-{table}")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.locator(f"a[href='#table-{table}']").click()
    return page


async def bet(page: Page, spot: str) -> None:
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[34]$"), timeout=SETTLE_MS)
    place = page.locator(f"#layout [data-spot='{spot}']" if spot else "#layout button").first
    await place.click()
    await expect(page.locator("#bets li[data-state=accepted]").first).to_be_visible()


@pytest.mark.parametrize(("table", "game"), list(enumerate(GAMES, start=1)), ids=list(GAMES))
async def test_a_bet_by_mouse_settles_on_every_games_board(
    browser: Browser, tables: Stack, table: int, game: str
) -> None:
    page = await sit_down(browser, tables, table)
    await bet(page, SPOTS[game])
    await expect(page.locator("#balance")).to_have_text("€999.00")
    await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    end = page.locator("#bets li[data-state=won], #bets li[data-state=lost]")
    await expect(end).to_have_count(1, timeout=SETTLE_MS)
    await page.context.close()


async def test_a_player_decides_on_the_cards_by_mouse(browser: Browser, tables: Stack) -> None:
    page = await sit_down(browser, tables, list(GAMES).index("blackjack") + 1)
    stand = page.get_by_role("button", name="Stand")
    for _ in range(8):  # now and then there is nothing to decide
        await bet(page, "seat")
        await expect(page.locator("#clock")).to_have_attribute(
            "data-phase", re.compile("^(decisions_open|dealing)$"), timeout=SETTLE_MS
        )
        if await page.locator("#clock").get_attribute("data-phase") == "decisions_open":
            break
    await expect(page.locator(".card-row.hand .card-face")).to_have_count(2)
    await expect(page.locator(".card-row.dealer .card-face")).to_have_count(1)
    await stand.click()
    await expect(page.locator(".decision-hint")).to_have_text("You chose: Stand")
    await expect(stand).to_be_disabled()
    await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    await page.context.close()


async def test_bets_at_a_table_that_debits_once_are_shown_as_pending_and_can_be_taken_back(
    browser: Browser, tables: Stack
) -> None:
    page = await sit_down(browser, tables, COLLECTING)
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[34]$"), timeout=SETTLE_MS)
    for spot in ("red", "odd"):
        await page.locator(f"#layout [data-spot='{spot}']").click()
    pending = page.locator("#bets li[data-state=pending]")
    await expect(pending).to_have_count(2)
    await expect(pending.first).to_contain_text("pending until no more bets")
    await expect(page.locator("#balance")).to_have_text("€1,000.00")
    await page.locator("#undo").click()
    await expect(page.locator("#bets li[data-state=returned]")).to_have_count(1)
    await expect(page.locator("#balance")).to_have_text("€999.00")
    await expect(page.locator("#bets li[data-state=won], #bets li[data-state=lost]")).to_have_count(
        1, timeout=SETTLE_MS
    )
    await page.context.close()
