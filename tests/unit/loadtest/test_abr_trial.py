"""Rules of rendition choice on made-up links."""

import random

import pytest

from loadtest.viewing.choosers import CHOOSERS
from loadtest.viewing.links import KBPS, SHAPES, Link, link_of
from loadtest.viewing.trial import BITRATES_BPS, Trial, compare, table, trial

FALL_S_MAX = 3.0
DROPS_AT_S = 20.0


def test_transfer_takes_as_long_as_the_speeds_that_it_meets():
    link = Link([(2.0, 100.0), (1.0, 50.0)])
    assert link.arrival_s(0.0, 100.0) == pytest.approx(1.0)
    assert link.arrival_s(1.5, 75.0) == pytest.approx(2.5)
    assert link.arrival_s(2.5, 125.0) == pytest.approx(4.0)
    assert link.speed_bps(5.5) == 50.0


@pytest.mark.parametrize("shape", SHAPES)
def test_same_seed_draws_the_same_link(shape):
    first, again, other = (link_of(shape, seed) for seed in (1, 1, 2))
    speeds = [[link.speed_bps(at_s) for at_s in range(100)] for link in (first, again, other)]
    assert speeds[0] == speeds[1]
    assert (speeds[0] != speeds[2]) == ("jitter" in shape)


@pytest.mark.parametrize("rule", CHOOSERS)
def test_same_seed_gives_the_same_trial(rule):
    ran = [trial(rule, "fast jitter", 3) for _ in range(2)]
    assert ran[0].run(60) == ran[1].run(60)
    assert ran[0].choices == ran[1].choices


@pytest.mark.parametrize("rule", CHOOSERS)
def test_good_link_plays_the_best_rendition_at_the_hold_back_without_a_stall(rule):
    outcome = trial(rule, "steady", 1).run(60)
    assert outcome.stalled_s == 0
    assert outcome.kbps > 0.9 * BITRATES_BPS[-1] / 1000
    assert outcome.latency_s < 1.3


@pytest.mark.parametrize("rule", CHOOSERS)
@pytest.mark.parametrize("after_kbps", [330, 450, 600])
@pytest.mark.parametrize("seed", range(5))
def test_starved_link_falls_to_the_lowest_rendition_within_three_seconds(rule, after_kbps, seed):
    at_s = DROPS_AT_S + random.Random(seed).uniform(0, 2)
    link = Link([(at_s, 6000 * KBPS), (60.0, after_kbps * KBPS)])
    watched = Trial(CHOOSERS[rule](BITRATES_BPS), link, seed)
    watched.run(at_s + 30)
    assert [c.rendition for c in watched.choices if c.at_s < at_s][-1] == len(BITRATES_BPS) - 1
    fell_s = next(c.at_s for c in watched.choices if c.at_s >= at_s and c.rendition == 0) - at_s
    assert fell_s <= FALL_S_MAX


def test_comparison_has_a_row_for_each_rule_and_shape_and_names_its_range():
    rows = compare(2, 20)
    assert len(rows) == len(SHAPES) * len(CHOOSERS)
    assert all(row.qoe_min <= row.mean.qoe <= row.qoe_max and row.n == 2 for row in rows)
    assert table(rows).count("\n") == len(rows)
