"""A small system under every balancing: what is promised of ours holds, and what others get wrong shows."""

import numpy as np
import pytest

from sim.balancing import play
from sim.balancing.outcome import max_mean, outcome_of, quantile_ms
from sim.balancing.play import BALANCINGS, carried_out
from sim.balancing.serving import BUCKETS, bucket
from sim.balancing.setting import Setting, likings, rounds_of
from sim.balancing.surges import BEGINS_S, ENDS_S, Kind, deployments, hit, lowest_ahead, speeds_of, surge_of

SMALL = Setting(
    people=20_000, newcomers_max=6_000, tables=60, gateways=16, edges=12, host_gateways=1, host_edges=2
)  # fmt: skip


def test_surges_take_turns_and_are_drawn_from_their_seeds_alone():
    surges = [surge_of(seed, Setting()) for seed in range(20)]
    assert [surge.kind for surge in surges] == list(Kind) * 4
    assert surges == [surge_of(seed, Setting()) for seed in range(20)]
    assert len({surge.within_s for surge in surges}) > 5


@pytest.mark.parametrize("seed", [2, 3], ids=["slow-edge", "hot-gateway"])
def test_only_the_places_of_one_host_slow_down_and_not_at_once(seed):
    surge = surge_of(seed, SMALL)
    speeds = speeds_of(surge, SMALL)
    those, others = (speeds.edges, speeds.gateways) if surge.kind is Kind.SLOW_EDGE else (speeds.gateways, speeds.edges)
    assert (others == 1.0).all()
    assert (those[: BEGINS_S + 1] == 1.0).all()
    assert those[-1][hit(surge, SMALL)] == pytest.approx(surge.speed)
    assert (np.delete(those, hit(surge, SMALL), axis=1) == 1.0).all()
    assert (np.diff(those, axis=0) <= 0).all()
    assert (lowest_ahead(those, 5)[:-5] == those[4:-1]).all()


def test_deployments_end_before_the_simulation_does():
    (first, *_, last) = deployments(surge_of(4, SMALL), SMALL)
    assert first[0] == BEGINS_S
    assert last[0] + play.DRAIN_S_MAX < ENDS_S


def test_a_round_has_all_of_its_bets_in_its_window_and_a_pause_in_which_players_move():
    rounds, mean = rounds_of(SMALL, 1), SMALL.player_share * SMALL.participation * SMALL.bets_per_round_mean
    assert rounds.bets.sum(axis=1) == pytest.approx(mean)
    assert ((rounds.bets > 0) & (rounds.between > 0)).sum() == 0
    assert (rounds.between.sum(axis=1) > 0).all()
    assert likings(SMALL).sum() == pytest.approx(1.0)


def test_quantiles_are_read_from_histograms_to_a_fraction_of_a_bucket():
    times_s = np.random.default_rng(1).exponential(2e-3, 20_000)
    counts = np.zeros((2, BUCKETS))
    for time_s in times_s:
        counts[0, bucket(time_s)] += 1
    for q in (0.5, 0.99):
        assert quantile_ms(counts, q)[0] == pytest.approx(1e3 * np.quantile(times_s, q), rel=0.01)
    assert quantile_ms(counts, 0.99)[1] == 0.0


def test_places_that_do_not_count_are_no_part_of_the_spread():
    used = np.ones((20, 4))
    used[:, 3] = 9.0
    counted = np.ones((20, 4))
    counted[:, 3] = 0.0
    assert max_mean(used, counted) == pytest.approx(1.0)
    assert max_mean(used, np.ones((20, 4))) == pytest.approx(3.0)


@pytest.fixture(scope="module")
def outcomes():
    return {
        name: [outcome_of(carried_out(SMALL, balancing, surge_of(seed, SMALL), 0)) for seed in range(5)]
        for name, balancing in BALANCINGS.items()
    }


@pytest.mark.soak
def test_ours_shifts_in_time_moves_nobody_twice_and_nearly_no_more_than_an_oracle(outcomes):
    ours, oracle = outcomes["forecast"], outcomes["oracle"]
    for one, best in zip(ours, oracle, strict=True):
        assert one.moved_twice == best.moved_twice == 0
        assert one.late == 0
        assert one.dropped <= 0.01 * SMALL.people
        assert one.bet_p99_ms <= 1.10 * best.bet_p99_ms
    moved = [sum(one.moved + one.moved_views for one in each) for each in (ours, oracle)]
    assert moved[0] <= 1.5 * moved[1]


@pytest.mark.soak
def test_who_looks_at_connections_alone_leaves_a_slow_host_its_share(outcomes):
    hot = list(Kind).index(Kind.HOT_GATEWAY)
    assert outcomes["two-choices"][hot].gateway_max_mean_settled > 1.5
    assert outcomes["two-choices"][hot].late > 0
    assert outcomes["forecast"][hot].gateway_max_mean_settled < 1.4


@pytest.mark.soak
def test_who_counts_no_placement_before_the_next_report_sends_a_herd(outcomes):
    crowd = list(Kind).index(Kind.FLASH_CROWD)
    assert outcomes["least-loaded"][crowd].gateway_max_mean > 1.5 * outcomes["two-choices"][crowd].gateway_max_mean


@pytest.mark.soak
def test_a_surge_is_the_same_once_more():
    surge = surge_of(3, SMALL)
    one, other = (outcome_of(carried_out(SMALL, BALANCINGS["forecast"], surge, 0)) for _ in range(2))
    assert one == other
