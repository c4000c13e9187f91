"""What each kind of fault does in simulated time, against what it must do by its own parameters."""

import numpy as np
import pytest
from histories import MS
from msgspec import structs

from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.round_timing import Timing
from reports.checks import allowed_skips, run_checks
from reports.recovery import recoveries
from sim.calibrate import fit
from sim.fault_kinds import Fault, FaultKind
from sim.faults import carried_out_in_a_crowd, heals_ns, not_modelled
from sim.parameters import Model
from sim.scenario import Betting, Campaign, Scenario
from sim.twin import sim_run, unseen

SMALL = Scenario(
    players_per_table=30, ramp_s=1.0, load_s=6.0, betting=Betting(participation=1.0, bets_per_round_mean=4.0),
    timing=Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300, flush_ms_max=1000),
)  # fmt: skip


def run_with(fault, folder):
    """Simulate with one fault; every check must hold."""
    campaign = Campaign(name="test", scenario=structs.replace(SMALL, faults=(fault,)))
    run = sim_run(campaign, folder, Model())
    assert run.manifest["not_modelled"] == []
    verdicts = run_checks(run)
    expected = dict.fromkeys(verdicts, "ok") | dict.fromkeys(allowed_skips(run), "skipped")
    assert {name: verdict.status for name, verdict in verdicts.items()} == expected, verdicts
    bets = run.ops[run.ops["kind"] == int(OpKind.BET)]
    return run, bets, run.faults.iloc[0]


@pytest.mark.parametrize(("kind", "target"), [("stop", "wallet-1"), ("blackhole", "postgres")])
def test_nobody_is_answered_by_a_shard_that_stands_still_and_nobody_is_forgotten(tmp_path, kind, target):
    run, bets, fault = run_with(Fault(kind=kind, target=target, at_s=1.0, for_s=1.2), tmp_path)
    assert (fault["ended_ns"] - fault["t_ns"], fault["recovered_ns"]) == (1200 * MS, fault["ended_ns"])
    struck = bets if target == "postgres" else bets[bets["shard"] == 1]
    assert not struck["committed_ns"].between(fault["t_ns"] + 1, fault["ended_ns"] - 1).any()
    waited = struck[(struck["invoke_ns"] < fault["ended_ns"]) & (struck["return_ns"] > fault["ended_ns"])]
    assert len(waited) > 10
    assert set(bets["outcome"]) <= {int(Outcome.OK), int(Outcome.REJECTED)}
    assert 0 <= recoveries(run)[0].served_ms < 4000


def test_a_gateway_that_stands_still_answers_nobody_and_others_go_on(tmp_path):
    _, bets, fault = run_with(Fault(kind="stop", target="gateway-0", at_s=1.0, for_s=1.2), tmp_path)
    read = bets[bets["received_ns"].between(fault["t_ns"] + 5 * MS, fault["ended_ns"] - 1)]
    assert set(read["gateway"]) == {1}


@pytest.mark.parametrize("kind", ["failing-fsync", "disk-full"])
def test_a_database_that_cannot_write_is_back_after_the_fault_and_not_before(tmp_path, kind):
    run, bets, fault = run_with(Fault(kind=kind, target="postgres", at_s=1.0, for_s=1.0), tmp_path)
    assert fault["t_ns"] < fault["detected_ns"] < fault["ended_ns"] < fault["recovered_ns"]
    assert not bets["committed_ns"].between(fault["t_ns"] + 1, fault["recovered_ns"] - 1).any()
    assert recoveries(run)[0].unknown == 0


