"""What a process notes of itself."""

import asyncio
import time

from reference_impl.pulse import TICK_S, Pulse


async def test_a_loop_that_was_held_up_shows_in_the_next_beat_and_not_in_the_one_after() -> None:
    pulse = Pulse()
    watching = asyncio.create_task(pulse.run())
    await asyncio.sleep(0.02)
    time.sleep(0.25)  # noqa: ASYNC251 - this is the hold-up
    await asyncio.sleep(0.02)
    assert pulse.beat().lag_ms > 100
    await asyncio.sleep(0.15)
    assert pulse.beat().lag_ms < 100
    watching.cancel()


async def test_rates_are_growth_a_second_and_cpu_is_a_share() -> None:
    pulse = Pulse()
    pulse.beat(10, 1000)
    until_s = time.monotonic() + 0.1
    while time.monotonic() < until_s:
        pass
    beat = pulse.beat(15, 1000)
    assert 5 < beat.per_s[0] <= 50
    assert beat.per_s[1] == 0
    assert beat.cpu_share > 0.1


async def hold_up_evenly(period_s: float, held_s: float) -> None:
    while True:
        time.sleep(held_s)  # noqa: ASYNC251 - this is the hold-up
        await asyncio.sleep(period_s - held_s)


async def test_what_holds_a_loop_up_as_often_as_its_timer_rings_shows() -> None:
    pulse = Pulse()
    watching = asyncio.create_task(pulse.run())
    await asyncio.sleep(0.02)
    holding = asyncio.create_task(hold_up_evenly(TICK_S, 0.6 * TICK_S))
    await asyncio.sleep(2.5)
    assert pulse.beat().lag_ms_mean > 5  # 18 ms on average: 0.6 of all rings come within 60 ms of holding up
    watching.cancel()
    holding.cancel()
