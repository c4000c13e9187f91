"""Rendition choice holds its promises for every estimate and buffer."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain import abr

LADDER = np.array([375_000.0, 1_250_000.0, 3_000_000.0])
indices = st.integers(min_value=0, max_value=2)
estimates = st.floats(min_value=0, max_value=1e8)
buffers = st.floats(min_value=0, max_value=30)


@given(indices, estimates, buffers)
def test_choice_is_on_the_ladder_and_never_above_the_estimate(current, estimate, buffer_s):
    chosen = abr.choose(LADDER, current, estimate, buffer_s)
    assert 0 <= chosen < len(LADDER)
    if estimate > 0 and chosen > 0:
        assert LADDER[chosen] <= estimate


@given(indices, estimates, estimates, buffers)
def test_more_throughput_never_lowers_the_choice(current, low, high, buffer_s):
    low, high = sorted((low, high))
    if low > 0:
        assert abr.choose(LADDER, current, low, buffer_s) <= abr.choose(LADDER, current, high, buffer_s)


@given(indices, estimates)
def test_nearly_empty_buffer_never_climbs(current, estimate):
    assert abr.choose(LADDER, current, estimate, abr.PANIC_BUFFER_S / 2) <= current


@given(indices, buffers)
def test_without_a_sample_the_rendition_stays(current, buffer_s):
    assert abr.choose(LADDER, current, 0.0, buffer_s) == current


@given(st.floats(min_value=1e6, max_value=1e9), st.lists(st.floats(min_value=0.01, max_value=5), min_size=1))
def test_constant_throughput_is_estimated_exactly_from_the_first_sample(rate, weights):
    link = (0.0, 0.0, 0.0)
    for weight in weights:
        link = abr.learn(*link, rate * weight / 8, weight)
        assert abr.throughput_bps(*link) == pytest.approx(rate, rel=1e-6)


@given(st.floats(min_value=1e-6, max_value=1e3))
def test_means_forget_by_their_half_lives(weight_s):
    fast, slow = abr.kept_shares(abr.kept_share(weight_s))
    assert fast == pytest.approx(2 ** (-weight_s / abr.FAST_HALF_LIFE_S), rel=1e-12)
    assert slow == pytest.approx(2 ** (-weight_s / abr.SLOW_HALF_LIFE_S), rel=1e-12)


def test_a_drop_is_believed_sooner_than_a_rise():
    def after_change(before, then):
        link = (0.0, 0.0, 0.0)
        for rate, seconds in ((before, 60), (then, 3)):
            for _ in range(seconds):
                link = abr.learn(*link, rate / 8, 1.0)
        return abr.throughput_bps(*link)

    assert after_change(4e6, 1e6) == pytest.approx(2.5e6, rel=1e-3)
    assert after_change(1e6, 4e6) < 1.7e6


def test_compiled_rules_equal_the_plain_ones():
    choose = numba.njit(abr.choose)
    shares = numba.njit(abr.kept_shares)
    for estimate in (0.0, 3e5, 1.3e6, 1.9e6, 9e6):
        for current in range(3):
            for buffer_s in (0.1, 3.0):
                plain = abr.choose(LADDER, current, estimate, buffer_s)
                assert choose(LADDER, current, estimate, buffer_s) == plain
    assert shares(0.7) == pytest.approx(abr.kept_shares(0.7))
