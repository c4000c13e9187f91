"""The account and the operator's page in a real browser, against the whole system."""

import asyncio
import csv
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect
from table_client import call

from reference_impl.stack.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

OPERATOR = {"name": "ann", "password": "correct horse battery"}
SETTLE_MS = 20_000


def lines_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


async def open_account(page: Page) -> None:
    await page.get_by_role("link", name="Account").click()
    await expect(page.locator("#statement-rows tr").first).to_be_visible()


async def bet_a_hundred(page: Page) -> None:
    """Bet 100.00 on red in a window with at least two seconds left."""
    await page.goto(f"{page.url.split('#')[0]}#table-1")
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[234]$"), timeout=SETTLE_MS)
    await page.locator("[data-minor='10000']").click()
    await page.locator("[data-spot='red']").click()


async def test_a_limit_is_set_with_the_keyboard_and_refuses_the_next_bet_in_plain_words(screens) -> None:
    page = await screens.seat()
    await open_account(page)
    amount = page.get_by_label("One bet")
    await amount.fill("2")
    await amount.press("Enter")
    await expect(page.locator("#limits-said")).to_have_text("One bet: saved")
    one = page.locator("[data-kind=stake]")
    await expect(one).to_contain_text("Now €2.00")
    await one.get_by_role("button", name="No limit").click()
    await expect(one).to_contain_text(re.compile(r"Now €2\.00; from .*: no limit"))
    await bet_a_hundred(page)
    await expect(page.locator("#bets li[data-state=rejected]")).to_contain_text("above your own limit of one bet")


async def test_who_leaves_a_table_before_the_script_of_its_picture_has_come_meets_no_error(screens) -> None:
    page = await screens.page()
    left = asyncio.Event()

    async def late(route: Route) -> None:
        await left.wait()
        await route.continue_()

    await page.route("**/hls.min.mjs", late)
    async with page.expect_request("**/hls.min.mjs"):
        await screens.sit_down(page)
    await open_account(page)
    left.set()
    await page.evaluate("import('/static/vendor/hls.min.mjs').then(() => new Promise(requestAnimationFrame))")
    assert screens.problems == []


async def test_who_excludes_oneself_is_told_until_when_and_bets_no_more_but_may_withdraw(screens) -> None:
    page = await screens.seat()
    await open_account(page)
    exclude = page.get_by_role("button", name="Exclude me")
    await exclude.click()
    await expect(page.locator("#leave-now")).to_have_text("You may play."), "the box must be ticked first"
    await page.get_by_label("I know that nobody can take this back").check()
    await exclude.click()
    await expect(page.locator("#leave-now")).to_contain_text("You are excluded until")
    await expect(exclude).to_be_hidden()
    await page.get_by_label("Amount").fill("10.50")
    await page.get_by_role("button", name="Withdraw").click()
    await expect(page.locator("#withdraw-said")).to_have_text("Done. Your balance is €989.50.")
    await bet_a_hundred(page)
    await expect(page.locator("#bets li[data-state=rejected]")).to_contain_text("you are excluded from play")


async def test_the_statement_is_shown_and_downloaded(screens) -> None:
    page = await screens.seat()
    await open_account(page)
    await expect(page.locator("#statement-rows tr")).to_have_text(re.compile(r"Deposit.*\+€1,000\.00.*€1,000\.00"))
    await expect(page.locator("#statement-sums")).to_contain_text("€1,000.00")
    async with page.expect_download() as begun:
        await page.get_by_role("button", name="Download as CSV").click()
    lines = lines_of(Path(await (await begun.value).path()))
    assert [(line["what"], line["amount"], line["balance"]) for line in lines] == [
        ("opening balance", "", "0.00"), ("Deposit", "1000.00", "1000.00"), ("closing balance", "", "1000.00"),
    ]  # fmt: skip


async def test_the_reminder_stands_in_the_way_until_it_is_acknowledged(screens) -> None:
    page = await screens.page()

    async def due(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        await route.fulfill(response=answer, body=json.dumps(told | {"reminder_due_unix_ns": 1}))

    await page.route("**/v1/session", due)
    await screens.log_in(page)
    reminder = page.get_by_role("dialog")
    await expect(reminder).to_contain_text("You have been playing for less than a minute")
    await expect(reminder).to_contain_text("€0.00")
    await expect(reminder.get_by_role("button", name="Go on playing")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(reminder).to_be_visible()
    async with page.expect_response("**/v1/session/acknowledge") as answered:
        await page.keyboard.press("Enter")
    assert (await (await answered.value).json())["reminder_due_unix_ns"] > 1
    await expect(reminder).to_be_hidden()


async def test_the_account_fits_a_phone(screens) -> None:
    page = await screens.page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    await screens.log_in(page)
    await open_account(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in await page.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is None or box["height"] >= 32, await button.inner_text()


async def test_the_operator_stops_a_table_with_a_reason_which_is_on_record(screens, stack: Stack) -> None:
    await call(stack, "/v1/admin/operators", OPERATOR, stack.admin_token)
    page = await screens.page()
    await page.goto(f"{stack.api_url}/operator")
    await page.get_by_label("Name").fill(OPERATOR["name"])
    await page.get_by_label("Password").fill(OPERATOR["password"])
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("button", name="Stop: Roulette 1").click()
    order = page.get_by_role("dialog")
    await expect(order.get_by_label("Reason")).to_be_focused()
    await order.get_by_role("button", name="Give the order").click()
    await expect(order).to_be_visible(), "no order without a reason"
    try:
        await order.get_by_label("Reason").fill("the wheel is cleaned")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(order).to_be_hidden()
        table = page.locator("#desk-tables [data-table='1']")
        await expect(table).to_contain_text("the wheel is cleaned", timeout=SETTLE_MS)
        await expect(page.locator("#orders tr").first).to_have_text(
            re.compile("ann.*stop: table 1.*the wheel is cleaned.*done at 1")
        )
    finally:
        body = {"table": 1, "reason": "clean"}
        await call(stack, "/v1/admin/tables/go", body, stack.admin_token)
    await expect(table).not_to_contain_text("the wheel is cleaned", timeout=SETTLE_MS)


async def test_the_operator_looks_a_player_up_and_disables_the_player(screens, stack: Stack) -> None:
    page = await screens.page()
    await page.add_init_script(f"sessionStorage.setItem('operator', {json.dumps(stack.admin_token)})")
    await page.goto(f"{stack.api_url}/operator")
    await page.get_by_label("Number").fill("29")
    await page.get_by_role("button", name="Look up").click()
    await expect(page.locator("#player")).to_contain_text("player-29 may log in")
    await page.get_by_role("button", name="Disable").click()
    await page.get_by_label("Reason").fill("asked by letter")
    await page.get_by_role("button", name="Give the order").click()
    await expect(page.locator("#player-state")).to_have_text("disabled: asked by letter")
    await page.get_by_label("Number").fill("999")
    await page.get_by_role("button", name="Look up").click()
    await expect(page.locator("#player-said")).to_have_text("there is no player 999")
