"""Figures of a Run against the same numbers got by hand."""

from dataclasses import replace

import numpy as np
import pytest
from histories import DEMO, LOAD_START_NS, MS, S, Shape, make_manifest, make_tables, write_history

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind, Outcome
from reports import video
from reports.latency import latency_ms
from reports.limits import GROUPS, parse_figure
from reports.measures import measure
from reports.recovery import recoveries
from reports.run import update_manifest, write_run
from reports.series import bets
from reports.slo import LimitResult, slo_results


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    shape = replace(DEMO, players=20, surge_players=20, void_share=0.3, lost_share=0.05)
    tables = make_tables(shape)
    logins = tables["ops"].index[tables["ops"]["kind"] == int(OpKind.LOGIN)]
    tables["ops"].loc[logins[::2], "kind"] = int(OpKind.LOBBY)  # invented players do not look at the lobby
    return write_run(tmp_path_factory.mktemp("run"), make_manifest(shape), tables)


def value(run, text):
    return measure(run, parse_figure(text)).value


def test_percentiles_count_from_the_intended_start(run):
    waited = latency_ms(bets(run))
    assert value(run, "bet.p99.9_ms") == pytest.approx(np.percentile(waited, 99.9))
    assert value(run, "bet.max_ms") == pytest.approx(waited.max())
    assert value(run, "bet.mean_ms") == pytest.approx(waited.mean())
    assert measure(run, parse_figure("bet.p50_ms")).n == len(waited)


def test_counts_shares_and_rates_add_up(run):
    outcomes = ("ok", "rejected", "unknown", "refused")
    assert sum(value(run, f"bet.{name}") for name in outcomes) == value(run, "bet.offered") == len(bets(run))
    assert sum(value(run, f"bet.{name}_share") for name in outcomes) == pytest.approx(1, abs=1e-5)
    assert value(run, "bet.offered_per_s") == pytest.approx(len(bets(run)) / 74.0)


def test_filters_keep_a_table_and_a_stretch_of_time(run):
    rows = bets(run)
    since_s = (rows["due_ns"] - LOAD_START_NS) / S
    kept = rows[(rows["table"] == 1) & (since_s >= 20) & (since_s < 40)]
    assert 0 < len(kept) < len(rows)
    assert value(run, "bet[table=1,from=20,to=40].offered") == len(kept)
    assert value(run, "bet[table=1,from=20,to=40].p95_ms") == pytest.approx(np.percentile(latency_ms(kept), 95))
    assert value(run, "bet[from=20,to=40].offered_per_s") == pytest.approx(
        value(run, "bet[from=20,to=40].offered") / 20
    )
    assert value(run, "bet[from=64].offered_per_s") == pytest.approx(value(run, "bet[from=64].offered") / 10)


def test_what_is_not_there_is_not_measured(run):
    assert measure(run, parse_figure("bet[table=9].p99_ms")) == (None, 0)
    assert value(run, "bet[table=9].ok_share") is None
    assert value(run, "video[edge=7].stalled_share") is None
    assert value(run, "video[edge=1].glass_p50_ms") is None, "the camera's clock is not read by edge"


def test_video_is_that_of_its_summary_and_filters_reach_it(run):
    said = video.video_summary(run)
    for name in ("stalls", "stalled_share", "stall_s", "viewers", "latency_p95_ms", "glass_p50_ms", "fetches"):
        assert value(run, f"video.{name}") == pytest.approx(said[name])
    assert value(run, "video[table=2].viewers") == 3
    assert value(run, "video[table=2].stalls") == 0
    assert value(run, "video.delivery_p50_ms") == pytest.approx(np.median(video.delivery_ms(run)))


def test_rounds_and_faults_have_figures(run):
    rounds, fault = run.rounds, run.faults.iloc[0]
    assert value(run, "round.count") == 12
    assert value(run, "round.void_share") == pytest.approx((rounds["decision"] == "void").mean(), abs=1e-5)
    settled = rounds[rounds["result_ns"] > 0]
    assert value(run, "round.settle_max_ms") == ((settled["settled_ns"] - settled["result_ns"]) / MS).max()
    assert value(run, "fault.recovery_max_ms") == (fault["recovered_ns"] - fault["t_ns"]) / MS
    assert (value(run, "fault.count"), value(run, "fault.unrecovered")) == (1, 0)
    assert value(run, "fault[target=gateway,kind=kill].count") == 1
    assert value(run, "fault[target=wallet].count") == 0


def test_a_fault_is_over_when_those_whom_it_struck_were_served_again(run):
    (one,) = recoveries(run)
    fault = run.faults.iloc[0]
    assert (one.kind, one.target) == ("kill", "gateway-1")
    assert one.hit == one.accepted + one.refused + one.unknown > 0
    there = (run.sessions["gateway"] == 1) & (run.sessions["opened_ns"] <= fault["t_ns"])
    there &= run.sessions["closed_ns"] >= fault["t_ns"]
    theirs = run.ops[run.ops["session"].isin(run.sessions.loc[there, "session"])]
    good = theirs[(theirs["kind"] == int(OpKind.BET)) & (theirs["outcome"] == int(Outcome.OK))]
    first_ns = good.loc[good["invoke_ns"] >= fault["t_ns"], "return_ns"].min()
    assert one.served_ms == pytest.approx((first_ns - fault["t_ns"]) / MS, abs=0.1)
    assert value(run, "fault[target=gateway].served_max_ms") == one.served_ms


@pytest.mark.parametrize("group", [name for name in GROUPS if name != "leak"])  # that wants longer runs: test_leaks.py
def test_every_figure_can_be_measured(run, group):
    assert all(value(run, f"{group}.{name}") is not None for name in GROUPS[group].figures)


def test_a_limit_that_could_not_be_measured_is_broken_and_a_value_at_the_limit_holds():
    assert not LimitResult("bet.p99_ms", "<=", 250.0, None, "ms").ok
    assert LimitResult("bet.p99_ms", "<=", 250.0, 250.0, "ms").ok
    assert not LimitResult("bet.p99_ms", "<", 250.0, 250.0, "ms").ok


def test_limits_are_those_of_the_manifest(run, tmp_path):
    other = write_history(tmp_path, Shape())
    campaign = {**other.manifest["campaign"], "slo": ["bet[table=1].ok_per_s >= 1e6", "bet.refused <= 0"]}
    results = slo_results(update_manifest(other, campaign=campaign))
    assert [(result.text, result.ok) for result in results] == [
        ("bet[table=1].ok_per_s >= 1e+06", False), ("bet.refused <= 0", True),
    ]  # fmt: skip


def test_limits_of_an_older_manifest_are_refused_in_one_line(tmp_path):
    other = write_history(tmp_path, Shape())
    campaign = {**other.manifest["campaign"], "slo": {"bet_p99_ms_max": 250.0}}
    with pytest.raises(ConfigError, match="slo 'bet_p99_ms_max': must be GROUP"):
        slo_results(update_manifest(other, campaign=campaign))
