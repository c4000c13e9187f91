"""Two conditions that take turns: false alarms over all swaps, what is found, drift, and which bets belong to whom."""

import itertools
import math

import numpy as np
import pytest

from reports.run import Run
from reports.turns import SWAPS_MAX, busy_cores, slowdown

SPREAD = 0.25
"""Assumed spread of the logarithms of short stretches' p99; pauses come on top."""
PAUSES = 0.05
"""Assumed share of stretches into which a pause of the machine falls, and multiplies p99 by 2 to 10."""


def stretches(rng, n, factor=1.0):
    """Return p99 of stretches in ms."""
    paused = np.where(rng.random(n) < PAUSES, rng.uniform(2.0, 10.0, n), 1.0)
    return 25.0 * factor * paused * rng.lognormal(0.0, SPREAD, n)


def seen(seed, n, factor=1.0, alpha=0.01):
    rng = np.random.default_rng(seed)
    return slowdown(stretches(rng, n), stretches(rng, n, factor), alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_over_all_swaps_of_equal_pairs_at_most_alpha_are_false_alarms(seed, alpha):
    rng = np.random.default_rng(seed)
    both = np.array([stretches(rng, 8), stretches(rng, 8)])
    alarms = [
        slowdown(*np.where(swap, both[::-1], both), alpha).p <= alpha
        for swap in itertools.product((False, True), repeat=8)
    ]
    assert 0 < sum(alarms) / len(alarms) <= alpha


def test_drawn_swaps_give_as_few_false_alarms():
    assert SWAPS_MAX < 2**30
    assert sum(seen(seed, 30, alpha=0.05).p <= 0.05 for seed in range(100)) <= 9


def test_thirty_pairs_bound_a_harmless_condition_below_a_half_more_though_the_machine_pauses():
    assert sum(seen(seed, 30, alpha=0.05).high <= 1.5 for seed in range(100)) >= 92


def test_a_condition_that_slows_by_a_half_is_not_bounded_below_it():
    assert sum(seen(seed, 30, 1.5, alpha=0.05).high <= 1.5 for seed in range(100)) <= 9


def test_bounds_hold_the_true_factor():
    held = [seen(seed, 12, 1.3, alpha=0.05) for seed in range(100)]
    assert sum(found.low <= 1.3 for found in held) >= 91
    assert sum(found.high >= 1.3 for found in held) >= 91
    assert all(found.low <= found.ratio <= found.high for found in held)


def test_too_few_pairs_bound_nothing():
    found = seen(1, 3, alpha=0.05)
    assert (found.low, found.high) == (0.0, math.inf)


def test_busy_cores_are_those_of_the_stretch(tmp_path):
    load = [[0, 0, 0], [10, 10, 0], [20, 30, 0]]
    run = Run(tmp_path, {"host_load": load})
    assert busy_cores(run, 5, 15) == 1.5
    assert busy_cores(run, 5, 25) is None
    assert busy_cores(Run(tmp_path, {"host_load": []}), 0, 1) is None
