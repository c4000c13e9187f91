"""Every check on a clean history, and on histories in which one thing was made wrong."""

import json

import numpy as np
import pandas as pd
import planted
import pytest
from histories import MS, Shape, make_tables, write_history

from reference_impl.domain.bets import EntryKind, Slot, Status, TableLimits
from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.roulette import GROSS, SPOTS
from reference_impl.domain.records import FetchKind, OpKind, Outcome, PushKind
from reports.checks import CHECKS, History, allowed_skips, run_checks
from reports.checks.fairness import latency_deciles
from reports.checks.history import Terms
from reports.checks.odds import table_of_returns
from reports.run import frame_of, update_manifest

LIMITS = TableLimits(stake_minor_min=1, stake_minor_max=100_000, n_selections=len(SPOTS))


def verdict_of(name, tables):
    return CHECKS[name].function(History(tables, terms=Terms(limits=LIMITS)))


def nth(tables, which, n=5):
    """Return the row number in ``ops`` of the n-th accepted or rejected bet."""
    ops = tables["ops"]
    return ops.index[(ops["kind"] == int(OpKind.BET)) & (ops["outcome"] == int(which))][n]


def entry(tables, op, slot=Slot.FIRST):
    ledger = tables["ledger"]
    return ledger.index[(ledger["op"] == op) & (ledger["slot"] == int(slot))][0]


def put(tables, table, row, **values):
    for column, value in values.items():
        tables[table].loc[row, column] = value


def put_seqs(tables, column, seqs):
    """Replace the journal numbers of the first round."""
    tables["rounds"][column] = [seqs, *tables["rounds"][column][1:]]


def of(tables, row, column):
    return int(tables["ops"].loc[row, column])


# --- acknowledged_is_durable -------------------------------------------------------------------------------------


