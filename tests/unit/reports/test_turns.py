"""Two conditions that take turns: false alarms over all swaps, what is found, drift, and which bets belong to whom."""

import itertools

import numpy as np
import pytest

from reports.run import Run
from reports.turns import PAIRS_MAX, busy_cores, slowdown

BETS = 300
LEG_SPREAD = 0.15
"""Assumed coefficient of variation of a whole stretch's speed."""


def stretch(rng, factor=1.0, *, stalls=True):
    """Latencies in ms: a long tail, a speed that the whole stretch shares, and now and then a pause of the machine."""
    values = 5.0 * factor * rng.lognormal(0.0, LEG_SPREAD) * rng.lognormal(0.0, 0.8, BETS)
    if stalls and rng.random() < 0.2:
        values[: BETS // 50] += rng.uniform(50.0, 300.0)
    return values


def pairs_of(seed, n, factor=1.0):
    rng = np.random.default_rng(seed)
    return [(stretch(rng), stretch(rng, factor)) for _ in range(n)]


@pytest.mark.parametrize("alpha", [1 / 16, 1 / 8])
@pytest.mark.parametrize("seed", range(3))
def test_over_all_swaps_of_equal_pairs_at_most_alpha_are_false_alarms(seed, alpha):
    pairs = pairs_of(seed, 4)
    alarms = [
        slowdown([pair[::-1] if turned else pair for pair, turned in zip(pairs, swap, strict=True)], alpha).p <= alpha
        for swap in itertools.product((False, True), repeat=4)
    ]
    assert 0 < sum(alarms) / len(alarms) <= alpha


def test_a_slowdown_by_half_is_found_in_nine_of_ten_runs_of_seven_pairs():
    found = [slowdown(pairs_of(seed, 7, 1.5), 1 / 128).p <= 1 / 128 for seed in range(20)]
    assert sum(found) >= 18


def test_bounds_hold_the_true_factor():
    held = [slowdown(pairs_of(seed, 5, 1.3), 0.05) for seed in range(20)]
    assert sum(found.low <= 1.3 for found in held) >= 18
    assert sum(found.high >= 1.3 for found in held) >= 18
    assert all(found.low <= found.ratio <= found.high for found in held)


def test_a_machine_that_gets_slower_favours_neither():
    drifting = [stretch(np.random.default_rng(0), 1.0 + 0.1 * number, stalls=False) for number in range(12)]
    neighbours = zip(drifting[::2], drifting[1::2], strict=True)
    pairs = [pair[:: -1 if number % 2 else 1] for number, pair in enumerate(neighbours)]
    assert slowdown(pairs, 0.05).ratio == pytest.approx(1.0, abs=0.05)


def test_too_few_pairs_bound_nothing():
    found = slowdown(pairs_of(1, 3), 0.05)
    assert (found.low, found.high) == (0.0, np.inf)


@pytest.mark.parametrize("n", [0, PAIRS_MAX + 1])
def test_more_pairs_than_can_be_swapped_are_refused(n):
    with pytest.raises(ValueError, match=f"{n} pairs"):
        slowdown([(np.ones(3), np.ones(3))] * n, 0.05)


def test_busy_cores_are_those_of_the_stretch(tmp_path):
    load = [[0, 0, 0], [10, 10, 0], [20, 30, 0]]
    run = Run(tmp_path, {"host_load": load})
    assert busy_cores(run, 5, 15) == 1.5
    assert busy_cores(run, 5, 25) is None
    assert busy_cores(Run(tmp_path, {"host_load": []}), 0, 1) is None
