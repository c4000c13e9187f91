"""Every page as axe-core sees it: nothing that keeps a person with other eyes, hands or devices out."""

import json
from pathlib import Path
from typing import Any

import pytest
from histories import DEMO, write_history
from playwright.async_api import Browser, Page, expect

from reference_impl.stack.stack import Stack
from reports.judgement import judge
from reports.page import render_report

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong on a page as it stands."""
    if not AXE.exists():
        pytest.skip(f"no {AXE.name}: `make setup` installs axe-core")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [f"{wrong['id']} at {node['target']}: {wrong['help']}"
            for wrong in found["violations"] for node in wrong["nodes"]]  # fmt: skip


async def test_a_report_has_nothing_that_axe_finds_wrong(browser: Browser, tmp_path: Path) -> None:
    write_history(tmp_path / "twin", DEMO, "simulated", label="fit")
    run = write_history(tmp_path / "run", DEMO)
    page = await browser.new_page()
    await page.goto(f"file://{render_report(run, judge(run))}")
    assert await violations(page) == []
    await page.close()


@pytest.mark.soak
@pytest.mark.parametrize("device", ["desktop", "phone"])
async def test_players_pages_have_nothing_that_axe_finds_wrong(screens, stack: Stack, device: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    page = await screens.page(**(phone if device == "phone" else {}))
    await page.goto(stack.api_url)
    await expect(page.get_by_label("Name")).to_be_visible()
    wrong = {"log-in": await violations(page)}
    await screens.log_in(page)
    await page.get_by_role("link", name="Roulette 1").wait_for()
    wrong["lobby"] = await violations(page)
    await page.get_by_role("link", name="Roulette 1").click()
    await expect(page.locator("#clock[data-phase=bets_open]")).to_be_visible(timeout=20_000)
    await page.locator("[data-spot='red']").click()
    wrong["table"] = await violations(page)
    await page.locator("#to-account").click()
    await expect(page.locator("#statement-rows tr").first).to_be_visible()
    wrong["account"] = await violations(page)
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.soak
@pytest.mark.parametrize("path", ["operator", "control"])
async def test_operators_pages_have_nothing_that_axe_finds_wrong(screens, stack: Stack, path: str) -> None:
    page = await screens.page()
    await page.goto(f"{stack.api_url}/{path}")
    await expect(page.get_by_label("Name")).to_be_visible()
    wrong = {"log-in": await violations(page)}
    await page.evaluate(f"sessionStorage.setItem('operator', {json.dumps(stack.admin_token)})")
    await page.reload()
    await page.get_by_text("Roulette 1").first.wait_for()
    wrong[path] = await violations(page)
    await page.get_by_role("button", name="Stop: Roulette 1" if path == "operator" else "Drain").first.click()
    await page.get_by_role("dialog").wait_for()
    wrong["order"] = await violations(page)
    assert {name: found for name, found in wrong.items() if found} == {}
