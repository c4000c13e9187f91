"""The countdown is the server's, whatever the player's clock says."""

import re
import time

import pytest
from playwright.async_api import expect
from table_client import call

from reference_impl.stack.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

WRONG_BY_MS = 90_000

NEXT_SECOND = """() => new Promise((told) => {
    const seconds = document.getElementById("seconds");
    const before = seconds.textContent;
    const watch = new MutationObserver(() => {
        if (seconds.textContent === before) return;
        watch.disconnect();
        told(Number(seconds.textContent));
    });
    watch.observe(seconds, { childList: true, characterData: true, subtree: true });
})"""
"""The next second that the page shows, as it begins: a text that is read at any time may be as old as its drawing."""


async def test_the_answer_that_came_back_fastest_says_what_time_it_is(screens, stack: Stack) -> None:
    page = await screens.page()
    await page.goto(stack.api_url)
    offset_ms = await page.evaluate(
        """async () => {
            const { ServerClock, hereMs } = await import("/static/clock.js");
            const clock = new ServerClock();
            const nowMs = hereMs();
            clock.learn(nowMs - 40, nowMs, nowMs - 20 + 5000); // 40 ms there and back, the server is 5 s ahead
            clock.learn(nowMs - 900, nowMs, nowMs - 100 + 5000); // held up on one way only: 350 ms off
            return clock.nowMs() - hereMs();
        }"""
    )
    assert abs(offset_ms - 5000) < 5


async def test_a_wrong_clock_changes_nothing_of_the_countdown(screens, stack: Stack) -> None:
    page = await screens.page()
    await page.add_init_script(
        f"Object.defineProperty(performance, 'timeOrigin', {{ value: performance.timeOrigin + {WRONG_BY_MS} }})"
    )
    await screens.sit_down(page)
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[34]$"), timeout=20_000)
    shown_s = await page.evaluate(NEXT_SECOND)
    now_ns = time.time_ns()
    (table,) = (await call(stack, "/v1/lobby"))["tables"]
    left_s = (table["closes_at_unix_ns"] - now_ns) / 1e9
    assert abs(shown_s - left_s) <= 1.0
