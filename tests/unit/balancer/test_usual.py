"""What is usual at a place: learned from what it tells, but not from the time in which it is slow."""

import random

import pytest

from reference_impl.domain.balancing.usual import (
    KEPT,
    KIND_MAX,
    KNOWN,
    LATE_EVERY,
    WORK_MS_MIN,
    Usual,
    is_late,
    lateness,
    learned,
    most_usual,
    usual_cost,
    work_of,
)


def taught(lags_ms: list[float], work_ms: float = 0.0, known: Usual | None = None) -> Usual:
    """Return what is known after reports, of one among two others that are never late."""
    known = known or Usual()
    for lag_ms in lags_ms:
        cost = usual_cost(known, [WORK_MS_MIN] * 2, lag_ms)
        known = learned(known, lag_ms, lag_ms, work_ms, late=is_late(cost, [1.0, 1.0, cost]))
    return known


def test_what_a_place_always_is_costs_the_usual_and_what_it_is_beyond_that_more() -> None:
    known = taught([1.0, 2.0, 1.0, 1.0, 2.0, 1.5] * 5)
    assert usual_cost(known, [], 2.0) == 1.0
    assert usual_cost(known, [], 8.0) > 1.3
    assert usual_cost(known._replace(last_ms=8.0), [], 8.0) == pytest.approx((WORK_MS_MIN + 8.0) / known.took_ms)


def test_lateness_is_held_against_what_bets_take_there() -> None:
    few, many = (taught([2.0] * KEPT, work_ms) for work_ms in (1.0, 30.0))
    assert work_of(few) == WORK_MS_MIN
    assert work_of(many) == 30.0
    assert usual_cost(few, [], 8.0) == pytest.approx(1.5)
    assert usual_cost(many, [], 8.0) == pytest.approx(1.1875)


def test_the_noise_of_a_busy_machine_is_usual_and_a_quiet_one_bears_none() -> None:
    draw = random.Random(4)
    busy = taught([draw.uniform(4.0, 16.0) for _ in range(KEPT)])
    assert usual_cost(busy, [], 16.0) < 1.15
    assert usual_cost(taught([1.0] * KEPT), [], 16.0) > 2.0


def test_one_long_hold_up_is_no_lateness_and_one_in_every_second_is() -> None:
    known = taught([1.0] * KEPT)
    assert lateness(known, 1.5, 9.0) == 1.5
    assert lateness(known._replace(means_ms=(1.0, 8.0, 9.0)), 1.5, 7.0) == 8.0


def test_where_much_is_usual_one_report_says_nothing_and_two_do() -> None:
    draw = random.Random(4)
    busy = taught([draw.uniform(4.0, 16.0) for _ in range(KEPT)])
    assert usual_cost(busy, [], 30.0) < 1.15
    assert usual_cost(busy._replace(last_ms=30.0), [], 30.0) > 1.2


def test_who_slows_down_does_not_get_used_to_it_within_minutes_but_in_the_end() -> None:
    known = taught([1.0] * KEPT)
    ramp = taught([1.0 + second for second in range(20)], known=known)
    assert most_usual(ramp.lags_ms) < 3.0
    slow = taught([18.0] * (KEPT * LATE_EVERY // 2 - LATE_EVERY), known=known)
    assert usual_cost(slow, [], 18.0) > 2.0
    assert usual_cost(taught([18.0] * KEPT * LATE_EVERY, known=slow), [], 18.0) == 1.0


def test_what_all_of_a_kind_have_in_common_is_learned_at_once() -> None:
    known = taught([1.0] * KEPT)
    for _ in range(KEPT):
        cost = usual_cost(known, [], 15.0)
        known = learned(known, 15.0, 15.0, 0.0, late=is_late(cost, [cost] * 3))
    assert usual_cost(known, [], 15.0) == 1.0


def test_who_was_slow_when_first_heard_is_not_excused() -> None:
    known = taught([60.0] * KEPT)
    assert usual_cost(known, [], 60.0) == 1.0, "nobody else is there"
    assert usual_cost(known, [11.0, 12.0, 40.0], 60.0) == pytest.approx(70.0 / (KIND_MAX * 12.0))
    assert usual_cost(taught([60.0] * (KNOWN - 1)), [11.0, 12.0, 40.0], 60.0) == 1.0, "nothing is known of it yet"
