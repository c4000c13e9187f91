"""Whole simulated Runs: reproducible, consistent under faults, and sensitive to what they should be."""

import hashlib
from itertools import pairwise

import pandas as pd
import pytest
from msgspec import structs

from reference_impl.domain.bets import Status
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.round_timing import Timing
from reports.checks import allowed_skips, run_checks
from reports.columns import TABLES
from reports.run import open_run
from sim.fault_kinds import Fault
from sim.model import simulate
from sim.parameters import Cycle, Host, Model, Stages, lognormal_table
from sim.scenario import Betting, Campaign, Scenario, Surge
from sim.twin import sim_run
from sim.wiring import FirstRound, load_start_ns

TIMING = Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300)
SMALL = Scenario(
    players_per_table=40,
    ramp_s=2.0,
    load_s=12.0,
    timing=TIMING,
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
    surges=(Surge(table=1, at_s=4.0, within_s=2.0, factor=2.0),),
)
SLOW_CYCLE = Cycle(alpha_ns=150_000_000, beta_ns=50_000, residual_ns=lognormal_table(1e6, 50e6))
SLOW = structs.replace(Model(), host=Host(states=(Stages(batch=SLOW_CYCLE),)))
MOODY = structs.replace(
    Model(),
    host=Host(
        states=(Stages(), Stages(batch=SLOW_CYCLE)),
        quiet=((0.9, 0.1), (0.5, 0.5)),
        disturbed=((0.2, 0.8), (0.2, 0.8)),
    ),
)
QUICK_TO_DECLARE_LOST = 0.4


def bets_of(tables):
    return tables["ops"][tables["ops"]["kind"] == int(OpKind.BET)]


def digest(tables):
    content = "".join(f"{name}{tables[name].to_csv(index=False)}" for name in TABLES)
    return hashlib.sha256(content.encode()).hexdigest()


def with_faults(*faults):
    return structs.replace(SMALL, faults=tuple(Fault(kind="kill", target=t, at_s=at_s) for t, at_s in faults))


def assert_consistent(scenario, model, folder):
    run = sim_run(Campaign(name="test", scenario=scenario), folder, model)
    verdicts = run_checks(run)
    expected = dict.fromkeys(verdicts, "ok") | dict.fromkeys(allowed_skips(run), "skipped")
    assert {name: verdict.status for name, verdict in verdicts.items()} == expected, verdicts
    return run


@pytest.fixture(scope="module")
def small():
    return simulate(SMALL, Model())


def test_equal_scenarios_give_equal_tables(small):
    assert digest(small) == digest(simulate(SMALL, Model()))


def test_equal_campaigns_give_equal_files(tmp_path):
    for name in ("one", "other"):
        sim_run(Campaign(name="test", scenario=SMALL), tmp_path / name)
    for table in TABLES:
        file = f"{table}.parquet"
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes(), table


def test_other_seeds_give_other_tables(small):
    assert digest(small) != digest(simulate(structs.replace(SMALL, seed=2), Model()))


def test_a_run_without_faults_answers_every_bet(small):
    bets = bets_of(small)
    assert len(bets) > 500
    assert set(bets["outcome"]) == {int(Outcome.OK)}
    assert (bets["attempts"] == 1).all()
    assert (bets["received_ns"] >= bets["invoke_ns"]).all()


def test_stage_stamps_follow_one_another(small):
    bets = bets_of(small)
    order = [
        "due_ns", "invoke_ns", "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns",
        "committed_ns", "replied_ns",
    ]  # fmt: skip
    # An answer may arrive before the gateway has done with writing it.
    for earlier, later in [*pairwise(order), ("replied_ns", "written_ns"), ("replied_ns", "return_ns")]:
        assert (bets[earlier] <= bets[later]).all(), (earlier, later)


def test_answers_and_pushes_keep_their_order_on_each_socket(small):
    pushes = small["pushes"]
    table_events = pushes[pushes["kind"] == int(PushKind.TABLE)]
    for _, heard in table_events.groupby("session"):
        by_seq = heard.sort_values("seq")
        assert by_seq["app_ns"].is_monotonic_increasing


