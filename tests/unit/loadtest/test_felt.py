"""When a slow gateway is felt: a stall that all of them have is none of its own, and a trend is."""

import random

from loadtest.bench.bettors import Answered
from loadtest.bench.felt import doubled_at, felt_at, p99_of

STRUCK_S = 10.0


def evening(slower_ms_a_s: float = 0.0, stalled_s: float | None = None) -> list[Answered]:
    """Three gateways with 30 bets a second each for 30 s; the first slows down, or all stall once."""
    draw = random.Random(7)
    found = []
    for k in range(30 * 30):
        for number in range(3):
            sent_s = k / 30 + number / 100
            ms = draw.uniform(8.0, 12.0)
            if number == 0 and sent_s > STRUCK_S:
                ms += draw.random() * slower_ms_a_s * (sent_s - STRUCK_S)
            if stalled_s is not None and stalled_s < sent_s < stalled_s + 0.1:
                ms += 60.0
            found.append(Answered(sent_s, f"gateway-{number}", ms))
    return found


def test_a_gateway_that_slows_down_doubles_and_is_felt_when_it_has():
    slow = evening(slower_ms_a_s=2.0)
    doubled_s, felt_s = doubled_at(slow, "gateway-0", STRUCK_S), felt_at(slow, "gateway-0", STRUCK_S)
    assert doubled_s is not None
    assert felt_s is not None
    assert 5.0 < doubled_s < 8.0  # 2 ms a second on top of at most 12
    assert 5.0 < felt_s < 9.0
    assert doubled_at(slow, "gateway-1", STRUCK_S) is None
    assert felt_at(slow, "gateway-1", STRUCK_S) is None


def test_a_stall_of_all_doubles_a_p99_and_is_nobodys_heat():
    stalled = evening(stalled_s=15.0)
    doubled_s = doubled_at(stalled, "gateway-0", STRUCK_S)
    assert doubled_s is not None
    assert 5.0 < doubled_s < 5.3
    assert felt_at(stalled, "gateway-0", STRUCK_S) is None


def test_nothing_is_felt_on_a_quiet_evening_or_without_a_time_before():
    assert doubled_at(evening(), "gateway-0", STRUCK_S) is None
    assert felt_at(evening(), "gateway-0", STRUCK_S) is None
    assert felt_at(evening(slower_ms_a_s=5.0), "gateway-0", 0.0) is None
    assert p99_of([], 0.0, 1.0) == 0.0
