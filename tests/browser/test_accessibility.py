"""Every page as axe-core sees it: nothing that keeps a person with other eyes, hands or devices out."""

import json
from pathlib import Path

import pytest
from axe import violations
from histories import DEMO, SMALL, make_manifest, make_tables, write_history
from playwright.async_api import Browser, expect

from reference_impl.stack.stack import Stack
from reports.cohort_page import write_contrast_page, write_trend_page
from reports.contrast import contrast
from reports.judgement import judge, write_summary
from reports.page import render_report
from reports.run import write_run
from reports.trend import trend

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

MINUTE_NS = 60 * 10**9


async def test_reports_comparisons_and_trends_have_nothing_that_axe_finds_wrong(
    browser: Browser, tmp_path: Path
) -> None:
    write_history(tmp_path / "twin", DEMO, "simulated", label="fit")
    run = write_history(tmp_path / "run", DEMO)
    groups = _groups(tmp_path)
    names = {side: [path.name for path in paths] for side, paths in groups.items()}
    pages = [
        render_report(run, judge(run)),
        write_contrast_page(contrast(*groups.values()), tmp_path / "compare.html", names),
        write_trend_page(trend([path for paths in groups.values() for path in paths]), tmp_path / "trend.html"),
    ]
    wrong = {}
    for width in (1280, 360):
        page = await browser.new_page(viewport={"width": width, "height": 740})
        for file in pages:
            await page.goto(f"file://{file}")
            wrong[file.name, width] = await violations(page)
        await page.close()
    assert {name: found for name, found in wrong.items() if found} == {}


def _groups(folder: Path) -> dict[str, list[Path]]:
    """Write Runs of two sides, in turn, of which the second is slower."""
    groups: dict[str, list[Path]] = {"Runs": [], "Baseline": []}
    told = make_tables(SMALL)["ops"]
    took_ns = (told["return_ns"] - told["invoke_ns"]).where(told["return_ns"] > 0, 0)
    for number in range(12):
        side, longer = ("Baseline", 0.0) if number % 2 else ("Runs", 0.5)
        late_ns = (took_ns * (longer + number / 100)).astype("int64")
        manifest = make_manifest(SMALL, started_unix_ns=number * MINUTE_NS)
        run = write_run(
            folder / f"{side}-{number}", manifest, {"ops": told.assign(return_ns=told["return_ns"] + late_ns)}
        )
        write_summary(run, {"verdict": "pass"})
        groups[side].append(run.path)
    return groups


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
    await expect(page.locator("#lab")).to_be_hidden(), "this system has no lab"
    wrong[path] = await violations(page)
    await page.get_by_role("button", name="Stop: Roulette 1" if path == "operator" else "Drain").first.click()
    await page.get_by_role("dialog").wait_for()
    wrong["order"] = await violations(page)
    assert {name: found for name, found in wrong.items() if found} == {}