def lose_an_acknowledged_bet(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    tables["ledger"] = tables["ledger"].drop(entry(tables, op))
    return {"op": op}


def answer_another_balance(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, balance=of(tables, row, "balance") + 1)
    return {"op": of(tables, row, "op")}


def book_another_amount(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    put(tables, "ledger", entry(tables, op), amount=1)
    return {"op": op, "ledger_amount": 1}


def answer_from_another_shard(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, shard=7)
    return {"shard": 7}


def acknowledge_what_the_ledger_rejected(tables):
    row = nth(tables, Outcome.REJECTED, 0)
    put(tables, "ops", row, outcome=int(Outcome.OK))
    return {"ledger_status": int(Status.WINDOW_CLOSED)}


def forget_who_placed_a_bet(tables):
    row = nth(tables, Outcome.OK)
    op = of(tables, row, "op")
    tables["ops"] = tables["ops"].drop(row)
    return {"op": op}


def book_a_bet_that_was_never_sent(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, outcome=int(Outcome.REFUSED))
    return {"outcome": int(Outcome.REFUSED)}


def book_a_bet_that_was_turned_away(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, outcome=int(Outcome.REJECTED), status=int(Status.BAD_AMOUNT), seq=0)
    return {"status": int(Status.BAD_AMOUNT), "found": True}


def lose_a_rejection(tables):
    op = of(tables, nth(tables, Outcome.REJECTED, 0), "op")
    tables["ledger"] = tables["ledger"].drop(entry(tables, op))
    return {"op": op}


def use_an_id_twice(tables):
    first, second = nth(tables, Outcome.OK, 1), nth(tables, Outcome.OK, 2)
    put(tables, "ops", second, op=of(tables, first, "op"))
    return {"op": of(tables, first, "op")}


# --- unknowns_resolved -------------------------------------------------------------------------------------------


def book_a_bet_twice(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    again = tables["ledger"].loc[[entry(tables, op)]].assign(seq=99_999)
    tables["ledger"] = pd.concat([tables["ledger"], again], ignore_index=True)
    return {"op": op, "seq": 99_999}


# --- no_late_bet -------------------------------------------------------------------------------------------------


def close_a_window_earlier(tables):
    put_seqs(tables, "closed_seqs", tables["rounds"]["opened_seqs"][0] + 1)
    return {"round": int(tables["rounds"]["round"][0])}


def open_a_window_later(tables):
    put_seqs(tables, "opened_seqs", tables["rounds"]["closed_seqs"][0] - 1)
    return {"round": int(tables["rounds"]["round"][0])}


def accept_a_bet_received_at_the_closing_instant(tables):
    row = nth(tables, Outcome.OK)
    closes = tables["rounds"].set_index("round")["closes_ns"][of(tables, row, "round")]
    put(tables, "ops", row, received_ns=closes)
    return {"op": of(tables, row, "op"), "received_ns": int(closes)}


def commit_a_bet_after_dealing_began(tables):
    row = nth(tables, Outcome.OK)
    informative = tables["rounds"].set_index("round")["informative_ns"][of(tables, row, "round")]
    put(tables, "ops", row, committed_ns=informative + 1)
    return {"informative_ns": int(informative)}


# --- no_early_rejection ------------------------------------------------------------------------------------------


def refuse_a_bet_just_before_the_close(tables):
    row = nth(tables, Outcome.REJECTED, 0)
    closes = tables["rounds"].set_index("round")["closes_ns"][of(tables, row, "round")]
    put(tables, "ops", row, received_ns=closes - 1)
    return {"op": of(tables, row, "op"), "closes_ns": int(closes)}


# --- conservation ------------------------------------------------------------------------------------------------


def give_a_player_money(tables):
    put(tables, "accounts", 3, balance=tables["accounts"].loc[3, "balance"] + 1)
    return {"account": int(tables["accounts"].loc[3, "account"])}


def move_money_between_account_rows(tables):
    accounts = tables["accounts"]
    first, second = accounts.index[accounts["shard"] == 0][:2]
    put(tables, "accounts", first, balance=accounts.loc[first, "balance"] + 5)
    put(tables, "accounts", second, balance=accounts.loc[second, "balance"] - 5)
    return {"account": int(accounts.loc[first, "account"])}


def book_a_negative_amount(tables):
    put(tables, "ledger", 20, amount=-100)
    return {"amount": -100}


def export_an_account_twice(tables):
    tables["accounts"] = pd.concat([tables["accounts"], tables["accounts"].iloc[[4]]], ignore_index=True)
    return {"account": int(tables["accounts"].loc[4, "account"])}


# --- account_chains ----------------------------------------------------------------------------------------------


def leave_a_gap_in_the_journal(tables):
    ledger = tables["ledger"]
    gone = ledger.index[ledger["kind"] == int(EntryKind.CLOSE)][0]
    tables["ledger"] = ledger.drop(gone)
    return {"expected_seq": int(ledger.loc[gone, "seq"])}


def record_a_false_balance(tables):
    row = entry(tables, of(tables, nth(tables, Outcome.OK), "op"))
    put(tables, "ledger", row, balance_after=tables["ledger"].loc[row, "balance_after"] + 1)
    return {"seq": int(tables["ledger"].loc[row, "seq"])}


def skip_a_version(tables):
    row = entry(tables, of(tables, nth(tables, Outcome.OK), "op"))
    put(tables, "ledger", row, version=tables["ledger"].loc[row, "version"] + 1)
    return {"seq": int(tables["ledger"].loc[row, "seq"])}


def keep_a_stale_account_row(tables):
    row = tables["accounts"].index[tables["accounts"]["account"] == 1][0]
    put(tables, "accounts", row, version=1)
    return {"account": 1, "account_version": 1}


def lose_an_account_row(tables):
    tables["accounts"] = tables["accounts"][tables["accounts"]["account"] != 1]
    return {"account": 1}


# --- non_negative ------------------------------------------------------------------------------------------------


def overdraw_a_player(tables):
    row = entry(tables, of(tables, nth(tables, Outcome.OK), "op"))
    put(tables, "ledger", row, balance_after=-1)
    return {"balance_after": -1}


def leave_stakes_in_escrow(tables):
    ledger = tables["ledger"]
    row = ledger.index[ledger["kind"] == int(EntryKind.SWEEP)][0]
    left = int(ledger.loc[row, "amount"])
    tables["ledger"] = ledger.drop(row)
    return {"balance": left}


def sweep_more_than_there_is(tables):
    ledger = tables["ledger"]
    row = ledger.index[ledger["kind"] == int(EntryKind.SWEEP)][0]
    put(tables, "ledger", row, amount=ledger.loc[row, "amount"] + 100)
    return {"balance": -100}


# --- settled_once ------------------------------------------------------------------------------------------------


def forget_to_settle_a_bet(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    tables["ledger"] = tables["ledger"].drop(entry(tables, op, Slot.TERMINAL))
    return {"op": op, "ended": False}


def settle_a_bet_twice(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    again = tables["ledger"].loc[[entry(tables, op, Slot.TERMINAL)]].assign(seq=99_999)
    tables["ledger"] = pd.concat([tables["ledger"], again], ignore_index=True)
    return {"op": op}


def settle_a_rejected_bet(tables):
    rejected, accepted = (of(tables, nth(tables, which, 0), "op") for which in (Outcome.REJECTED, Outcome.OK))
    put(tables, "ledger", entry(tables, accepted, Slot.TERMINAL), op=rejected)
    return {"op": rejected, "matched": False}


def pay_too_much(tables):
    row = entry(tables, of(tables, nth(tables, Outcome.OK), "op"), Slot.TERMINAL)
    put(tables, "ledger", row, amount=tables["ledger"].loc[row, "amount"] + 1)
    return {"amount": int(tables["ledger"].loc[row, "amount"])}


def void_a_bet_of_a_settled_round(tables):
    row = entry(tables, of(tables, nth(tables, Outcome.OK), "op"), Slot.TERMINAL)
    put(tables, "ledger", row, kind=int(EntryKind.VOID))
    return {"kind": int(EntryKind.VOID), "decision": "outcome"}


def settle_a_void_round(tables):
    put(tables, "rounds", 0, decision="void", outcome=-1)
    return {"kind": int(EntryKind.SETTLE), "decision": "void"}


def tell_a_player_another_outcome(tables):
    pushes = tables["pushes"]
    row = pushes.index[pushes["phase"] == int(Phase.RESULT)][3]
    put(tables, "pushes", row, outcome=(pushes.loc[row, "outcome"] + 1) % 37)
    return {"session": int(pushes.loc[row, "session"])}


def record_two_outcomes(tables):
    again = (
        tables["rounds"].iloc[[0]].assign(window=np.int16(1), outcome=(tables["rounds"]["outcome"].iloc[0] + 1) % 37)
    )
    tables["rounds"] = pd.concat([tables["rounds"], again.astype({"outcome": "int32"})], ignore_index=True)
    return {"round": int(tables["rounds"]["round"].iloc[0]), "window": 1}


def decide_a_round_twice(tables):
    row = tables["rounds"].iloc[0]
    made = {"shard": [0, 0], "seq": [90_001, 90_002], "kind": [int(EntryKind.DECIDE)] * 2, "status": [1, 1]}
    made |= {"round": [row["round"]] * 2, "selection": [row["outcome"]] * 2}
    tables["ledger"] = pd.concat([tables["ledger"], frame_of("ledger", made)], ignore_index=True)
    return {"seq": 90_002}


def decide_another_outcome(tables):
    row = tables["rounds"].iloc[0]
    made = {"seq": [90_001], "kind": [int(EntryKind.DECIDE)], "status": [1], "round": [row["round"]]}
    made["selection"] = [(row["outcome"] + 1) % 37]
    tables["ledger"] = pd.concat([tables["ledger"], frame_of("ledger", made)], ignore_index=True)
    return {"seq": 90_001}


# --- answers_agree -----------------------------------------------------------------------------------------------


def serve_a_later_bet_first(tables):
    ops = tables["ops"]
    mine = ops[(ops["shard"] == 0) & (ops["outcome"] == int(Outcome.OK)) & (ops["kind"] == int(OpKind.BET))]
    first, last = mine["invoke_ns"].idxmin(), mine["invoke_ns"].idxmax()
    put(tables, "ops", first, seq=of(tables, last, "seq") + 1)
    return {}


def answer_an_older_version(tables):
    ops = tables["ops"]
    mine = ops[(ops["account"] == 1) & (ops["outcome"] == int(Outcome.OK)) & (ops["kind"] == int(OpKind.BET))]
    row = mine["seq"].idxmax()
    put(tables, "ops", row, version=0)
    return {"account": 1, "version": 0}


def answer_two_balances_of_a_version(tables):
    ops = tables["ops"]
    mine = ops[(ops["account"] == 1) & (ops["outcome"] == int(Outcome.OK)) & (ops["kind"] == int(OpKind.BET))]
    first, second = mine.sort_values("seq").index[:2]
    put(tables, "ops", second, version=of(tables, first, "version"))
    return {"account": 1}


# --- video_advances ----------------------------------------------------------------------------------------------


def part_rows(tables):
    video = tables["video"]
    return video.index[(video["kind"] == int(FetchKind.PART)) & (video["viewer"] == video["viewer"].min())]


def fetch_a_part_twice(tables):
    rows, video = part_rows(tables), tables["video"]
    put(tables, "video", rows[6], msn=int(video.loc[rows[5], "msn"]), part=int(video.loc[rows[5], "part"]))
    return {"viewer": int(video.loc[rows[6], "viewer"]), "part": int(video.loc[rows[5], "part"])}


def show_film_that_is_not_newer(tables):
    rows, video = part_rows(tables), tables["video"]
    put(tables, "video", rows[6], media_ns=int(video.loc[rows[5], "media_ns"]))
    return {"msn": int(video.loc[rows[6], "msn"]), "part": int(video.loc[rows[6], "part"])}


def get_a_part_before_it_was_filmed(tables):
    row = part_rows(tables)[6]
    media_ns = int(tables["video"].loc[row, "media_ns"])
    put(tables, "video", row, end_ns=media_ns - 3 * MS)
    return {"media_ns": media_ns}


def refuse_an_announced_part(tables):
    rows, video = part_rows(tables), tables["video"]
    asked_ns = int(video.loc[rows[6], "end_ns"]) + 100 * MS
    put(tables, "video", rows[6], status=404, start_ns=asked_ns, end_ns=asked_ns + MS)
    return {"msn": int(video.loc[rows[6], "msn"]), "status": 404}


PLANTED = [
    ("acknowledged_is_durable", lose_an_acknowledged_bet),
    ("acknowledged_is_durable", answer_another_balance),
    ("acknowledged_is_durable", book_another_amount),
    ("acknowledged_is_durable", answer_from_another_shard),
    ("acknowledged_is_durable", acknowledge_what_the_ledger_rejected),
    ("acknowledged_is_durable", forget_who_placed_a_bet),
    ("acknowledged_is_durable", book_a_bet_that_was_never_sent),
    ("acknowledged_is_durable", book_a_bet_that_was_turned_away),
    ("acknowledged_is_durable", lose_a_rejection),
    ("acknowledged_is_durable", use_an_id_twice),
    ("unknowns_resolved", book_a_bet_twice),
    ("no_late_bet", close_a_window_earlier),
    ("no_late_bet", open_a_window_later),
    ("no_late_bet", accept_a_bet_received_at_the_closing_instant),
    ("no_late_bet", commit_a_bet_after_dealing_began),
    ("no_early_rejection", refuse_a_bet_just_before_the_close),
    ("conservation", give_a_player_money),
    ("conservation", move_money_between_account_rows),
    ("conservation", book_a_negative_amount),
    ("conservation", export_an_account_twice),
    ("account_chains", leave_a_gap_in_the_journal),
    ("account_chains", record_a_false_balance),
    ("account_chains", skip_a_version),
    ("account_chains", keep_a_stale_account_row),
    ("account_chains", lose_an_account_row),
    ("non_negative", overdraw_a_player),
    ("non_negative", leave_stakes_in_escrow),
    ("non_negative", sweep_more_than_there_is),
    ("settled_once", forget_to_settle_a_bet),
    ("settled_once", settle_a_bet_twice),
    ("settled_once", settle_a_rejected_bet),
    ("settled_once", pay_too_much),
    ("settled_once", void_a_bet_of_a_settled_round),
    ("settled_once", settle_a_void_round),
    ("settled_once", tell_a_player_another_outcome),
    ("settled_once", record_two_outcomes),
    ("settled_once", decide_a_round_twice),
    ("settled_once", decide_another_outcome),
    ("video_advances", fetch_a_part_twice),
    ("video_advances", show_film_that_is_not_newer),
    ("video_advances", get_a_part_before_it_was_filmed),
    ("video_advances", refuse_an_announced_part),
    ("answers_agree", serve_a_later_bet_first),
    ("answers_agree", answer_an_older_version),
    ("answers_agree", answer_two_balances_of_a_version),
    *planted.PLANTED,
]


@pytest.mark.parametrize("name", CHECKS)
def test_a_clean_history_is_ok(name, tables):
    verdict = verdict_of(name, tables)
    assert (verdict.status, verdict.witness) == ("ok", None), verdict.message


@pytest.mark.parametrize(("name", "plant"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_violation_is_illegal_with_its_witness(name, plant, tables):
    expected = plant(tables)
    verdict = verdict_of(name, tables)
    assert verdict.status == "illegal", verdict.message
    assert verdict.witness is not None
    assert {key: verdict.witness[key] for key in expected} == expected
    assert verdict.counts["violations"] >= 1


def test_every_check_has_a_planted_violation():
    assert {name for name, _ in PLANTED} | {"exercised"} == set(CHECKS)


@pytest.mark.parametrize("name", [name for name in CHECKS if "ledger" in CHECKS[name].needs])
def test_without_the_ledger_a_check_that_needs_it_is_unknown(name, tables):
    tables["ledger"] = frame_of("ledger", {})
    assert verdict_of(name, tables).status == "unknown"


def test_a_window_without_close_entry_is_unknown(tables):
    put_seqs(tables, "closed_seqs", np.zeros(2, dtype=np.int64))
    assert verdict_of("no_late_bet", tables).status == "unknown"


def test_a_round_without_decision_is_unknown(tables):
    put(tables, "rounds", 0, decision="unknown", outcome=-1)
    assert verdict_of("settled_once", tables).status == "unknown"


def test_bets_of_an_unfinished_round_are_unknown_and_not_lost(tables):
    rounds, ledger = tables["rounds"], tables["ledger"]
    number = int(rounds["round"].iloc[-1])
    put(tables, "rounds", rounds.index[-1], settled_ns=0)
    ends = (ledger["round"] == number) & ledger["kind"].isin([int(EntryKind.SETTLE), int(EntryKind.SWEEP)])
    tables["ledger"] = ledger[~ends]
    assert verdict_of("settled_once", tables).status == "unknown"
    assert verdict_of("non_negative", tables).status == "unknown"


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


def test_unknown_bets_are_counted_by_what_became_of_them():
    tables = make_tables(Shape(lost_share=0.3, seed=4))
    verdict = verdict_of("unknowns_resolved", tables)
    counts = verdict.counts
    assert verdict.status == "ok"
    assert counts["unknown"] == counts["accepted"] + counts["refused"] + counts["never_happened"] > 0
    assert counts["accepted"] > 0
    assert counts["never_happened"] > 0


def test_a_second_attempt_that_was_turned_away_says_nothing_of_the_first(tables):
    row = nth(tables, Outcome.OK)
    overloaded = {"outcome": int(Outcome.REJECTED), "status": int(Status.OVERLOADED), "seq": 0}
    put(tables, "ops", row, **overloaded, attempts=2)
    assert verdict_of("acknowledged_is_durable", tables).status == "ok"
    put(tables, "ops", row, attempts=1)
    assert verdict_of("acknowledged_is_durable", tables).status == "illegal"


def test_checks_are_written_beside_the_run(tmp_path):
    run = write_history(tmp_path / "run")
    verdicts = run_checks(run)
    written = json.loads((run.path / "checks.json").read_text())
    assert {name: check["status"] for name, check in written.items()} == {
        name: v.status for name, v in verdicts.items()
    }
    assert list(verdicts) == list(CHECKS)


def test_a_check_is_skipped_if_the_target_cannot_give_its_records(tmp_path):
    run = update_manifest(write_history(tmp_path / "run"), capabilities={"ledger": False, "stages": True})
    skipped = {name for name, verdict in run_checks(run).items() if verdict.status == "skipped"}
    assert skipped == {name for name, check in CHECKS.items() if "ledger" in check.needs}


def test_a_part_that_was_hinted_and_never_came_is_no_violation(tables):
    put(tables, "video", part_rows(tables)[6], status=404)
    assert verdict_of("video_advances", tables).status == "ok"


def test_an_announced_part_that_a_new_origin_has_forgotten_is_excused(tables):
    refuse_an_announced_part(tables)
    at = int(tables["video"].loc[part_rows(tables)[6], "start_ns"]) - 100 * MS
    tables["faults"] = frame_of(
        "faults", {"t_ns": [at], "kind": ["kill"], "target": ["origin"], "recovered_ns": [at + MS]}
    )
    verdict = verdict_of("video_advances", tables)
    assert (verdict.status, verdict.counts["excused"]) == ("ok", 1)


def test_a_viewer_who_saw_nothing_leaves_the_video_unknown(tables):
    tables["video"] = tables["video"][tables["video"]["viewer"] != tables["video"]["viewer"].min()]
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=6))).status == "unknown"


def test_without_viewers_there_is_no_video_to_judge(tables):
    tables["video"] = frame_of("video", {})
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=0))).status == "ok"
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=6))).status == "unknown"


