"""BOLA-E, the rule after LoL+ and its QoE hold their promises for every link and buffer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.abr_rules import SegmentSeen, bola_choose, lolp_begin, lolp_choose, qoe

LADDER = (300_000.0, 1_000_000.0, 3_000_000.0)
estimates = st.floats(min_value=1e4, max_value=1e8)
buffers = st.floats(min_value=0, max_value=3)
indices = st.integers(min_value=0, max_value=2)


@given(indices, estimates, buffers, buffers)
def test_bola_never_lowers_its_choice_for_a_longer_buffer(current, estimate, shorter, longer):
    shorter, longer = sorted((shorter, longer))
    chosen = [bola_choose(LADDER, current, estimate, b, 0.4, 0.96) for b in (shorter, longer)]
    assert 0 <= chosen[0] <= chosen[1] < len(LADDER)


@given(indices, estimates, buffers)
def test_bola_climbs_only_as_far_as_the_link_carries(current, estimate, buffer_s):
    chosen = bola_choose(LADDER, current, estimate, buffer_s, 0.4, 0.96)
    assert chosen <= current or LADDER[chosen] <= estimate


def test_bola_is_at_the_lowest_below_its_least_buffer_and_at_the_highest_from_its_target():
    assert bola_choose(LADDER, 2, 1e8, 0.1, 0.4, 0.96) == 0
    assert bola_choose(LADDER, 2, 1e8, 0.96, 0.4, 0.96) == 2


def test_one_rendition_leaves_nothing_to_choose():
    assert bola_choose(LADDER[:1], 0, 1e6, 0.5, 0.4, 0.96) == 0


@given(indices, estimates, buffers, st.floats(min_value=0, max_value=10), st.floats(min_value=0, max_value=5))
def test_lolp_chooses_what_the_link_carries_and_its_neurons_stay_finite(current, estimate, buffer_s, latency, stall):
    seen = SegmentSeen(LADDER[current], LADDER[0], stall, latency, 1.0)
    neurons = lolp_begin(LADDER)
    for _ in range(5):
        chosen, neurons = lolp_choose(neurons, LADDER, seen, current, estimate, buffer_s, 1.92)
    assert chosen == 0 or LADDER[chosen] <= estimate
    assert np.isfinite(neurons).all()


def test_qoe_is_the_papers_sum():
    seen = SegmentSeen(1e6, 3e6, 0.5, 2.0, 1.05)
    terms = 2 * 1e6 - 2e6 - 3e6 * 0.5 - 0.1 * 3e6 * 2.0 - 3e5 * 0.05
    assert qoe(seen, 2.0, 3e5, 3e6) == pytest.approx(terms / 1e6)


def test_latency_up_to_the_good_one_costs_little():
    near, far = (qoe(SegmentSeen(1e6, 1e6, 0, s, 1.0), 2.0, 3e5, 3e6) for s in (1.1, 1.11))
    assert near - far == pytest.approx((0.1 * 3e6 * 1.11 - 0.05 * 3e5 * 1.1) / 1e6)
