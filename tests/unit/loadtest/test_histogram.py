"""Buckets of response times that Locust shows: exact to half a percent, whichever workers counted them."""

import numpy as np
import pytest

from loadtest.histogram import bucket_ms, shown_ms


def test_no_response_time_is_off_by_more_than_half_a_percent():
    times_ms = np.random.default_rng(1).lognormal(3, 1.5, 20_000)
    middles = np.array([bucket_ms(float(t)) for t in times_ms])
    assert (np.abs(middles / times_ms - 1) <= 0.005 + 1e-12).all()
    assert len(set(middles)) < 6_000


@pytest.mark.parametrize(
    ("ms", "middle"), [(0.0, 0.0), (0.0123456, 0.0123), (0.5, 0.5), (12.345, 12.3), (147.4, 147.0), (58_760, 58_800)]
)
def test_a_bucket_has_three_significant_digits_at_every_magnitude(ms, middle):
    assert bucket_ms(ms) == middle


def test_buckets_are_the_same_on_every_worker():
    times_ms = np.random.default_rng(2).lognormal(2, 1, 2_000).tolist()
    first, second = ({bucket_ms(t) for t in part} for part in (times_ms[::2], times_ms[1::2]))
    assert first | second == {bucket_ms(t) for t in times_ms}


@pytest.mark.parametrize(
    ("ms", "text"), [(0.0, "0"), (0.372, "0.372"), (4.7, "4.70"), (147.0, "147"), (58_800.0, "58800")]
)
def test_a_response_time_is_printed_as_exactly_as_it_is_known(ms, text):
    assert shown_ms(ms) == text
