"""States of a host below and above what was measured."""

import numpy as np
import pandas as pd
import pytest

from sim.contention import BEGINS
from sim.cores import Cores
from sim.levels import BELOW, BEYOND, eased, host_of, stretched
from sim.parameters import LEVELS, Cycle, Stages, lognormal_table

MEDIAN = LEVELS.index(0.5)
USUAL = Stages(
    uplink_ns=lognormal_table(200_000, 2_000_000),
    batch=Cycle(alpha_ns=1_000, beta_ns=10, residual_ns=lognormal_table(300, 4_000)),
)


def test_below_the_lowest_level_only_what_lies_beyond_the_median_shrinks():
    half = eased(USUAL, 0.5)
    before, after = np.array(USUAL.uplink_ns), np.array(half.uplink_ns)
    assert after[: MEDIAN + 1].tolist() == before[: MEDIAN + 1].tolist()
    assert after[MEDIAN:] - after[MEDIAN] == pytest.approx(0.5 * (before[MEDIAN:] - before[MEDIAN]), abs=1)
    assert list(half.uplink_ns) == sorted(half.uplink_ns)
    assert (half.batch.alpha_ns, half.batch.beta_ns) == (1_000, 10)
    assert half.batch.residual_ns[-1] < USUAL.batch.residual_ns[-1]
    assert eased(USUAL, 1.0) == USUAL


def test_beyond_the_highest_level_everything_takes_longer():
    twice = stretched(USUAL, 2.0)
    assert twice.uplink_ns == tuple(2 * value for value in USUAL.uplink_ns)
    assert (twice.batch.alpha_ns, twice.batch.beta_ns) == (2_000, 20)


def test_no_pressure_that_was_measured_is_extrapolated():
    pressures = np.random.default_rng(1).uniform(0.5, 2.0, 4_000)
    stamps = {"weight": 1.0, "slowness": 1.0, "batch_started_ns": 0, "committed_ns": 1}
    bets = pd.DataFrame({**stamps, **{f"pressed_{instant}": pressures for instant in BEGINS}})
    host = host_of(bets, Cores(), lambda _bets, _default: USUAL)
    found = np.searchsorted(host.cores.bounds, np.quantile(pressures, (0.01, 0.99)), "right")
    assert found.tolist() == [len(BELOW), len(host.states) - 1 - len(BEYOND)]
