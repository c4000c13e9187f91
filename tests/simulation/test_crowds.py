"""Crowds, storms and late devices in simulated time."""

import numpy as np
from msgspec import structs

from reference_impl.domain.bets import BetTiming, Status
from reference_impl.domain.games.roulette import GROSS
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.round_timing import Timing
from reports.checks import run_checks
from sim.faults import not_modelled
from sim.model import simulate
from sim.parameters import Model
from sim.people import late_s
from sim.processes import Poisson
from sim.scenario import Betting, Campaign, Clients, Crowd, Kind, Pace, Scenario, Storm, StormKind, arrivals
from sim.twin import sim_run
from sim.wiring import load_start_ns

TIMING = Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300)
SCENARIO = Scenario(players_per_table=20, ramp_s=1.0, load_s=12.0, timing=TIMING, deposit_minor=100_000_000)


def bets_of(tables):
    return tables["ops"][tables["ops"]["kind"] == int(OpKind.BET)]


def test_high_rollers_bet_in_their_own_way_and_leave_the_others_as_they_were():
    crowd = Crowd(kind=Kind.HIGH_ROLLER, count=3, arrival=Poisson(within_s=2.0))
    with_crowd = bets_of(simulate(structs.replace(SCENARIO, crowds=(crowd,)), Model()))
    rolling = with_crowd[with_crowd["account"] > 40]
    assert set(rolling["account"]) == set(range(41, 47))
    assert rolling.groupby(["account", "round"]).size().median() == 20
    assert rolling["amount"].min() >= 1_000
    wanted = ["account", "round", "selection", "amount"]
    plain = bets_of(simulate(SCENARIO, Model()))
    rest = with_crowd[with_crowd["account"] <= 40]
    first_rounds = [table[table["round"] % (1 << 32) <= 2] for table in (rest, plain)]  # the load's end cuts the last
    mine, theirs = (sorted(map(tuple, table[wanted].to_numpy().tolist())) for table in first_rounds)
    assert mine == theirs


def test_everybody_who_covers_the_layout_wins_in_every_round():
    betting = Betting(participation=1.0, covers=True)
    tables = simulate(structs.replace(SCENARIO, betting=betting), Model())
    bets = bets_of(tables)
    outcome = tables["rounds"].set_index("round")["outcome"]
    won = GROSS[bets["selection"].to_numpy(), bets["round"].map(outcome).to_numpy()] > 0
    by_player = bets.assign(won=won).groupby(["account", "round"])["won"].agg(["size", "sum"])
    whole = by_player[by_player["size"] == 3]  # the load's end and late arrivals cut some short
    assert len(whole) > 100
    assert (whole["sum"] == 1).all()


def test_a_reconnect_storm_breaks_its_share_of_the_connections_and_loses_no_bet(tmp_path):
    storm = Storm(kind=StormKind.RECONNECT, at_s=6.0, share=0.5)
    scenario = structs.replace(SCENARIO, storms=(storm,))
    run = sim_run(Campaign(name="storm", scenario=scenario), tmp_path)
    broken = run.sessions[run.sessions["close_code"] == 1006]
    assert 0.3 * 40 < len(broken) < 0.7 * 40
    assert set(broken["closed_ns"]) == {load_start_ns({}) + 6_000_000_000}
    assert set(run.sessions.groupby("session")["close_code"].last()) == {1000}
    assert (bets_of({"ops": run.ops})["outcome"] == int(Outcome.OK)).all()
    assert {verdict.status for verdict in run_checks(run).values()} <= {"ok", "skipped"}


def test_an_aimed_storm_meets_bets_in_flight_and_none_is_lost(tmp_path):
    storm = Storm(kind=StormKind.RECONNECT, at_s=4.0, before_close_ms=20)
    timing = BetTiming(repeat_share=0.0, late_share=1.0, late_mean_s=0.1)
    betting = Betting(participation=1.0, bets_per_round_mean=6.0, timing=timing)
    run = sim_run(
        Campaign(name="storm", scenario=structs.replace(SCENARIO, betting=betting, storms=(storm,))), tmp_path
    )
    bets, rounds = bets_of({"ops": run.ops}), run.rounds
    broken = run.sessions[run.sessions["close_code"] == 1006]
    assert len(broken) == 40
    assert set(broken["closed_ns"]) <= set(rounds["closes_ns"] - 20_000_000)
    assert (bets["attempts"] > 1).any()
    assert (bets["outcome"] != int(Outcome.UNKNOWN)).all()
    assert {verdict.status for verdict in run_checks(run).values()} <= {"ok", "skipped"}


def test_late_devices_bet_later_and_are_refused_on_record(tmp_path):
    betting = Betting(participation=1.0, bets_per_round_mean=4.0)
    clients = Clients(late_share=0.5, late_ms_max=1500)
    scenario = structs.replace(SCENARIO, betting=betting, clients=clients)
    run = sim_run(Campaign(name="late", scenario=scenario), tmp_path)
    bets = bets_of({"ops": run.ops})
    late = bets[bets["status"] == int(Status.WINDOW_CLOSED)]
    assert len(late) > 20
    assert min(late_s(scenario, player) for player in late["account"]) > 0
    assert {verdict.status for verdict in run_checks(run).values()} <= {"ok", "skipped"}


def test_what_has_no_model_is_named():
    scenario = structs.replace(
        SCENARIO,
        betting=Betting(pace=Pace.CLOSED),
        crowds=(Crowd(kind=Kind.ADVERSARY, count=2), Crowd(kind=Kind.LOBBY_BROWSER, count=3), Crowd(count=1)),
        storms=(Storm(kind=StormKind.EXIT_TO_LOBBY, at_s=3.0), Storm(kind=StormKind.RECONNECT, at_s=5.0)),
    )
    assert not_modelled(scenario) == [
        "4 of kind adversary", "6 of kind lobby-browser", "exit-to-lobby at 3 s", "a closed pace of betting",
    ]  # fmt: skip
    assert {arrival.kind for arrival in arrivals(scenario)} == {Kind.BETTOR}


def test_arrivals_of_load_and_simulation_are_the_same_instants():
    scenario = structs.replace(SCENARIO, crowds=(Crowd(count=30, table=1, arrival=Poisson(within_s=5.0)),))
    ops = simulate(scenario, Model())["ops"]
    logins = ops[ops["kind"] == int(OpKind.LOGIN)].sort_values("account")
    planned = [load_start_ns({}) + round(arrival.at_s * 1e9) for arrival in arrivals(scenario)]
    assert np.array_equal(logins["due_ns"], planned)