@pytest.mark.parametrize(
    "faults",
    [
        (),
        (("gateway-1", 5.0),),
        (("gateway-0", 4.5), ("gateway-1", 7.0)),
        (("wallet-0", 5.0),),
        (("postgres", 6.0),),
        (("gateway-0", 6.0), ("wallet-1", 6.1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("model", [Model(), SLOW, MOODY], ids=["assumed", "slow", "moody"])
def test_every_consistency_check_holds(faults, model, tmp_path):
    assert_consistent(with_faults(*faults), model, tmp_path)


def test_bets_in_flight_through_a_killed_gateway_are_sent_again_and_counted_once(tmp_path):
    run = assert_consistent(with_faults(("gateway-1", 6.5)), SLOW, tmp_path)
    bets = run.ops[run.ops["kind"] == int(OpKind.BET)]
    again = bets[bets["attempts"] > 1]
    assert len(again) > 0
    assert set(again["gateway"]) == {0}
    assert (again["outcome"] != int(Outcome.UNKNOWN)).all()
    broken = run.sessions[run.sessions["close_code"] == 1006]
    assert set(broken["gateway"]) == {1}
    fault = run.faults.iloc[0]
    assert 0 < fault["t_ns"] < fault["detected_ns"] < fault["recovered_ns"]


def test_players_who_wait_too_long_reconnect_and_ask_again_with_the_same_id(tmp_path):
    scenario = structs.replace(SMALL, answer_s_max=QUICK_TO_DECLARE_LOST)
    run = assert_consistent(scenario, SLOW, tmp_path)
    assert (run.ops["attempts"] > 1).any()
    assert not run.ops["op"].duplicated().any()


def test_bets_that_come_after_the_cut_off_are_rejected(tmp_path):
    far = Host(states=(Stages(uplink_ns=(200_000_000,)),))
    run = assert_consistent(SMALL, structs.replace(Model(), host=far), tmp_path)
    bets = run.ops[run.ops["kind"] == int(OpKind.BET)]
    late = bets[bets["status"] == int(Status.WINDOW_CLOSED)]
    closes_ns = late["round"].map(run.rounds.set_index("round")["closes_ns"])
    assert len(late) > 0
    assert (late["received_ns"] >= closes_ns).all()


def test_a_poor_player_is_refused_and_never_overdrawn(tmp_path):
    run = assert_consistent(structs.replace(SMALL, deposit_minor=1_000), Model(), tmp_path)
    assert (run.ops["status"] == int(Status.INSUFFICIENT_FUNDS)).any()


def test_a_slower_wallet_leaves_the_players_intentions_alone(small):
    wanted = ["account", "round", "selection", "amount"]
    slow = bets_of(simulate(SMALL, SLOW))
    first_round = small["rounds"]["round"].min()
    both = [
        bets[bets["round"] == first_round].sort_values(wanted)[wanted].reset_index(drop=True)
        for bets in (bets_of(small), slow)
    ]
    pd.testing.assert_frame_equal(*both)


def test_a_slower_wallet_makes_slower_bets(small):
    medians = [
        (bets["return_ns"] - bets["due_ns"]).median() for bets in (bets_of(small), bets_of(simulate(SMALL, SLOW)))
    ]
    assert medians[1] > 20 * medians[0]


def test_a_costly_broadcast_delays_the_bets_behind_it(small):
    costly = structs.replace(Model(), fanout_ns=3_000_000)
    waits = [
        (bets["received_ns"] - bets["invoke_ns"]).quantile(0.99)
        for bets in (bets_of(small), bets_of(simulate(SMALL, costly)))
    ]
    assert waits[1] > waits[0] + 20_000_000


def test_rounds_begin_where_they_are_asked_to():
    starts = {1: FirstRound(5, -3.0), 2: FirstRound(9, 1.5)}
    rounds = simulate(SMALL, Model(), starts)["rounds"]
    first = rounds.sort_values("opens_ns").groupby("table").first()
    assert first["round_no"].to_dict() == {1: 5, 2: 9}
    for table, start in starts.items():
        offset_s = (first.loc[table, "opens_ns"] - load_start_ns(starts)) / 1e9
        assert offset_s == pytest.approx(start.opens_s, abs=0.05)


def test_nodes_are_noted_once_a_second_and_count_upwards(small):
    for _, notes in small["nodes"].groupby("node"):
        assert set(notes["t_ns"].diff().dropna()) == {1_000_000_000}
        assert notes["ops"].is_monotonic_increasing
        assert notes["cpu_ns"].is_monotonic_increasing


def test_no_process_works_longer_than_time_passes(small):
    for _, notes in small["nodes"].groupby("node"):
        assert (notes["cpu_ns"].diff().dropna() <= 1_000_000_000).all()


def test_faults_outside_the_model_are_left_out_and_named(tmp_path):
    scenario = with_faults(("nats", 5.0), ("gateway-1", 6.0), ("dealer", 7.0), ("edge-0", 7.0))
    run = assert_consistent(scenario, Model(), tmp_path)
    assert list(run.faults["target"]) == ["gateway-1"]
    assert run.manifest["not_modelled"] == ["kill of nats at 5 s", "kill of dealer at 7 s", "kill of edge-0 at 7 s"]


def test_a_run_says_whether_its_parameters_were_given(tmp_path):
    campaign = Campaign(name="test", scenario=structs.replace(SMALL, load_s=3.0))
    assert sim_run(campaign, tmp_path / "one").manifest["label"] == "assumed"
    assert sim_run(campaign, tmp_path / "other", Model()).manifest["label"] == "prediction"


def test_a_simulated_run_can_be_opened_again(tmp_path):
    sim_run(Campaign(name="test", scenario=SMALL), tmp_path)
    run = open_run(tmp_path)
    assert run.manifest["kind"] == "simulated"
    assert run.manifest["load_end_ns"] - run.manifest["load_start_ns"] == 12_000_000_000