@pytest.mark.parametrize(
    ("told", "longer_ns"),
    [({"kind": "slow-fsync", "latency_ms": 80}, 80 * MS),
     ({"kind": "latency", "latency_ms": 30, "jitter_ms": 10}, 70 * MS)],
    ids=["slow-fsync", "latency"],
)  # fmt: skip
def test_every_call_takes_longer_while_the_disk_or_the_way_to_it_is_slow(tmp_path, told, longer_ns):
    _, bets, fault = run_with(Fault(target="postgres", at_s=1.0, for_s=1.2, **told), tmp_path)
    took_ns = (bets["committed_ns"] - bets["batch_started_ns"]).to_numpy()
    begun = bets["batch_started_ns"].between(fault["t_ns"], fault["ended_ns"] - 1).to_numpy()
    calm = (bets["batch_started_ns"] < fault["t_ns"]).to_numpy()
    assert begun.sum() > 20
    assert took_ns[begun].min() >= longer_ns
    assert np.median(took_ns[begun]) - np.median(took_ns[calm]) == pytest.approx(longer_ns, rel=0.1)


@pytest.mark.parametrize(("lasts_ms", "heals_ms"), [(100, 200), (200, 200), (500, 600), (1400, 1400), (2300, 3000)])
def test_a_partition_heals_with_the_next_attempt_of_tcp(lasts_ms, heals_ms):
    assert heals_ns(FaultKind.PARTITION, lasts_ms * MS) == heals_ms * MS
    assert heals_ns(FaultKind.STOP, lasts_ms * MS) == lasts_ms * MS


def test_what_the_models_do_not_have_is_named():
    asked = [
        Fault(kind="clock-jump", target="gateway-0", at_s=1.0, for_s=1.0, shift_ms=500),
        Fault(kind="cut", target="wallet-0", at_s=2.0),
        Fault(kind="latency", target="nats", at_s=1.0, for_s=1.0, latency_ms=50),
        Fault(kind="stop", target="gateway-0", at_s=4.0, for_s=1.0),
        Fault(kind="slow-fsync", target="postgres", at_s=5.0, for_s=1.0, latency_ms=50),
        Fault(kind="stop", target="wallet-0", at_s=6.0, for_s=1.0),
    ]
    scenario = structs.replace(SMALL, faults=tuple(asked))
    assert not_modelled(scenario) == [str(fault) for fault in asked[:3]]
    assert unseen(scenario) == [str(fault) for fault in asked[:5]]
    assert [carried_out_in_a_crowd(fault) for fault in asked] == [False] * 5 + [True]


def test_what_a_fault_held_up_is_not_fitted(tmp_path):
    fault = Fault(kind="slow-fsync", target="postgres", at_s=1.0, for_s=1.2, latency_ms=300)
    struck, _, _ = run_with(fault, tmp_path / "struck")
    calm = sim_run(Campaign(name="test", scenario=SMALL), tmp_path / "calm", Model())
    p95_ns = [fit(run, "all").host.states[-1].batch.residual_ns[-4] for run in (struck, calm)]
    assert p95_ns[0] < p95_ns[1] + 50 * MS


def test_a_round_whose_end_nobody_told_makes_no_later_one_open_late(tmp_path):
    run = sim_run(Campaign(name="test", scenario=SMALL), tmp_path, Model())
    untold = run.rounds["round_no"] == run.rounds["round_no"].min()
    run.rounds.loc[untold, "settled_ns"] = 0
    assert max(fit(run, "all").open_ns) < 1000 * MS


def test_a_round_that_a_fault_met_is_not_fitted(tmp_path):
    run, _, fault = run_with(Fault(kind="stop", target="postgres", at_s=3.4, for_s=1.2), tmp_path)
    opened_late = run.rounds["opens_ns"] > fault["ended_ns"]
    assert opened_late.any()
    assert max(fit(run, "all").open_ns) < 1000 * MS


def test_nobody_asks_for_ever_for_what_is_never_answered(tmp_path):
    fault = Fault(kind="stop", target="wallet-1", at_s=1.0, for_s=600.0)
    run = sim_run(Campaign(name="test", scenario=structs.replace(SMALL, faults=(fault,))), tmp_path, Model())
    bets = run.ops[run.ops["kind"] == int(OpKind.BET)]
    assert (bets["outcome"] == int(Outcome.UNKNOWN)).sum() > 10
    assert run.sessions["closed_ns"].max() < run.manifest["load_end_ns"] + 125_000 * MS
