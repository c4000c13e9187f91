"""Storage that stands still is found in runs, taken out of what is fitted, and met again by simulations."""

import pytest
from known_truth import PLAN, TRUTH, played
from msgspec import structs

from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_S
from sim.calibrate import staged_bets
from sim.ensemble import Conditions, simulated
from sim.fault_kinds import Fault, FaultKind
from sim.stalls import Stall, apart, as_faults, stalls_of

STOOD = Stall(3.0, 0.4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    calm, other = (played(folder, 14, seed) for seed in (1, 2))
    return calm, with_a_stall(other)


def with_a_stall(run):
    """Return a run in which whatever was under way in the database at that moment ended so much later."""
    start_ns = int(run.manifest["load_start_ns"])
    at_ns, for_ns = start_ns + round(STOOD.at_s * NS_PER_S), round(STOOD.for_s * NS_PER_S)
    ops = run.ops.copy()
    calls = ops.loc[ops["committed_ns"] > at_ns].groupby("shard")["batch_started_ns"].min()
    held = ops["batch_started_ns"].isin(calls)
    for stamp in ("committed_ns", "replied_ns", "written_ns", "return_ns"):
        ops.loc[held, stamp] += for_ns
    return run.with_table("ops", ops)


def test_a_stall_that_nobody_noted_is_found_and_one_that_was_ordered_is_not(runs):
    calm, stood = runs
    none, found = stalls_of([calm, stood])
    assert none == ()
    assert [stall.for_s for stall in found] == [pytest.approx(STOOD.for_s, abs=0.05)]
    assert [stall.at_s for stall in found] == [pytest.approx(STOOD.at_s, abs=0.3)]
    assert stalls_of([calm, apart(stood, found)]) == [(), ()]


def test_what_a_stall_held_up_is_not_fitted_and_all_else_is(runs):
    calm, stood = runs
    _, found = stalls_of([calm, stood])
    start_ns = int(stood.manifest["load_start_ns"])
    before, after = staged_bets(stood, "all"), staged_bets(apart(stood, found), "all")
    left_out = before[~before.index.isin(after.index)]
    began_ns, ended_ns = (start_ns + round(at_s * NS_PER_S) for at_s in (found[0].at_s, sum(found[0])))
    assert len(left_out) > 0
    assert ((left_out["received_ns"] <= ended_ns) & (left_out["written_ns"] >= began_ns)).all()
    assert (after["committed_ns"] - after["batch_started_ns"]).max() < 0.2 * NS_PER_S < STOOD.for_s * NS_PER_S
    assert apart(calm, ()) is calm


def test_a_simulation_stands_still_when_its_campaign_did_on_all_shards():
    while_both_bet = Stall(2.0, STOOD.for_s)
    met = Conditions(source="here", others=(0.1,), first_s=(0.0, 0.5), stalls=(while_both_bet,))
    scenario = structs.replace(PLAN, players_per_table=14, shards=2)
    _, ops = simulated(scenario, TRUTH, met)
    bets = ops[(ops["kind"] == int(OpKind.BET)) & (ops["committed_ns"] > 0)]
    took = (bets["committed_ns"] - bets["wallet_received_ns"]).groupby(bets["shard"]).max() / NS_PER_S
    assert len(took) == 2
    assert (took > 0.3).all()
    _, calm = simulated(scenario, TRUTH, structs.replace(met, stalls=()))
    assert (calm["committed_ns"] - calm["wallet_received_ns"]).max() < 0.2 * NS_PER_S


def test_a_stall_is_a_database_that_is_stopped():
    assert as_faults([STOOD]) == (Fault(kind=FaultKind.STOP, target="postgres", at_s=3.0, for_s=0.4),)
