"""Figures by kind of user, and the gain of late-betting adversaries, planted by hand."""

import pytest
from histories import Shape, make_manifest, make_tables

from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reports.judgement import judge
from reports.page import terminal_table
from reports.run import frame_of, write_run
from reports.users import adversary_gain, user_figures

SHAPE = Shape()
PEOPLE = {"bettor": [[1, 6], [9, 16]], "adversary": [[7, 8]]}


@pytest.fixture
def told():
    """A history in which every session hears of no more bets 2 ms after each cut-off."""
    tables = make_tables(SHAPE)
    bets = tables["ops"][tables["ops"]["kind"] == int(OpKind.BET)]
    closes_ns = bets["round"].map(tables["rounds"].set_index("round")["closes_ns"])
    heard = {
        "session": bets["session"], "table": bets["table"], "round": bets["round"], "kind": int(PushKind.TABLE),
        "phase": int(Phase.NO_MORE_BETS), "epoch": 1, "seq": range(len(bets)), "outcome": -1,
        "kernel_ns": closes_ns + 2_000_000, "app_ns": closes_ns + 2_000_000, "media_ns": 0,
    }  # fmt: skip
    tables["pushes"] = frame_of("pushes", heard)
    return tables


def run_of(tables, folder, **facts):
    return write_run(folder, make_manifest(SHAPE, people=PEOPLE, **facts), tables)


def an_adversarys_accepted_bet(tables):
    ops = tables["ops"]
    mine = (ops["kind"] == int(OpKind.BET)) & ops["session"].isin((7, 8)) & (ops["outcome"] == int(Outcome.OK))
    row = ops.index[mine][0]
    closes_ns = tables["rounds"].set_index("round")["closes_ns"]
    return row, int(closes_ns[ops.loc[row, "round"]])


def test_each_kinds_operations_are_counted_apart(told, tmp_path):
    figures = user_figures(run_of(told, tmp_path))
    bets = told["ops"][told["ops"]["kind"] == int(OpKind.BET)]
    assert figures["adversary"]["bet"]["offered"] == bets["session"].isin((7, 8)).sum()
    assert sum(own["bet"]["offered"] for own in figures.values()) == len(bets)
    assert "lobby" not in figures["bettor"]


def test_no_gain_is_said_when_nothing_late_was_accepted(told, tmp_path):
    gain = adversary_gain(run_of(told, tmp_path))
    assert gain is not None
    assert (gain.accepted_after_close, gain.accepted_after_told) == (0, 0)
    assert gain.last_accepted_ms is not None
    assert gain.last_accepted_ms < 0
    assert "none of these was accepted" in gain.sentence


@pytest.mark.parametrize(("after_ms", "gains"), [(1, (1, 0)), (3, (1, 1))])
def test_a_late_bet_that_was_accepted_is_a_gain(told, tmp_path, after_ms, gains):
    row, closes_ns = an_adversarys_accepted_bet(told)
    told["ops"].loc[row, ["invoke_ns", "received_ns"]] = closes_ns + after_ms * 1_000_000
    gain = adversary_gain(run_of(told, tmp_path))
    assert gain is not None
    assert (gain.accepted_after_close, gain.accepted_after_told) == gains
    assert gain.last_accepted_ms == after_ms
    assert f"{sum(gains)} of these were accepted" in gain.sentence


def test_a_run_without_adversaries_gains_nothing(told, tmp_path):
    run = write_run(tmp_path, make_manifest(SHAPE), told)
    assert adversary_gain(run) is None
    assert user_figures(run) == {}


@pytest.mark.parametrize(("pace", "label"), [("closed", "Closed model: "), ("mixed", "Partly a closed model: ")])
def test_a_closed_model_is_labelled(told, tmp_path, pace, label):
    run = run_of(told, tmp_path, pace=pace)
    said = f"{label}the next bet waits for the last answer, so latencies forgive"
    assert said in terminal_table(run, judge(run))


def test_what_the_simulation_leaves_out_is_said_beside_its_figures(told, tmp_path):
    run = run_of(told, tmp_path / "run", twin="../twin")
    manifest = {**make_manifest(SHAPE, "simulated", label="fit"), "not_modelled": ["2 of kind adversary"]}
    write_run(tmp_path / "twin", manifest, make_tables(SHAPE))
    assert "The simulation leaves out: 2 of kind adversary." in terminal_table(run, judge(run))
