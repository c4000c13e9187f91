"""A gateway whose wall clock is put back takes no bet after the close."""

import asyncio
import time

import pytest
from table_client import Player, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.bets.gateway import REPORT_S
from reference_impl.domain.bets import Status
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.levers import Weakness
from reference_impl.stack.shim import Told, compiler
from reference_impl.stack.stack import Stack

TIMING = Timing(window_ms=1100, closing_soon_ms=300, dealing_ms=300, pause_ms=100, flush_ms_max=400)
CONFIG = StackConfig(
    tables=1, gateways=1, shards=1, edges=0, timing=TIMING, password_cost=PasswordCost(memory_kib=64, iterations=1)
)


async def status_at(player: Player, after_close_s: float) -> Status:
    opened = await player.next_open()
    await asyncio.sleep(opened["closes_at_unix_ns"] / 1e9 + after_close_s - time.time())
    return Status((await player.answer(player.bet(opened)))["status"])


@pytest.mark.skipif(compiler() is None, reason="no C compiler")
@pytest.mark.asyncio
async def test_a_clock_that_is_put_back_takes_no_late_bet() -> None:
    async with Stack(CONFIG, weakness=Weakness(shim=True)) as stack:
        await open_players(stack, 1)
        player = Player(stack, 1)
        await player.join()
        assert await status_at(player, -0.3) is Status.ACCEPTED
        shims = stack.levers.shims
        assert shims is not None
        shims.tell("gateway-0", Told(shift_ms=-500))
        await asyncio.sleep(1.2 * REPORT_S)
        assert await status_at(player, 0.1) is Status.WINDOW_CLOSED
