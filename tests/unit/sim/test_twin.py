import json

import numpy as np
import pytest
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reports.run import empty_table, manifest_base, open_run, write_run
from sim.calibrate import SAMPLES_MIN, cycle_of, fit, settling_of, table_of
from sim.parameters import LEVELS, PPM, Cycle, Host, Model, Stages, load_model, lognormal_table
from sim.scenario import Betting, Campaign, Scenario
from sim.twin import MODEL_FILE, first_rounds, make_twin, sim_run
from sim.wiring import FirstRound

CAMPAIGN = Campaign(name="small", scenario=Scenario(players_per_table=60, ramp_s=2.0, load_s=40.0))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A Run to fit; made by the model itself, so that the true parameters are known."""
    return sim_run(CAMPAIGN, tmp_path_factory.mktemp("runs") / "source")


def middle(table_ns):
    return table_ns[len(table_ns) // 2]


def typical(model):
    """Return the most frequent host state's stages."""
    return model.host.states[int(np.argmax(np.mean(model.host.quiet, axis=0)))]


def test_fit_finds_the_stage_times_that_made_the_run(source):
    fitted, true = fit(source, "all"), Model()
    stages, true_stages = typical(fitted), true.host.states[0]
    for name in ("uplink_ns", "check_ns", "request_ns", "reply_ns", "downlink_ns"):
        assert middle(getattr(stages, name)) == pytest.approx(middle(getattr(true_stages, name)), rel=0.2), name
    call_ns, true_ns = (batch.alpha_ns + middle(batch.residual_ns) for batch in (stages.batch, true_stages.batch))
    assert call_ns == pytest.approx(true_ns, rel=0.2)
    assert fitted.fanout_ns == pytest.approx(true.fanout_ns, rel=0.5)
    assert middle(fitted.login_ns) == pytest.approx(middle(true.login_ns), rel=0.2)


def test_what_waits_behind_a_gateways_own_work_is_no_part_of_a_way(tmp_path):
    busy = Stages(check_ns=(200_000,), write_ns=(3_000_000,), more_ns=(600_000,))
    scenario = structs.replace(CAMPAIGN.scenario, load_s=20.0, betting=Betting(bets_per_round_mean=12.0))
    model = structs.replace(Model(), host=Host(states=(busy,)))
    stages = typical(fit(sim_run(structs.replace(CAMPAIGN, scenario=scenario), tmp_path / "busy", model), "all"))
    for name in ("write_ns", "more_ns"):
        assert middle(getattr(stages, name)) == getattr(busy, name)[0], name
    for name in ("uplink_ns", "reply_ns", "downlink_ns"):
        assert middle(getattr(stages, name)) == pytest.approx(middle(getattr(busy, name)), rel=0.2), name


def test_a_gateway_that_wakes_for_many_is_told_from_players_who_are_far_away(source, tmp_path):
    near = Stages(lag_ns=lognormal_table(500_000, 900_000), uplink_ns=(0,), wake_ns=lognormal_table(400_000, 4_000_000))
    scenario = structs.replace(CAMPAIGN.scenario, load_s=20.0, betting=Betting(bets_per_round_mean=12.0))
    model = structs.replace(Model(), host=Host(states=(near,)))
    stages = typical(fit(sim_run(structs.replace(CAMPAIGN, scenario=scenario), tmp_path / "near", model), "all"))
    assert stages.uplink_ns == (0,)
    for name in ("lag_ns", "wake_ns"):
        assert middle(getattr(stages, name)) == pytest.approx(middle(getattr(near, name)), rel=0.2), name
    assert typical(fit(source, "all")).wake_ns == (0,)


def test_fit_notes_what_it_has_seen(source):
    valid = fit(source, "odd").valid
    assert (valid.source, valid.parity) == ("small", "odd")
    assert 0 < valid.rounds < len(source.rounds)
    assert 0 < valid.bets < len(source.ops)
    assert valid.bets_per_s_max > 0
    assert valid.batch_bets_max >= 1


def test_odd_and_even_rounds_share_the_bets(source):
    assert fit(source, "odd").valid.bets + fit(source, "even").valid.bets == fit(source, "all").valid.bets


def test_an_empty_run_keeps_the_assumed_model(tmp_path):
    manifest = manifest_base(kind="measured", name="", campaign={}, seed=1)
    run = write_run(tmp_path, manifest, {"ops": empty_table("ops")})
    fitted = fit(run, "odd")
    assert fitted.host == Host()
    assert fitted.valid.bets == 0


def test_an_unknown_parity_is_refused(source):
    with pytest.raises(ConfigError, match="parity is 'prime', must be one of odd, even, all"):
        fit(source, "prime")


def test_few_values_keep_the_assumed_table():
    assert table_of(np.arange(SAMPLES_MIN - 1), (5,)) == (5,)
    assert len(table_of(np.arange(SAMPLES_MIN), (5,))) == len(LEVELS)


def test_negative_times_count_as_zero():
    assert table_of(np.full(SAMPLES_MIN, -3), (5,)) == (0,) * len(LEVELS)