def test_parts_that_do_not_say_when_they_were_filmed_leave_the_video_unknown(tables):
    tables["video"]["media_ns"] = 0
    assert verdict_of("video_advances", tables).status == "unknown"


# --- what only the newer checks can say ----------------------------------------------------------------------------


def with_terms(name, tables, **terms):
    return CHECKS[name].function(History(tables, terms=Terms(limits=LIMITS, **terms)))


def test_a_fault_that_was_ordered_and_never_struck_leaves_the_run_unknown(tables):
    verdict = with_terms("exercised", tables, faults=(("kill", "gateway-1"),))
    assert (verdict.status, verdict.message) == ("unknown", "a fault that was ordered never struck: kill of gateway-1")
    tables["faults"] = frame_of("faults", {"t_ns": [5], "kind": ["kill"], "target": ["gateway-1"]})
    assert with_terms("exercised", tables, faults=(("kill", "gateway-1"),)).status == "ok"
    assert with_terms("exercised", tables, faults=(("kill", "gateway-1"),) * 2).status == "unknown"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("late-refused", Shape(late_share=0.4)),
        ("funds-refused", Shape(deposit_minor=1_000)),
        ("bet-resent", Shape(retried_share=0.4)),
        ("round-voided", Shape(void_share=1.0)),
    ],
)
def test_an_expected_path_must_have_been_taken(name, shape):
    assert with_terms("exercised", make_tables(shape), expect=(name,)).status == "ok"
    calm = make_tables(Shape(late_share=0.0, seed=2))
    assert with_terms("exercised", calm, expect=(name,)).status == "unknown"


