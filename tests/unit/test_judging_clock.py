"""A wall clock may refuse bets, and never take one that came too late."""

import logging
import time

import pytest

from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.judging_clock import JudgingClock, unix_offset_ns


def test_a_clock_that_is_put_back_is_not_followed_and_one_put_forward_is(caplog: pytest.LogCaptureFixture) -> None:
    shown = [100 * NS_PER_S]
    clock = JudgingClock(lambda: shown[-1])
    judged = []
    for step_ms in (0, -295, -295, 0, 2_000, 0, -5):
        shown.append(100 * NS_PER_S + step_ms * NS_PER_MS)
        with caplog.at_level(logging.WARNING):
            clock.look()
        judged.append((clock.offset_ns - 100 * NS_PER_S) // NS_PER_MS)
    assert judged == [0, 0, 0, 0, 2_000, 0, 0]
    assert caplog.messages == ["the wall clock was put back by 295 ms; bets are judged by the earlier one"]


def test_the_offset_is_that_of_this_machines_clocks() -> None:
    assert unix_offset_ns() + time.monotonic_ns() == pytest.approx(time.time_ns(), abs=5 * NS_PER_MS)