def test_the_largest_of_two_tells_the_distribution_of_one():
    single = np.random.default_rng(1).exponential(1e6, (20_000, 2))
    table_ns = table_of(single.max(axis=1), (0,), largest_of=2)
    assert middle(table_ns) == pytest.approx(np.quantile(single, LEVELS[len(LEVELS) // 2]), rel=0.05)


def test_call_times_split_into_a_call_and_its_rows():
    random = np.random.default_rng(1)
    sizes = random.integers(1, 200, 2_000)
    times_ns = (900_000 + 50_000 * sizes + random.exponential(100_000, 2_000)).astype(np.int64)
    cycle = cycle_of(sizes, times_ns, Stages().batch)
    assert cycle.beta_ns == pytest.approx(50_000, rel=0.05)
    assert cycle.alpha_ns + middle(cycle.residual_ns) == pytest.approx(970_000, rel=0.1)


def test_sizes_that_hardly_vary_say_nothing_about_a_row():
    default = Cycle(alpha_ns=1, beta_ns=77, residual_ns=(0,))
    sizes = np.array([1, 2] * 50)
    assert cycle_of(sizes, sizes * 1_000_000, default).beta_ns == 77


def test_settlements_differ_by_a_factor_and_not_by_a_time():
    random = np.random.default_rng(2)
    rows = random.choice([0.0, 200.0, 600.0, 2_000.0, 4_000.0], 400)
    took_ns = (5e6 + 60e3 * rows) * random.lognormal(0.0, 0.2, 400)
    cycle, factor_ppm = settling_of(rows, took_ns, Model().settle)
    assert cycle.alpha_ns == pytest.approx(5e6, rel=0.15)
    assert cycle.beta_ns == pytest.approx(60e3, rel=0.1)
    assert middle(factor_ppm) == pytest.approx(1e6, rel=0.05)
    assert factor_ppm[95] / factor_ppm[5] == pytest.approx(np.exp(0.2 * 2 * 1.645), rel=0.1)
    alike, same = settling_of(np.full(40, 10.0), np.full(40, 3e6), Model().settle)
    assert alike.beta_ns == Model().settle.beta_ns
    assert set(same) == {PPM}


def test_a_twin_begins_with_the_round_that_was_open_when_the_load_began(source):
    starts = first_rounds(source)
    assert set(starts) == {1, 2}
    assert all(isinstance(first, FirstRound) for first in starts.values())


def test_a_twin_has_the_same_rounds_and_is_linked_from_its_source(source, tmp_path):
    twin = make_twin(source, tmp_path / "twin")
    assert twin.manifest["label"] == "fit"
    assert twin.manifest["kind"] == "simulated"
    assert set(twin.rounds["round"]) == set(source.rounds["round"])
    assert json.loads((source.path / "manifest.json").read_text())["twin"]
    assert open_run(source.path).twin.path == twin.path
    assert load_model(twin.path / MODEL_FILE) == fit(source, "odd")


def test_a_twin_bets_what_its_source_bet(source, tmp_path):
    twin = make_twin(source, tmp_path / "twin")
    totals = [run.ops.groupby("round")["amount"].sum() for run in (source, twin)]
    assert totals[1].sum() == pytest.approx(totals[0].sum(), rel=0.02)


def test_a_run_without_a_campaign_has_no_twin(tmp_path):
    run = write_run(tmp_path / "run", manifest_base(kind="measured", name="x", campaign={}, seed=1), {})
    with pytest.raises(ConfigError, match="campaign cannot be simulated"):
        make_twin(run, tmp_path / "twin")


@pytest.fixture(scope="module")
def moody(tmp_path_factory):
    """A Run on a host that is slow now and then, above all when a window opens."""
    slow = Stages(uplink_ns=(20_000_000,), batch=Cycle(alpha_ns=30_000_000, beta_ns=50_000, residual_ns=(0,)))
    host = Host(
        states=(Stages(), slow), quiet=((0.95, 0.05), (0.6, 0.4)), disturbed=((0.1, 0.9), (0.1, 0.9)),
    )  # fmt: skip
    model = structs.replace(Model(), host=host)
    scenario = structs.replace(CAMPAIGN.scenario, load_s=120.0)  # slow spells are few: a third of that has too few
    return sim_run(structs.replace(CAMPAIGN, scenario=scenario), tmp_path_factory.mktemp("moody") / "source", model)


def latency_ms(run, quantiles):
    bets = run.ops[(run.ops["kind"] == 1) & (run.ops["return_ns"] > 0)]
    return ((bets["return_ns"] - bets["due_ns"]) / 1e6).quantile(quantiles).to_numpy()


def test_every_row_of_a_fitted_chain_is_a_distribution(moody):
    host = fit(moody, "all").host
    assert len(host.states) > 2
    for chain in (host.quiet, host.disturbed):
        assert np.shape(chain) == (len(host.states), len(host.states))
        assert np.sum(chain, axis=1) == pytest.approx(np.ones(len(host.states)))


def test_a_twin_keeps_slow_stages_together_as_its_source_does(moody, tmp_path):
    twin = make_twin(moody, tmp_path / "twin")
    ratio = np.log(latency_ms(twin, [0.5, 0.9, 0.95]) / latency_ms(moody, [0.5, 0.9, 0.95]))
    assert np.abs(ratio).max() < np.log(1.5)
