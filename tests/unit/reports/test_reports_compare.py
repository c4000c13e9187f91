import math

import numpy as np
import pytest
from histories import Shape, write_history

from reports.compare import bets_of, compare, kolmogorov_smirnov, repeat_floor, wasserstein


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_history(tmp_path_factory.mktemp("m"), Shape(players=40, rounds=4))


@pytest.fixture(scope="module")
def slower(tmp_path_factory):
    return write_history(
        tmp_path_factory.mktemp("s"), Shape(players=40, rounds=4, latency_ms=12.0, seed=8), "simulated"
    )


def test_a_run_is_at_no_distance_from_itself(run):
    same = compare(run, run)
    assert (same.w1_over_mean, same.ks) == (0.0, 0.0)
    assert set(same.log_ratio.values()) == {0.0}


def test_a_slower_run_has_positive_log_ratios(run, slower):
    distance = compare(run, slower)
    assert distance.log_ratio["p50"] == pytest.approx(
        math.log(distance.second["p50_ms"] / distance.first["p50_ms"]), abs=1e-3
    )
    assert all(ratio > 0.3 for ratio in distance.log_ratio.values())
    assert 0 < distance.ks < 1


def test_parity_restricts_to_rounds_by_their_number_at_the_table(run):
    odd, even = bets_of(run, "odd"), bets_of(run, "even")
    assert set((odd["round"] & 0xFFFFFFFF).unique()) == {1, 3}
    assert len(odd) + len(even) == len(bets_of(run))
    assert compare(run, run, "odd").first["bets"] == len(odd)


def test_the_repeat_floor_lies_below_a_real_difference(run, slower):
    floor, difference = repeat_floor(run), compare(run, slower)
    assert floor.w1_over_mean < difference.w1_over_mean
    assert floor.ks < difference.ks


def test_without_bets_there_is_no_distance(run):
    nobody = compare(run, run).first | {}
    assert nobody["bets"] > 0
    empty = type(run)(run.path, run.manifest)
    empty._tables = {"ops": run.ops.iloc[:0]}
    distance = compare(run, empty)
    assert (distance.w1_over_mean, distance.ks, distance.second["bets"]) == (None, None, 0)


def test_distances_agree_with_cases_done_by_hand():
    first, second = np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 8.0])
    assert wasserstein(first, second) == pytest.approx(5.0)
    assert kolmogorov_smirnov(first, second) == 1.0
    assert wasserstein(np.array([0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])[np.argsort([0, 1, 1, 0])]) == pytest.approx(
        0.0
    )
    assert kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([2.0, 3.0])) == 0.5
