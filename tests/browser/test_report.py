"""Any bet of a Run opens as one timeline in its report."""

from pathlib import Path

import pytest
from histories import DEMO, write_history
from playwright.async_api import Browser

from reports.judgement import judge
from reports.lives import life_of, lives, notable
from reports.page import render_report

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_any_bet_opens_as_one_timeline(browser: Browser, tmp_path: Path) -> None:
    run = write_history(tmp_path / "run", DEMO)
    told = lives(run)
    page = await browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await page.goto(f"file://{render_report(run, judge(run))}")
    wish, shown = page.locator("#life-op"), page.locator("#life-shown")
    await shown.get_by_text("the screen answers").wait_for()
    assert await wish.input_value() == str(notable(told)["the slowest answer"])

    other = life_of(run, int(told["op"].iloc[5]))
    await wish.fill(str(other["op"]))
    await wish.press("Enter")
    await shown.get_by_text(
        f"Player {other['account']} at table {other['table']}, round {other['round_no']},"
    ).wait_for()
    took_ms = (other["return_ns"] - other["due_ns"]) / 1e6
    row = shown.locator("tr", has_text="the screen answers")
    assert abs(float((await row.locator("td").first.inner_text()).replace(",", "")) - took_ms) < 0.002

    await page.locator("#life-after").click()
    assert int(await wish.input_value()) in set(told["op"][told["account"] == other["account"]]) - {int(other["op"])}
    await wish.fill("-7")
    await wish.press("Enter")
    await shown.get_by_text("Bet -7 is not among").wait_for()
    assert not wrong
    await page.close()
