"""The run is the unit: false alarms over all relabelings, power, and intervals.

The spreads are those recorded between identical campaigns on a shared two-core machine: coefficients of variation of
17 % (p50) and 58 % (p99).
"""

import numpy as np
import pytest

from reports.statistics import ALPHA, change_points, compare_groups, p_min, relabelings, trend_runs_min

SPREADS = {"p50": 0.17, "p95": 0.35, "p99": 0.58}
TOGETHER = np.array([[1.0, 0.7, 0.5], [0.7, 1.0, 0.7], [0.5, 0.7, 1.0]])
"""Slow runs are slow in every percentile."""


def identical_runs(rng, n, scale=1.0):
    """Logarithms of p50, p95 and p99 of runs that differ by chance only."""
    sigma = scale * np.sqrt(np.log1p(np.square(list(SPREADS.values()))))
    return rng.standard_normal((n, 3)) @ np.linalg.cholesky(TOGETHER).T * sigma


def share_found(n_side, scale, trials=80, figures=3):
    """Share of trials in which a p50 that is 30 % higher is found."""
    rng = np.random.default_rng(n_side)
    found = 0
    for _ in range(trials):
        runs = identical_runs(rng, 2 * n_side, scale)[:, :figures]
        runs[n_side:, 0] += np.log(1.3)
        found += compare_groups(runs[:n_side], runs[n_side:]).p[0] <= ALPHA
    return found / trials


@pytest.mark.parametrize("seed", range(4))
def test_over_all_relabelings_of_a_dozen_identical_runs_at_most_5_percent_are_false_alarms(seed):
    runs = identical_runs(np.random.default_rng(seed), 12)
    chosen = relabelings(12, 6)
    assert len(chosen) == 924
    alarms = sum(bool((compare_groups(runs[label], runs[~label]).p <= ALPHA).any()) for label in chosen)
    assert 0 < alarms / len(chosen) <= ALPHA


def test_pooled_operations_would_have_cried_wolf():
    rng = np.random.default_rng(7)
    a, b = (rng.lognormal(level, 0.5, 5_000) for level in identical_runs(rng, 2)[:, 0])
    standard_error = np.sqrt(np.log(a).var() / len(a) + np.log(b).var() / len(b))
    assert abs(np.log(a).mean() - np.log(b).mean()) > 4 * standard_error


def test_a_p50_that_is_30_percent_higher_is_found_with_6_and_6_runs():
    assert share_found(6, 0.5) > 0.95, "where identical runs differ by 9 %"
    assert share_found(6, 1.0, figures=1) > 0.55, "where they differ by 17 %, and only p50 is asked"
    assert share_found(6, 1.0) < share_found(8, 1.0), "more runs show more"


def test_intervals_cover_all_true_changes_at_once_in_95_percent_of_cases():
    rng, truth, covered = np.random.default_rng(3), np.array([0.3, 0.0, -0.5]), 0
    for _ in range(150):
        runs = identical_runs(rng, 12)
        runs[6:] += truth
        test = compare_groups(runs[:6], runs[6:])
        covered += bool((np.abs(test.shift - truth) <= test.half_width).all())
    assert covered / 150 >= 0.9


def test_an_interval_excludes_0_exactly_if_its_p_value_is_small():
    rng = np.random.default_rng(11)
    for _ in range(60):
        runs = identical_runs(rng, 10)
        runs[5:] += rng.normal(0, 0.4, 3)
        test = compare_groups(runs[:5], runs[5:])
        assert ((np.abs(test.shift) >= test.half_width) == (test.p <= ALPHA)).all()


def test_three_a_side_can_show_nothing_and_four_can():
    low, high = np.array([[0.0], [0.01], [0.02]]), np.array([[1.0], [1.01], [1.02]])
    test = compare_groups(low, high)
    assert test.p[0] == p_min(3, 3) == pytest.approx(0.1)
    assert np.isinf(test.half_width).all()
    assert p_min(4, 4) < ALPHA < p_min(3, 3)
    assert compare_groups(np.vstack([low, [[0.03]]]), np.vstack([high, [[1.03]]])).p[0] == pytest.approx(2 / 70)


def test_a_figure_that_is_the_same_everywhere_is_no_difference():
    runs = np.ones((12, 1))
    assert compare_groups(runs[:6], runs[6:]).p[0] == 1.0


def test_too_many_relabelings_are_drawn_with_the_given_one_among_them():
    chosen = relabelings(24, 12)
    assert len(chosen) == 20_000
    assert chosen[0].tolist() == [True] * 12 + [False] * 12
    assert (chosen.sum(axis=1) == 12).all()


def test_a_step_in_a_sequence_is_found_where_it_is():
    rng = np.random.default_rng(2)
    series = np.concatenate([rng.normal(0, 0.1, 8), rng.normal(0.5, 0.1, 7), rng.normal(0, 0.1, 6)])
    assert change_points(series) == [8, 15]


def test_identical_runs_rarely_have_a_change_point(monkeypatch):
    monkeypatch.setattr("reports.statistics._PERMUTATIONS", 499)
    rng = np.random.default_rng(1)
    alarms = sum(bool(change_points(rng.normal(size=14))) for _ in range(600))
    assert alarms / 600 <= ALPHA + 2.5 * np.sqrt(ALPHA * (1 - ALPHA) / 600)


def test_one_odd_run_is_no_change_of_level():
    series = np.array([1.0, 1.1, 0.9, 1.0, 9.0, 1.1, 1.0, 0.9, 1.0, 1.1])
    assert change_points(series) == []


def test_a_level_sequence_has_no_change_point():
    assert change_points(np.ones(20)) == []
    assert change_points(np.array([])) == []


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_clearest_step_is_found_in_so_many_runs_and_not_in_fewer(alpha):
    needed = trend_runs_min(alpha)
    for n, found in ((needed, True), (needed - 1, False)):
        series = np.arange(n) * 0.001 + (np.arange(n) >= n // 2)
        assert bool(change_points(series, alpha)) is found
