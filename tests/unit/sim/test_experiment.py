from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.round_timing import Timing
from sim import experiment
from sim.experiment import Job, compare, figures, replicate, run, summarise, sweep, warm_up_s
from sim.parameters import Model, Validity
from sim.plan import Limit, parse_limit, plan
from sim.plots import plot_comparison, plot_sweep
from sim.scenario import Betting, Scenario

SMALL = Scenario(
    players_per_table=30,
    ramp_s=1.0,
    load_s=6.0,
    timing=Timing(window_ms=2000, closing_soon_ms=1000, dealing_ms=300, pause_ms=200),
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
)
JOB = Job(SMALL, Model())


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_a_run_is_one_row_and_repeats_itself():
    assert run(JOB).equals(run(JOB))
    assert run(JOB).loc[0, "bet.offered"] > 100


def test_replications_go_on_until_the_figure_is_precise_enough(pool):
    rough = replicate(JOB, "bet.p50_ms", precision=0.5, n_min=3, pool=pool)
    fine = replicate(JOB, "bet.p50_ms", precision=0.02, n_min=3, n_max=40, pool=pool)
    assert rough.loc["bet.p50_ms", "n"] < fine.loc["bet.p50_ms", "n"]
    assert fine.loc["bet.p50_ms", "half_width"] <= 0.02 * fine.loc["bet.p50_ms", "mean"]
    assert fine.loc["bet.p50_ms", "reached"]


def test_a_writer_that_is_given_up_on_is_never_busy_for_longer_than_there_was_time():
    cycle = structs.replace(Model().host.states[0].batch, beta_ns=1_000_000_000)
    state = structs.replace(Model().host.states[0], batch=cycle)
    drowned = structs.replace(Model(), host=structs.replace(Model().host, states=(state,)))
    found = figures(Job(structs.replace(SMALL, shards=1, answer_s_max=1e4), drowned))
    assert found["bet.offered"] * 1.0 > 120.0 + SMALL.load_s
    assert 0.9 < found["shard.utilisation_max"] <= 1.0


def test_rounds_that_begin_together_settle_together(pool):
    many = JOB._replace(scenario=structs.replace(SMALL, tables=8, shards=1))
    spread, together = pool.map(figures, (many, many._replace(spread=False)))
    assert together["settle.p95_ms"] > 1.5 * spread["settle.p95_ms"]
    assert many.key() != many._replace(spread=False).key()


def test_an_unknown_figure_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"there is no figure 'bet.p98'; there are bet.offered"):
        replicate(JOB, "bet.p98", n_min=2)


def test_equal_systems_do_not_differ_and_common_numbers_narrow_the_difference(pool):
    slower = JOB._replace(model=structs.replace(Model(), fanout_ns=10_000))
    same = compare(JOB, JOB, n=3, pool=pool)
    assert (same["difference"] == 0).all()
    assert not same["told_apart"].any()
    other = compare(JOB, slower, n=4, pool=pool)
    assert other.loc["gateway.utilisation_max", "told_apart"]
    assert other.loc["bet.offered", "difference"] == 0
    assert other.loc["bet.p50_ms", "variance_ratio"] > 2


def test_a_sweep_goes_on_where_it_was_stopped(pool, tmp_path, monkeypatch):
    told = []
    file = tmp_path / "sweep.jsonl"
    grid = {"gateways": [1, 2], "shards": [1, 2]}
    whole = sweep(JOB, grid, seeds=2, pool=pool, resume=file, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (8, 8)
    assert len(told) == 8
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:5]) + '\n{"key": "cut of')
    again = []
    monkeypatch.setattr(experiment, "figures", lambda job: again.append(job) or figures(job))
    assert sweep(JOB, grid, seeds=2, pool=pool, resume=file).equals(whole)
    assert len(again) == 3
    table = summarise(whole, list(grid), "shard.utilisation_max")
    assert table["n"].tolist() == [2] * 4
    assert table.set_index(["gateways", "shards"]).loc[(1, 1), "mean"] > table["mean"].min()


def test_a_sweep_refuses_what_a_scenario_does_not_have():
    with pytest.raises(ConfigError, match="a scenario has no field 'gateway'"):
        sweep(JOB, {"gateway": [1]})
    with pytest.raises(ConfigError, match="sweep: "):
        sweep(JOB, {"gateways": [0]})


def test_warm_up_is_a_number_of_seconds_within_the_load():
    assert 0 <= warm_up_s(Job(structs.replace(SMALL, load_s=12.0), Model())) <= 6


def test_limits_are_parsed_or_refused():
    assert parse_limit("bet.p99_ms <= 250") == Limit("bet.p99_ms", "<=", 250.0)
    with pytest.raises(ConfigError, match=r"write GROUP\.FIGURE <= NUMBER"):
        parse_limit("bets are fast")


def test_a_plan_grows_until_its_limits_hold_and_says_what_it_extrapolates():
    crowd = structs.replace(SMALL, players_per_table=2_000)
    loose = plan(crowd, Model(), [Limit("bet.p99_ms", "<=", 10_000.0)], replications=2)
    assert loose.holds
    assert loose.extrapolates[0].startswith("the model's parameters are assumed")
    fitted = structs.replace(Model(), valid=Validity(source="run-7", bets_per_s_max=10.0))
    tight = plan(crowd, fitted, [Limit("bet.p99_ms", "<=", 120.0)], replications=2)
    assert tight.cost > loose.cost
    assert not tight.frame()["holds"].iloc[0]
    assert "run-7 had 10 bets/s at most" in tight.extrapolates[0]


def test_a_plan_that_runs_out_of_time_says_that_it_does_not_hold():
    found = plan(SMALL, Model(), [Limit("bet.p50_ms", "<=", 0.001)], replications=2, seconds_max=0.0)
    assert not found.holds


def test_a_plan_refuses_a_certainty():
    with pytest.raises(ConfigError, match="probability is 1: must lie between"):
        plan(SMALL, Model(), [], probability=1.0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda: compare(JOB, JOB, n=1), "n is 1: a difference has an interval from 2 pairs on"),
        (lambda: replicate(JOB, n_max=1), "n_min is 5 and n_max 1"),
        (lambda: plan(SMALL, Model(), []), "there is no limit"),
        (lambda: plan(SMALL, Model(), [Limit("bet.p99_ms", "<=", 9.0)], replications=1), "replications is 1"),
    ],
    ids=["one pair", "one replication", "no limit", "one run of a size"],
)
def test_what_has_no_interval_is_refused(asked, says):
    with pytest.raises(ConfigError, match=says):
        asked()


def test_a_plan_gives_up_where_more_of_everything_is_in_vain():
    found = plan(SMALL, Model(), [Limit("bet.p99_ms", "<=", 0.1)])
    assert not found.holds
    assert found.shards < 32
    assert found.frame()["bet.p99_ms"].gt(0.1).all()


def test_experiments_are_drawn_with_their_intervals(pool):
    rows = sweep(JOB, {"gateways": [1, 2], "shards": [1, 2]}, seeds=2, pool=pool)
    picture = plot_sweep(rows, ["gateways", "shards"], "bet.p50_ms")
    assert "shards 1" in picture.svg
    assert "± " in picture.sentence
    assert "n = 2, 95% intervals" in picture.sentence
    with pytest.raises(ConfigError, match="there is no figure 'gateway'"):
        plot_sweep(rows, ["gateway"])
    slower = JOB._replace(model=structs.replace(Model(), fanout_ns=10_000))
    drawn = plot_comparison(compare(JOB, slower, n=3, pool=pool))
    assert "gateway.utilisation_max" in drawn.sentence
