"""Intervals of one Run's quantiles, by its rounds."""

import math

import numpy as np
import pandas as pd
import pytest

from reports.resampling import Bounded, over_rounds

ROUNDS = pd.Series(np.repeat(np.arange(40), 50))


def test_bets_that_share_their_rounds_luck_leave_a_wider_interval_than_others():
    rng = np.random.default_rng(7)
    luck = rng.normal(0.0, 10.0, 40)
    alone = pd.Series(rng.normal(100.0, 10.0, len(ROUNDS)))
    together = pd.Series(100.0 + luck[ROUNDS])
    [one], [other] = (over_rounds(values, ROUNDS, [0.5]) for values in (alone, together))
    assert other.high - other.low > 3 * (one.high - one.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(25):
        values = pd.Series(100.0 + rng.normal(0.0, 10.0, 40))
        [found] = over_rounds(values, pd.Series(range(40)), [0.5], seed)
        covered += found.low <= 100.0 <= found.high
    assert 21 <= covered <= 25


def test_holes_are_left_out_and_nothing_at_all_has_no_figure():
    holes = pd.Series([1.0, np.nan, 3.0])
    assert over_rounds(holes, pd.Series([1, 1, 1]), [0.5]) == [Bounded(2.0, 2.0, 2.0)]
    assert all(math.isnan(each) for each in over_rounds(holes[1:2], pd.Series([1, 1, 1]), [0.5])[0])


@pytest.mark.parametrize(
    ("found", "said"), [((9.31, 9.12, 9.58), "9.3 (9.1 – 9.6)"), ((1234.5, 900, 2000), "1,234 (900 – 2,000)")]
)
def test_a_figure_is_told_with_its_interval(found, said):
    assert str(Bounded(*found)) == said