def test_a_player_who_came_back_is_a_path_too(tables):
    assert with_terms("exercised", tables, expect=("reconnected",)).status == "unknown"
    ops = tables["ops"]
    again = ops[ops["kind"] == int(OpKind.CONNECT)].head(1).assign(op=77_777, connection=np.int32(2))
    tables["ops"] = pd.concat([ops, again], ignore_index=True)
    assert with_terms("exercised", tables, expect=("reconnected",)).counts["reconnected"] == 1


def a_fault(tables, target, at_ns):
    faults = {"t_ns": [at_ns], "kind": ["kill"], "target": [target], "recovered_ns": [at_ns + MS]}
    tables["faults"] = frame_of("faults", faults)


@pytest.mark.parametrize(("target", "status"), [("nats", "ok"), ("edge-0", "illegal")])
def test_an_event_that_was_missed_during_a_fault_is_excused_unless_only_the_video_broke(target, status, tables):
    planted.lose_an_event_of_one_player(tables)
    own = planted.pushes_of(tables, PushKind.TABLE, session=3)
    a_fault(tables, target, int(tables["pushes"].loc[own[1], "app_ns"]) + MS)
    assert verdict_of("events_complete", tables).status == status


def test_no_fault_excuses_a_number_that_the_trail_lacks(tables):
    planted.skip_a_number(tables)
    a_fault(tables, "nats", 1)
    tables["faults"]["recovered_ns"] = 0
    assert verdict_of("events_complete", tables).status == "illegal"


