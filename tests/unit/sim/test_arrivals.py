import numpy as np
import pytest

from reference_impl.domain.games.roulette import GROSS, POCKETS, SPOTS
from sim.arrivals import CLICK_NS_MAX, bets_count, may_send, planned_bets, stake_minor, think_ns
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


def test_who_covers_the_layout_wins_once_whatever_falls():
    covering = Betting(participation=1.0, covers=True)
    for player in range(1, 50):
        selections = [bet.selection for bet in planned_bets(SCENARIO, player, 3, covering)]
        assert GROSS[selections].astype(bool).sum(axis=0).tolist() == [1] * POCKETS


@pytest.mark.parametrize(
    ("now_ns", "due_ns", "connected_ns", "sent"),
    [
        (99, 99, 1 << 62, True),  # before the close: as soon as there is a connection
        (100, 99, 50, True),
        (98 + CLICK_NS_MAX, 99, 50, True),
        (99 + CLICK_NS_MAX, 99, 50, False),
        (100, 99, 100, False),  # clicked into a dead screen
    ],
)
def test_a_click_in_time_is_sent_after_the_close_too_for_a_moment(now_ns, due_ns, connected_ns, sent):
    assert may_send(now_ns, due_ns, 100, connected_ns) is sent


def test_thinking_takes_as_long_as_its_mean_says():
    thoughts = [think_ns(1, player, 7, 0.5) for player in range(1, 5001)]
    assert np.mean(thoughts) == pytest.approx(0.5e9, rel=0.05)
    assert np.std(thoughts) == pytest.approx(0.5e9, rel=0.08)
