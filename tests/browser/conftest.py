"""A running system and a real Chromium. Where there is none, the tests here are skipped and say so."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from loadtest.doctor import chromium
from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.serve import open_players
from reference_impl.stack.stack import Stack
from reference_impl.streaming.config import VideoConfig

TIMING = Timing(window_ms=4000, closing_soon_ms=1000, dealing_ms=1200, pause_ms=500)
PASSWORD = "open sesame"
DEPOSIT_MINOR = 100_000


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    config = StackConfig(
        tables=1,
        gateways=2,
        shards=2,
        edges=2,
        video=VideoConfig(sound=True),
        timing=TIMING,
        password_cost=PasswordCost(memory_kib=64, iterations=1),
    )
    async with Stack(config) as running:
        players = [
            {"id": n, "name": f"player-{n}", "password": PASSWORD, "deposit_minor": DEPOSIT_MINOR} for n in range(1, 30)
        ]
        await asyncio.to_thread(open_players, running, players)
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on the PATH and none in LIVETABLE_CHROMIUM")
    flags = ["--autoplay-policy=no-user-gesture-required", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        await started.close()


class Screens:
    """Opens pages of players, each a new one, and collects what went wrong on them."""

    players = 0

    def __init__(self, browser: Browser, stack: Stack) -> None:
        self._browser = browser
        self._stack = stack
        self.problems: list[str] = []
        self._contexts: list[BrowserContext] = []

    async def page(self, **context: Any) -> Page:
        self._contexts.append(await self._browser.new_context(**context))
        page = await self._contexts[-1].new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    async def seat(self, **context: Any) -> Page:
        """Log a new player in and sit down at table 1."""
        page = await self.page(**context)
        await self.sit_down(page)
        return page

    async def sit_down(self, page: Page) -> None:
        """Do so on a page that is there."""
        await self.log_in(page)
        await page.get_by_role("link", name="Roulette 1").click()
        await page.locator("#clock[data-phase]").wait_for()

    async def log_in(self, page: Page) -> None:
        """Log a new player in."""
        Screens.players += 1
        await page.goto(f"{self._stack.api_url}/")
        await page.get_by_label("Name").fill(f"player-{Screens.players}")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()

    async def close(self) -> None:
        """Close the pages: each decodes video, and the next test needs the processor."""
        for context in self._contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def screens(browser: Browser, stack: Stack) -> AsyncIterator[Screens]:
    screens = Screens(browser, stack)
    yield screens
    await screens.close()
    assert screens.problems == [], "a script failed"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what shows a measured figure, whatever pytest captures."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    return lambda line: reporter.write_line(f"  {line}")
