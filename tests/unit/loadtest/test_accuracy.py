"""Calibration, prediction and validation, on runs whose truth is known because they were simulated."""

import math

import numpy as np
import pandas as pd
import pytest
from known_truth import COSTS, played
from msgspec import structs

from loadtest.accuracy import REPORT
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.publishing import compare, publish
from reports.run import open_run
from sim import ensemble, hold_out, prediction, validation
from sim.calibrate import cycle_of
from sim.contention import SLICE_NS, costs_of, cycle_ns, non_negative, others_of, slices_of
from sim.cores import MEMORY_NS, Pressure, Work
from sim.empirical import TAIL_FROM, table_of, tail_of, weighted_quantiles
from sim.parameters import LEVELS, Cycle
from sim.twin import campaign_of

BUSY_SENDERS = structs.replace(COSTS, cycle_ns=12_500_000)
NOTHING = {"alpha_ns": 0, "beta_ns": 0, "residual_ns": (0,)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [played(folder, players, seed) for players in (6, 14, 24) for seed in (1, 2)]


@pytest.fixture(scope="module")
def reading(runs):
    return ensemble.read_off(runs[:4])


@pytest.fixture(scope="module")
def fitted(reading):
    return ensemble.fitted(reading, members=2)


def test_costs_of_operations_are_recovered_from_the_processes_cpu_time(runs):
    found = costs_of(runs, 2)
    for name in ("bet_ns", "call_ns", "push_ns", "login_ns"):
        assert getattr(found, name) == pytest.approx(getattr(COSTS, name), rel=0.02), name
    assert found.base == pytest.approx(COSTS.base, rel=0.02)


def test_cores_that_nobody_here_took_are_those_of_others(runs):
    assert others_of(runs[0]) == pytest.approx([0.1] * 9, abs=0.02)


def test_a_cost_is_never_below_nothing():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert non_negative(x, np.array([2.0, -1.0, 1.5])) == pytest.approx([1.75, 0.0])


def test_what_the_cores_cannot_serve_presses_later_slices_and_is_forgotten_after_a_while():
    pressed = Pressure(structs.replace(COSTS, call_ns=0, base=0.0, bounds=(1.0, 2.5)), MEMORY_NS)
    of_slices = [5.0, 3.0, 1.0, 0.0]
    expected, mean = [], 0.0
    for own in of_slices:
        mean = mean / math.e + (1 - 1 / math.e) * own
        expected.append(mean)
    bets = round(5.0 * MEMORY_NS / COSTS.bet_ns)
    found = [pressed.after(number * MEMORY_NS, Work(bets=bets)) for number in range(1, 5)]
    assert found == pytest.approx(expected, rel=1e-2)
    assert [pressed.level(each) for each in (0.5, *found)] == [0, 2, 2, 1, 0]


def test_a_pause_does_not_make_the_moments_after_it_calm():
    pressed = Pressure(structs.replace(COSTS, base=0.0), SLICE_NS)
    pressed.after(2 * NS_PER_S, Work())
    bets_a_slice = 20
    *_, soon = (pressed.after(2 * NS_PER_S + n * SLICE_NS, Work(bets=n * bets_a_slice)) for n in range(1, 5))
    *_, later = (pressed.after(2 * NS_PER_S + n * SLICE_NS, Work(bets=n * bets_a_slice)) for n in range(5, 81))
    assert soon == pytest.approx(later, rel=0.2)


def test_few_calls_that_are_slow_press_no_less_than_many_that_are_quick():
    quick, slow = (Pressure(BUSY_SENDERS, SLICE_NS, senders=4) for _ in range(2))
    assert quick.after(SLICE_NS, Work(bets=20, calls=9)) == slow.after(SLICE_NS, Work(bets=20, calls=2))


def test_bets_ask_for_no_more_calls_than_senders_can_make():
    assert BUSY_SENDERS.calls_asked(1, NS_PER_S, 4) == pytest.approx(1.0, rel=0.01)
    assert BUSY_SENDERS.calls_asked(10**6, NS_PER_S, 4) == pytest.approx(4 * 80, rel=0.01)
    assert COSTS.calls_asked(10**6, NS_PER_S, 4) == 10**6


def test_a_sender_is_busy_for_a_flight_and_its_rest():
    flights_ms = [2, 3, 8]
    ops = pd.DataFrame(
        {"kind": int(OpKind.BET), "gateway": 0, "shard": [0, 0, 0, 1], "sent_ns": [1, 1, 2, 2],
         "replied_ns": [NS_PER_MS * took + 1 for took in (flights_ms[0], *flights_ms)]}
    )  # fmt: skip
    assert cycle_ns(ops) == pytest.approx(9 * NS_PER_MS, abs=10)
    assert cycle_ns(ops.iloc[:0]) == 0.0


def test_a_campaign_with_many_bets_counts_no_more_than_one_with_few():
    took = np.concatenate([np.full(1_000, 100.0), np.full(50, 900.0)])
    weights = np.concatenate([np.full(1_000, 1e-3), np.full(50, 2e-2)])
    table = table_of(took, (0,), weights=weights)
    assert (table[LEVELS.index(0.45)], table[LEVELS.index(0.55)]) == (100, 900)
    cycle = cycle_of(np.ones(1_050, dtype=np.int64), took.astype(np.int64), Cycle(**NOTHING), weights)
    assert cycle.alpha_ns + cycle.residual_ns[LEVELS.index(0.55)] == 900


def test_quantiles_of_equal_weights_are_the_usual_ones():
    values = np.random.default_rng(5).exponential(1.0, 777)
    assert weighted_quantiles(values, np.full(777, 0.1), LEVELS) == pytest.approx(np.quantile(values, LEVELS))


def test_a_generalised_pareto_tail_is_recovered():
    rng = np.random.default_rng(3)
    shape, scale = 0.2, 5.0
    beyond = scale * (rng.random(20_000) ** -shape - 1) / shape
    found = tail_of(np.concatenate([np.linspace(0.0, 10.0, 380_000), 10.0 + beyond]))
    assert found.shape == pytest.approx(shape, abs=0.03)
    assert found.scale == pytest.approx(scale, rel=0.03)
    assert found.quantile(1 - (1 - TAIL_FROM) * 1e-3) == pytest.approx(
        10.0 + scale * (1e-3**-shape - 1) / shape, rel=0.05
    )


@pytest.mark.parametrize("tail", [False, True])
def test_draws_beyond_the_last_quantile_have_the_mean_that_values_have_there(tail):
    shape, scale = 0.3, 1e6
    values = scale * (np.random.default_rng(4).random(400_000) ** -shape - 1) / shape
    table = table_of(values, (0,), tail=tail)
    drawn = np.interp(np.linspace(0.999, 1.0, 1001), LEVELS, table)
    assert drawn.mean() == pytest.approx(values[values > np.quantile(values, 0.999)].mean(), rel=0.1)


def test_few_values_keep_their_largest():
    assert table_of(np.arange(100), (0,))[-1] == 99
    assert table_of(np.append(np.arange(100), 1_000), (0,))[-1] == 1_000


def test_a_table_with_a_tail_keeps_its_body_and_rises():
    values = np.random.default_rng(4).exponential(1e6, 4_000)
    body, tailed = (table_of(values, (0,), tail=tail) for tail in (False, True))
    assert tailed[:100] == body[:100]
    assert tailed[-1] == pytest.approx(1e6 * (np.log(1_000) + 2.0), rel=0.25)
    assert list(tailed) == sorted(tailed)
    assert len(tailed) == len(LEVELS)


def test_a_load_beyond_the_fitted_ones_is_predicted(runs, fitted):
    campaign = campaign_of(runs[-1])
    foretold = prediction.predict(fitted, campaign, replications=6)
    [first, second] = validation.validate(foretold, runs[4:])
    assert any("players" in why for why in foretold.extrapolates)
    errors = validation.errors([first, second])
    assert errors["bet_p50_ms"].error < 0.15
    assert errors["own_cores"].error < 0.05
    assert errors["accepted_per_s"].error < 0.05
    assert first.floor["bet_p50_ms"] == pytest.approx(-second.floor["bet_p50_ms"], abs=1e-3)


def test_resampled_members_differ_and_effects_have_no_shift(fitted):
    one, other = fitted.members
    assert one.host.states != other.host.states
    assert np.median([met.effect["bet_p50_ms"] for met in fitted.conditions]) == pytest.approx(0.0, abs=1e-3)
    assert len(fitted.card.residuals["bet_p50_ms"]) == len(fitted.card.fitted_on) == 4


def test_runs_tell_what_they_met_beside_each_other_and_what_was_read_off_others_is_not_read_again(
    runs, reading, monkeypatch
):
    read = []

    def noted(run, cores):
        read.append(run.path)
        return slices_of(run, cores)

    monkeypatch.setattr(ensemble, "slices_of", noted)
    met = ensemble.conditions_beside(reading, runs[4:])
    assert read == []
    assert [each.source for each in met] == [run.path.name for run in runs[4:]]
    assert [each.slowness for each in met] == pytest.approx([1.0, 1.0], abs=0.1)


def test_an_ensemble_on_disk_is_also_a_model_for_simulations(fitted, tmp_path):
    ensemble.save_ensemble(fitted, tmp_path / "model.json")
    assert ensemble.load_ensemble(tmp_path / "model.json") == fitted
    assert ensemble.model_in(tmp_path / "model.json") == fitted.members[0]


def test_a_prediction_that_was_changed_is_refused(runs, fitted, tmp_path):
    foretold = prediction.predict(fitted, campaign_of(runs[0]), replications=2)
    path = tmp_path / "p.json"
    prediction.save_prediction(foretold, path)
    assert prediction.load_prediction(path) == foretold
    path.write_text(path.read_text().replace('"replications": 2', '"replications": 9'))
    with pytest.raises(ConfigError, match=r"p.json: was changed after it was made: its digest .* does not fit"):
        prediction.load_prediction(path)


def test_a_run_of_another_scenario_is_no_run_of_the_prediction(runs, fitted):
    foretold = prediction.predict(fitted, campaign_of(runs[0]), replications=2)
    with pytest.raises(ConfigError, match=r"its players_per_table is 24, the prediction's is 6"):
        validation.validate(foretold, [runs[-1]])


@pytest.fixture(scope="module")
def held(runs):
    return hold_out.accuracy(runs, members=1, replications=2)


@pytest.mark.soak
def test_every_load_is_held_out_once_and_the_largest_is_an_extrapolation(held):
    found = held
    assert [(held.players, held.top, len(held.runs)) for held in found.loads] == [
        (12, False, 2),
        (28, False, 2),
        (48, True, 2),
    ]
    assert found.below["bet_p50_ms"].n == 4
    assert found.top["bet_p50_ms"].n == 2
    assert found.given["bet_p50_ms"] < 0.3


def test_too_few_runs_and_runs_without_samples_of_the_host_are_refused_in_one_line(runs):
    with pytest.raises(ConfigError, match="2 runs: a model of how campaigns differ needs at least 3"):
        ensemble.calibrate(runs[:2])
    old = open_run(runs[0].path)
    old.manifest["host_load"] = []
    with pytest.raises(ConfigError, match="has no samples of the host's load"):
        ensemble.calibrate([old, *runs[1:3]])
    with pytest.raises(ConfigError, match="2 loads: each is predicted from the others"):
        hold_out.accuracy(runs[:4])


def test_coverage_and_errors_are_those_of_runs():
    found = [
        validation.Validated(run=f"r{n}", foretold=True, measured={}, log_ratio={"bet_p50_ms": ratio},
                             floor={"bet_p50_ms": 0.2}, covered={"bet_p50_ms": n > 0}, w1_over_mean=0.0, ks=0.0)
        for n, ratio in enumerate(np.log([1.3, 1.1, 1 / 1.1, 1.0]))
    ]  # fmt: skip
    error = validation.errors(found)["bet_p50_ms"]
    assert error.error == pytest.approx(0.1, abs=1e-3)
    assert error.coverage == 0.75
    assert error.floor == pytest.approx(np.expm1(0.2), abs=1e-3)
    assert (error.met, error.n) == (True, 4)


@pytest.mark.soak
def test_a_report_is_published_and_another_result_is_told_apart(held, tmp_path):
    publish(REPORT, held, tmp_path, "a command")
    assert "| 48 | 2 |" in (tmp_path / "README.md").read_text()
    assert compare(REPORT, held, tmp_path).endswith("what is published is found again")
    worse = structs.replace(held.below["bet_p50_ms"], error=held.below["bet_p50_ms"].error + 1.0)
    with pytest.raises(ConfigError, match="below bet_p50_ms is"):
        compare(REPORT, structs.replace(held, below=held.below | {"bet_p50_ms": worse}), tmp_path)
