import numpy as np
import pytest

from reference_impl.domain.games.roulette import SPOTS
from sim.arrivals import bets_count, planned_bets, stake_minor
from sim.scenario import Betting, Scenario

SCENARIO = Scenario(
    betting=Betting(participation=0.8, bets_per_round_mean=2.5, stake_minor_min=50, stake_minor_max=470)
)


def test_bets_of_a_round_lie_inside_the_window_and_in_order():
    window_ns = SCENARIO.timing.window_ms * 1_000_000
    for player in range(1, 200):
        offsets = [bet.offset_ns for bet in planned_bets(SCENARIO, player, 4)]
        assert offsets == sorted(offsets)
        assert all(0 <= offset_ns < window_ns for offset_ns in offsets)


def test_stakes_are_whole_multiples_of_the_smallest_up_to_the_largest():
    stakes = {bet.amount_minor for player in range(1, 500) for bet in planned_bets(SCENARIO, player, 1)}
    assert stakes == set(range(50, 451, 50))


def test_the_largest_stake_below_the_smallest_leaves_the_smallest():
    assert stake_minor(0.999, 100, 40) == 100


def test_every_spot_is_chosen():
    chosen = {bet.selection for player in range(1, 3000) for bet in planned_bets(SCENARIO, player, 2)}
    assert chosen == set(range(len(SPOTS)))


def test_numbers_of_bets_follow_participation_and_mean():
    counts = np.array([bets_count(1, player, 9, 0.8, 2.5) for player in range(1, 5001)])
    assert set(counts.tolist()) == {0, 2, 3}
    assert (counts > 0).mean() == pytest.approx(0.8, abs=0.03)
    assert counts[counts > 0].mean() == pytest.approx(2.5, abs=0.03)


def test_plans_depend_on_seed_player_and_round():
    plans = [
        planned_bets(Scenario(seed=seed, betting=Betting(participation=1.0)), player, round_no)
        for seed, player, round_no in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
    ]
    assert all(a != b for i, a in enumerate(plans) for b in plans[i + 1 :])
