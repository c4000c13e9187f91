"""Two players at one table, and what each of them sees when the network is slow, or gone for a while."""

import asyncio

import pytest
from playwright.async_api import CDPSession, Page, expect
from table_page import SETTLE_MS, until_open

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180), pytest.mark.soak]

CUT_S = 6.0


class Network:
    """What lies between a page and everybody else."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session: CDPSession | None = None

    async def is_now(self, *, offline: bool = False, latency_ms: float = 0, bps: float = -8) -> None:
        """Change it; as it is without arguments, it is as if there were nothing between."""
        if self._session is None:
            self._session = await self._page.context.new_cdp_session(self._page)
            await self._session.send("Network.enable")
        rate = {"downloadThroughput": bps / 8, "uploadThroughput": bps / 8}
        await self._session.send(
            "Network.emulateNetworkConditions", {"offline": offline, "latency": latency_ms, **rate}
        )


async def test_two_players_see_one_round_and_each_their_own_money(screens) -> None:
    ann, bob = await screens.seat(), await screens.seat()
    await until_open(ann)
    await ann.locator("[data-spot='red']").click()
    await bob.locator("[data-spot='black']").click()
    for page in (ann, bob):
        await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(1)
        await expect(page.locator("#balance")).to_have_text("€999.00")
    for page in (ann, bob):
        await expect(page.locator("#result")).to_be_visible(timeout=SETTLE_MS)
    outcomes = {await page.locator("#result b").inner_text() for page in (ann, bob)}
    assert len(outcomes) == 1
    for page in (ann, bob):
        await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(0, timeout=SETTLE_MS)
    balances = sorted([await page.locator("#balance").inner_text() for page in (ann, bob)])
    assert balances == (["€999.00", "€999.00"] if outcomes == {"0"} else ["€1,001.00", "€999.00"])


async def test_a_player_whose_network_is_gone_is_told_so_and_comes_back_without_a_reload(screens) -> None:
    page, beside = await screens.seat(), await screens.seat()
    await until_open(page)
    await page.locator("[data-spot='red']").click()
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(1)
    await page.evaluate("globalThis.sameDocument = true")
    network = Network(page)
    await network.is_now(offline=True)
    await expect(page.locator("#link")).not_to_be_empty(timeout=10_000)
    await asyncio.sleep(CUT_S)
    await network.is_now()
    await expect(page.locator("#link")).to_be_empty(timeout=15_000)
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(0, timeout=2 * SETTLE_MS)
    assert await page.locator("#balance").inner_text() in {"€999.00", "€1,001.00"}
    await until_open(page)
    await page.locator("[data-spot='black']").click()
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(1, timeout=5000)
    assert await page.evaluate("globalThis.sameDocument")
    await expect(beside.locator("#link")).to_be_empty()


async def test_on_a_slow_connection_bets_are_taken_and_the_picture_goes_on(screens) -> None:
    page = await screens.seat()
    await page.locator("#latency[data-ms]:not([data-ms=''])").wait_for(timeout=10_000)
    await Network(page).is_now(latency_ms=300, bps=1_200_000)
    await until_open(page)
    await page.locator("[data-spot='red']").click()
    await expect(page.locator("#bets li[data-state=accepted]")).to_have_count(1, timeout=5000)
    frames = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
    await asyncio.sleep(3.0)
    before = await page.evaluate(frames)
    await asyncio.sleep(5.0)
    assert await page.evaluate(frames) - before > 25
    await expect(page.locator("#latency")).to_have_attribute("data-kind", "hls")
