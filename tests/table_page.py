"""What tests do at the table page of a browser, and what they look up of it in the ledger."""

import re

import asyncpg
from playwright.async_api import Page, expect

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.ids import shard_of
from reference_impl.stack.stack import Stack

BALANCE_MINOR = 100_000
"""What a player of the browser's tests begins with."""
SETTLE_MS = 20_000


def minor(text: str) -> int:
    return round(float(re.sub(r"[^\d.]", "", text)) * 100)


async def until_open(page: Page) -> None:
    """Wait for a window with at least three seconds left."""
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[34]$"), timeout=SETTLE_MS)


async def latency_ms(page: Page) -> int:
    badge = page.locator("#latency[data-ms]:not([data-ms=''])")
    await badge.wait_for(timeout=10_000)
    return int(await badge.get_attribute("data-ms") or "-1")


async def bet(page: Page, spot: str) -> None:
    await page.locator(f"[data-spot='{spot}']").click()


async def mark(page: Page) -> None:
    """Leave a mark that only a reload would remove."""
    await page.evaluate("globalThis.sameDocument = true")


async def assert_not_reloaded(page: Page) -> None:
    assert await page.evaluate("globalThis.sameDocument")


async def ledger_of(stack: Stack, player: int) -> tuple[int, int]:
    """Return a player's balance and what all accepted stakes that stand come to, as the ledger has it."""
    connection = await asyncpg.connect(stack.dsns[shard_of(player, len(stack.dsns))])
    try:
        moved = "SELECT coalesce(sum(amount), 0)::bigint FROM journal WHERE account = $1 AND kind = $2 AND status = $3"
        staked, returned = [
            await connection.fetchval(moved, player, kind, Status.ACCEPTED)
            for kind in (EntryKind.BET, EntryKind.CANCEL)
        ]
        return await connection.fetchval("SELECT balance FROM account WHERE id = $1", player), staked - returned
    finally:
        await connection.close()