def test_a_connection_that_falls_silent_leaves_the_events_unknown(tables):
    own = planted.pushes_of(tables, PushKind.TABLE, session=3)
    tables["pushes"] = tables["pushes"].drop(own[-5:])
    verdict = verdict_of("events_complete", tables)
    assert (verdict.status, verdict.counts["silent"]) == ("unknown", 1)


def test_a_bet_without_stamps_is_unknown_unless_its_gateway_was_killed(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, written_ns=0)
    assert verdict_of("timeline", tables).status == "unknown"
    a_fault(tables, f"gateway-{of(tables, row, 'gateway')}", of(tables, row, "return_ns") + MS)
    verdict = verdict_of("timeline", tables)
    assert (verdict.status, verdict.counts["lost_with_a_gateway"]) == ("ok", 1)


def test_an_answer_may_be_read_before_its_writer_has_stamped_it(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, written_ns=of(tables, row, "return_ns") + MS)
    assert verdict_of("timeline", tables).status == "ok"


def test_a_trail_that_ends_before_the_ledger_is_unknown(tables):
    tables["audit"] = tables["audit"].drop(tables["audit"].index[-3:])
    verdict = verdict_of("trail_equals_ledger", tables)
    assert (verdict.status, verdict.counts["behind"]) == ("unknown", 3)


