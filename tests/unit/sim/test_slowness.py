"""How slow the machine was, told by repeats of a load."""

import pandas as pd
import pytest

from sim.levels import slowed
from sim.parameters import Cycle, Host, Stages
from sim.slowness import slowness_of

WORK_NS = {"received_ns": 200, "checked_ns": 50, "wallet_received_ns": 500, "committed_ns": 1_500, "replied_ns": 600}


def run_that(times: float, rest_ns: int, bets: int = 3) -> pd.DataFrame:
    """Return a run's bets whose stages of work take so many times as long, and whose sender rests as long as given."""
    at, stamps = 0.0, {"invoke_ns": 0.0}
    for name in ("received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns", "committed_ns"):
        at += WORK_NS.get(name, 0) * times + rest_ns * (name == "sent_ns")
        stamps[name] = at
    stamps["replied_ns"] = stamps["written_ns"] = at + WORK_NS["replied_ns"] * times
    stamps["return_ns"] = stamps["written_ns"] + 100 * times
    return pd.DataFrame([stamps] * bets)


def test_a_run_is_as_slow_as_its_work_takes_longer_than_in_the_median_run_of_its_load():
    known = [run_that(1.0, 9_000), run_that(1.5, 2_000), run_that(0.8, 4_000), run_that(30.0, 0), run_that(10.0, 0)]
    loads = ["light", "light", "light", "heavy", "heavy"]
    assert slowness_of(known, loads) == pytest.approx([1.0, 1.5, 0.8, 3**0.5, 3**-0.5], rel=1e-3)


def test_the_only_run_of_a_load_says_nothing():
    assert slowness_of([run_that(1.0, 0), run_that(7.0, 0)], ["light", "heavy"]) == [1.0, 1.0]


def test_everything_takes_longer_on_a_slow_machine_but_timers():
    usual = Stages(
        lag_ns=(500,), oversleep_ns=(-30,), uplink_ns=(200,), batch=Cycle(alpha_ns=900, beta_ns=50, residual_ns=(10,))
    )
    [slow] = slowed(Host(states=(usual,)), 2.0).states
    assert (slow.lag_ns, slow.oversleep_ns) == ((500,), (-30,))
    assert (slow.uplink_ns, slow.batch.alpha_ns, slow.batch.beta_ns) == ((400,), 1_800, 100)
