"""The control room's part for campaigns and faults, with the keyboard, on a narrow screen, against the whole system."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from axe import violations
from playwright.async_api import Page, expect

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import LabConfig, StackConfig
from reference_impl.stack.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.soak, pytest.mark.timeout(180)]

NARROW = {"width": 360, "height": 740}
END_MS = 60_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Yield a system of its own with a lab, in place of the one that the other pages share."""
    lab = LabConfig(module="loadtest.lab.role", runs_dir=str(tmp_path_factory.mktemp("runs")))
    cost = PasswordCost(memory_kib=64, iterations=1)
    config = StackConfig(tables=1, shards=1, edges=0, timing=Timing(window_ms=2000), password_cost=cost, lab=lab)
    async with Stack(config) as running:
        yield running


async def order(page: Page, button: str) -> None:
    """Press a button and give the order that it asks about, with the keyboard alone."""
    await page.get_by_role("button", name=button, exact=True).press("Enter")
    await expect(page.get_by_label("Reason")).to_be_focused()
    await page.keyboard.type("to see it")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_a_campaign_is_started_and_stopped_and_a_gateway_broken_with_the_keyboard(screens, stack: Stack) -> None:
    page = await screens.page(viewport=NARROW)
    await page.goto(f"{stack.api_url}/control")
    await page.evaluate(f"sessionStorage.setItem('operator', {json.dumps(stack.admin_token)})")
    await page.reload()
    region = page.get_by_role("region", name="Campaigns and faults")
    campaign = region.get_by_role("combobox", name="Campaign")
    await campaign.select_option("smoke")
    await expect(region.get_by_text("Takes about 37 s, on a system of its own")).to_be_visible()
    wrong = {"idle": await violations(page)}

    await order(page, "Start")
    stop = region.get_by_role("button", name="Stop the campaign")
    await expect(stop).to_be_focused()
    await expect(campaign).to_be_hidden()
    await expect(region.get_by_role("progressbar", name="smoke")).to_be_visible()
    await region.get_by_role("combobox", name="Process").select_option("gateway-0")
    await order(page, "Break it")
    await expect(page.locator("#faults-past")).to_contain_text(re.compile(r"gateway-0 killedafter \d"), timeout=END_MS)
    await expect(region.get_by_role("list", name="What the campaign says")).to_contain_text("starting", timeout=END_MS)
    await expect(page.locator("#campaign-left")).to_have_text(re.compile(r"about \d+ s left|takes longer"))
    wrong["running"] = await violations(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]

    await order(page, "Stop the campaign")
    await expect(page.locator("#campaigns-past")).to_contain_text("was stopped", timeout=END_MS)
    news = re.compile("gateway-0 was killed and is ready again.*smoke was stopped")
    await expect(page.locator("#lab-said")).to_have_text(news)
    await expect(campaign).to_be_focused()
    await region.get_by_text("What cannot be broken from here").press("Enter")
    await expect(region.get_by_text("partition: the cable")).to_be_visible()
    wrong["stopped"] = await violations(page)
    assert {name: found for name, found in wrong.items() if found} == {}