def test_refusals_by_limits_that_nobody_recorded_are_unknown(tables):
    planted.refuse_a_stake_within_limits(tables)
    assert CHECKS["fairness"].function(History(tables)).status == "unknown"


def test_a_round_that_opened_without_a_commitment_is_unknown(tables):
    tables["pushes"]["commitment"] = 0
    tables["pushes"]["seed"] = 0
    assert verdict_of("outcomes_verified", tables).status == "unknown"


def test_an_order_without_an_answer_leaves_its_account_out(tables):
    planted.deposit_twice_what_was_ordered(tables)
    tables["orders"]["status"] = 0
    verdict = verdict_of("orders_kept", tables)
    assert (verdict.status, verdict.counts["left_out"]) == ("ok", 16)


def test_deciles_tell_what_distance_costs(tables):
    ops = tables["ops"]
    bets = (ops["kind"] == int(OpKind.BET)) & (ops["received_ns"] > 0)
    far = bets & (ops["session"] > 12)
    for name in ("due_ns", "invoke_ns"):
        ops.loc[far, name] -= 900 * MS
    deciles = latency_deciles(History(tables))
    assert deciles["decile"].tolist() == list(range(1, 11))
    assert deciles["bets"].sum() == bets.sum()
    assert deciles["uplink_ms"].is_monotonic_increasing
    assert deciles["usable_ms"].iloc[0] - deciles["usable_ms"].iloc[-1] == pytest.approx(900, abs=20)


def test_only_a_simulation_may_skip_what_it_cannot_tell(tmp_path):
    untold = {"ledger": True, "audit": False}
    measured, simulated = (
        update_manifest(write_history(tmp_path / kind, kind=kind), capabilities=untold)
        for kind in ("measured", "simulated")
    )
    assert allowed_skips(measured) == frozenset()
    assert allowed_skips(simulated) == {"trail_equals_ledger"}


def test_the_published_odds_are_those_of_the_product():
    assert table_of_returns([spot.name for spot in SPOTS]).tolist() == GROSS.tolist()


def test_every_spot_returns_36_of_37_by_the_published_odds():
    assert set(table_of_returns([spot.name for spot in SPOTS]).sum(axis=1)) == {36}
