"""What decides, and what excuses, around the cut-off."""

import numpy as np
from histories import MS
from judging import verdict_of
from planted.changing import nth, of, put, put_seqs
from planted.deadline import accept_a_bet_received_at_the_closing_instant, refuse_a_bet_just_before_the_close

from reference_impl.domain.records import Outcome
from reports.checks import CHECKS, History
from reports.run import frame_of


def test_a_window_without_close_entry_is_unknown(tables):
    put_seqs(tables, "closed_seqs", np.zeros(2, dtype=np.int64))
    assert verdict_of("no_late_bet", tables).status == "unknown"


def test_a_bet_sent_twice_is_judged_by_the_journal_and_not_by_its_second_stamp(tables):
    accept_a_bet_received_at_the_closing_instant(tables)
    put(tables, "ops", nth(tables, Outcome.OK), attempts=2)
    assert verdict_of("no_late_bet", tables).status == "ok"


def test_an_error_of_the_clocks_is_allowed_for(tables):
    accept_a_bet_received_at_the_closing_instant(tables)
    assert CHECKS["no_late_bet"].function(History(tables, clock_error_ns=MS)).status == "ok"


def test_a_rejection_during_a_fault_is_left_out_and_counted(tables):
    witness = refuse_a_bet_just_before_the_close(tables)
    at = witness["closes_ns"] - 100 * MS
    tables["faults"] = frame_of(
        "faults", {"t_ns": [at], "kind": ["kill"], "target": ["gateway-1"], "recovered_ns": [at + MS]}
    )
    verdict = verdict_of("no_early_rejection", tables)
    assert (verdict.status, verdict.counts["excluded"] > 0) == ("ok", True)


def test_a_fault_that_ended_before_the_window_excuses_nothing(tables):
    refuse_a_bet_just_before_the_close(tables)
    at = tables["rounds"]["opens_ns"].min() - 100 * MS
    tables["faults"] = frame_of(
        "faults", {"t_ns": [at], "kind": ["kill"], "target": ["gateway-1"], "recovered_ns": [at + MS]}
    )
    assert verdict_of("no_early_rejection", tables).status == "illegal"


def test_a_rejection_in_a_void_round_is_left_out(tables):
    witness = refuse_a_bet_just_before_the_close(tables)
    row = tables["ops"].index[tables["ops"]["op"] == witness["op"]][0]
    rounds = tables["rounds"]
    rounds.loc[rounds["round"] == of(tables, row, "round"), "decision"] = "void"
    assert verdict_of("no_early_rejection", tables).status == "ok"


def test_an_early_rejection_without_a_gateway_stamp_is_unknown(tables):
    row = nth(tables, Outcome.REJECTED, 0)
    closes = tables["rounds"].set_index("round")["closes_ns"][of(tables, row, "round")]
    put(tables, "ops", row, received_ns=0, invoke_ns=closes - MS)
    assert verdict_of("no_early_rejection", tables).status == "unknown"
