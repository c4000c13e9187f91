"""What a process notes of itself."""

import asyncio
import time

import pytest

from reference_impl.domain.units import NS_PER_MS
from reference_impl.pulse import Pulse, p98_of, rings
from reference_impl.stack import telemetry


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
    holding, lags_ns = asyncio.create_task(hold_up_evenly(0.02, 0.012)), []
    async for lag_ns in rings(0.02):
        lags_ns.append(lag_ns)
        if len(lags_ns) == 40:
            break
    holding.cancel()
    assert sum(lags_ns) / 40 > NS_PER_MS  # 3.6 ms on average: 0.6 of all rings come within 12 ms of holding up


async def test_so_does_what_is_written_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "FLUSH_S", 0.02)
    monkeypatch.setattr(telemetry, "SAMPLE_S", 0.3)
    told: list[int] = []
    sampler = telemetry.SelfSampler(
        "node", lambda: (0, 0, 0, 0), lambda *_: told.append(sampler.lag_ns_max), lambda: None
    )
    tasks = [asyncio.create_task(one) for one in (sampler.run(), hold_up_evenly(0.02, 0.012))]
    while len(told) < 4:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    assert min(told[2:]) > 3 * NS_PER_MS


async def test_short_hold_ups_show_in_a_second_and_a_hiccup_does_not() -> None:
    pulse = Pulse()
    watching = asyncio.create_task(pulse.run())
    holding = asyncio.create_task(hold_up_evenly(0.1, 0.03))
    await asyncio.sleep(1.0)
    holding.cancel()
    assert pulse.beat().lag_ms_p98 > 10
    watching.cancel()
    assert p98_of([1] * 60 + [80]) == p98_of([1, 80]) == 1
    assert p98_of([1] * 100 + [80] * 2) == 1
    assert p98_of([1] * 100 + [80] * 3) == 80
    assert p98_of([7]) == p98_of([]) == 0
