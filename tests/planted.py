"""One thing made wrong in a truthful history, for each anomaly that checks of messages, orders and trails name.

A plant changes the tables and returns what the witness must show.
"""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.game_round import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reports.run import frame_of

MS = 1_000_000
PART_NS = 320 * MS


def bet_rows(tables, which=Outcome.OK):
    ops = tables["ops"]
    return ops.index[(ops["kind"] == int(OpKind.BET)) & (ops["outcome"] == int(which)) & (ops["attempts"] == 1)]


def put(tables, table, row, **values):
    for column, value in values.items():
        tables[table].loc[row, column] = value


def pushes_of(tables, kind, **equal):
    pushes = tables["pushes"]
    wanted = pushes["kind"] == int(kind)
    for name, value in equal.items():
        wanted &= pushes[name] == value
    return pushes.index[wanted]


# --- timeline ----------------------------------------------------------------------------------------------------


def stamp_a_commit_before_its_start(tables):
    row = bet_rows(tables)[4]
    put(tables, "ops", row, committed_ns=int(tables["ops"].loc[row, "batch_started_ns"]) - 1)
    return {"op": int(tables["ops"].loc[row, "op"])}


def answer_before_it_was_asked(tables):
    row = bet_rows(tables)[4]
    put(tables, "ops", row, invoke_ns=int(tables["ops"].loc[row, "return_ns"]) + 1)
    return {"op": int(tables["ops"].loc[row, "op"])}


def handle_a_bet_twice(tables):
    row = bet_rows(tables)[4]
    put(tables, "ops", row, timelines=2)
    return {"timelines": 2}


def let_a_bet_overtake(tables):
    ops = tables["ops"].loc[bet_rows(tables)]
    lane = ops[(ops["gateway"] == 0) & (ops["shard"] == 0)].sort_values("received_ns")
    first, second = lane.index[:2]
    a, b = (int(ops.loc[row, "seq"]) for row in (first, second))
    put(tables, "ops", first, seq=b)
    put(tables, "ops", second, seq=a)
    return {"op": int(ops.loc[second, "op"]), "overtook_op": int(ops.loc[first, "op"])}


# --- events_complete ---------------------------------------------------------------------------------------------


def lose_an_event_of_one_player(tables):
    own = pushes_of(tables, PushKind.TABLE, session=3)
    seq = int(tables["pushes"].loc[own[2], "seq"])
    tables["pushes"] = tables["pushes"].drop(own[2])
    return {"session": 3, "seq_before": seq - 1, "seq": seq + 1}


def lose_an_event_of_everybody(tables):
    gone = pushes_of(tables, PushKind.TABLE, table=1, seq=4)
    tables["pushes"] = tables["pushes"].drop(gone)
    return {"table": 1, "seq": 5}


def send_an_event_twice(tables):
    row = pushes_of(tables, PushKind.TABLE, session=3)[2]
    tables["pushes"] = pd.concat([tables["pushes"], tables["pushes"].loc[[row]]], ignore_index=True)
    return {"session": 3, "seq": int(tables["pushes"].loc[row, "seq"])}


def swap_two_events(tables):
    first, second = pushes_of(tables, PushKind.TABLE, session=3)[1:3]
    a, b = (int(tables["pushes"].loc[row, "app_ns"]) for row in (first, second))
    put(tables, "pushes", first, app_ns=b)
    put(tables, "pushes", second, app_ns=a)
    return {"session": 3}


def hear_a_replaced_dealer(tables):
    tables["pushes"]["epoch"] += 1
    row = pushes_of(tables, PushKind.TABLE, session=3)[2]
    put(tables, "pushes", row, epoch=1)
    return {"session": 3, "epoch": 1}


def skip_a_number(tables):
    rows = {"shard": [0, 0], "batch": [900, 901], "linked": [1, 1], "table": [1, 1], "event": [1, 3]}
    tables["audit"] = pd.concat([tables["audit"], frame_of("audit", rows)], ignore_index=True)
    return {"table": 1, "event_before": 1, "event": 3}


def tell_two_tales(tables):
    row = pushes_of(tables, PushKind.TABLE, session=3)[2]
    put(tables, "pushes", row, phase=int(Phase.CLOSING_SOON))
    return {"seq": int(tables["pushes"].loc[row, "seq"])}


# --- told_truly --------------------------------------------------------------------------------------------------


def tell_another_payout(tables):
    row = pushes_of(tables, PushKind.PAID)[3]
    put(tables, "pushes", row, amount=int(tables["pushes"].loc[row, "amount"]) + 100)
    return {"op": int(tables["pushes"].loc[row, "op"])}


def pay_a_bet_without_end(tables):
    row = pushes_of(tables, PushKind.PAID)[3]
    put(tables, "pushes", row, op=123_456_789)
    return {"op": 123_456_789}


def tell_somebody_else(tables):
    row = pushes_of(tables, PushKind.PAID, session=1)[0]
    put(tables, "pushes", row, session=2)
    return {"session": 2, "ledger_account": 1}


def welcome_with_a_balance_that_never_was(tables):
    row = pushes_of(tables, PushKind.WELCOME)[2]
    put(tables, "pushes", row, balance=1)
    return {"balance": 1, "kind": int(PushKind.WELCOME)}


def welcome_with_an_old_balance(tables):
    pushes, ops = tables["pushes"], tables["ops"]
    row = pushes_of(tables, PushKind.WELCOME, session=1)[0]
    late_ns = int(ops.loc[ops["session"] == 1, "return_ns"].max()) + MS
    again = pushes.loc[[row]].assign(connection=np.int32(9), app_ns=late_ns + MS, seq=0)
    tables["pushes"] = pd.concat([pushes, again], ignore_index=True)
    connect = ops[(ops["session"] == 1) & (ops["kind"] == int(OpKind.CONNECT))]
    fresh = connect.assign(op=77_777, connection=np.int32(9), invoke_ns=late_ns, return_ns=late_ns + MS)
    tables["ops"] = pd.concat([ops, fresh], ignore_index=True)
    return {"session": 1, "connection": 9, "version": 1}


def never_tell_what_became_of_a_bet(tables):
    first = int(tables["rounds"]["round"].iloc[0])
    row = pushes_of(tables, PushKind.PAID, round=first)[0]
    op = int(tables["pushes"].loc[row, "op"])
    tables["pushes"] = tables["pushes"].drop(row)
    return {"op": op}


# --- spoilers ----------------------------------------------------------------------------------------------------


def announce_the_outcome_while_dealing(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.BETS_CLOSED))[0]
    put(tables, "pushes", row, outcome=7)
    return {"phase": int(Phase.BETS_CLOSED), "outcome": 7}


def tell_the_seed_while_bets_are_open(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.BETS_OPEN))[0]
    put(tables, "pushes", row, seed=5)
    return {"phase": int(Phase.BETS_OPEN), "seed": 5}


def _result_ns(tables, row):
    return int(tables["rounds"].set_index("round")["result_ns"][int(tables["pushes"].loc[row, "round"])])


def announce_the_result_too_soon(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    put(tables, "pushes", row, app_ns=_result_ns(tables, row) - 1)
    return {"phase": int(Phase.RESULT)}


def _in_the_lobby(tables, later_ns):
    """Put the first round's result into the lobby, so long after it was announced."""
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    at_ns = _result_ns(tables, row) + later_ns
    empty = dict.fromkeys(("epoch", "seq", "phase", "seed", "commitment", "media_ns"), 0)
    shown = tables["pushes"].loc[[row]].assign(**empty, kind=int(PushKind.LOBBY), app_ns=at_ns)
    rows = pd.concat([tables["pushes"], shown.astype(tables["pushes"].dtypes)], ignore_index=True)
    tables["pushes"] = rows
    return {"kind": int(PushKind.LOBBY), "app_ns": at_ns}


def show_the_outcome_in_the_lobby(tables):
    return _in_the_lobby(tables, -MS)


def show_the_outcome_in_the_lobby_before_the_pictures(tables):
    return _in_the_lobby(tables, 200 * MS)


def name_an_earlier_picture(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    put(tables, "pushes", row, media_ns=_result_ns(tables, row) - 50 * MS)
    return {"phase": int(Phase.RESULT), "media_ns": _result_ns(tables, row) - 50 * MS}


def _deal_early(tables, by_ns):
    """Begin the first round's deal so long before its shards closed; return the instant and the table."""
    closed_ns = int(tables["rounds"].loc[0, "bets_closed_ns"])
    put(tables, "rounds", 0, informative_ns=closed_ns - by_ns)
    return {"informative_ns": closed_ns - by_ns, "bets_closed_ns": closed_ns}


def show_the_deal_while_bets_are_taken(tables):
    return _deal_early(tables, 3 * PART_NS)


def film_the_result_before_the_close(tables):
    witness = _deal_early(tables, MS)
    taken_ns, glass = witness["informative_ns"], tables["glass"]
    put(tables, "glass", glass.index[0], captured_ns=taken_ns, arrived_ns=taken_ns - 4 * MS)
    return {**witness, "captured_ns": taken_ns}


def leave_a_picture_far_behind(tables):
    video = tables["video"]
    viewer = int(video["viewer"].iloc[0])
    tables["video"] = video.assign(latency_ms=video["latency_ms"].where(video["viewer"] != viewer, 6_001))
    return {"viewer": viewer, "latency_ms": 6_001}


def pay_before_the_result(tables):
    row = pushes_of(tables, PushKind.PAID)[0]
    put(tables, "pushes", row, app_ns=_result_ns(tables, row) - 1)
    return {"kind": int(PushKind.PAID)}


def _winner(tables):
    """Return a later bet of a player who won before, and the winning round's result."""
    ledger, ops = tables["ledger"], tables["ops"]
    wins = ledger[(ledger["kind"] == int(EntryKind.SETTLE)) & (ledger["amount"] > 0)]
    for win in wins.itertuples():
        later = ops[(ops["account"] == win.account) & (ops["shard"] == win.shard) & (ops["seq"] > win.seq)]
        later = later[later["outcome"] == int(Outcome.OK)]
        if len(later):
            return later.index[0], win
    raise LookupError("nobody won and went on")


def answer_with_a_payout_in_the_balance(tables):
    row, win = _winner(tables)
    result_ns = int(tables["rounds"].set_index("round")["result_ns"][win.round])
    put(tables, "ops", row, return_ns=result_ns - 1)
    return {"op": int(tables["ops"].loc[row, "op"])}


def welcome_with_a_payout_in_the_balance(tables):
    _, win = _winner(tables)
    result_ns = int(tables["rounds"].set_index("round")["result_ns"][win.round])
    row = pushes_of(tables, PushKind.WELCOME, session=win.account)[0]
    put(tables, "pushes", row, version=win.version, balance=win.balance_after, app_ns=result_ns - 1)
    return {"version": win.version}


# --- outcomes_verified -------------------------------------------------------------------------------------------


def decide_for_another_pocket(tables):
    outcome = (int(tables["rounds"]["outcome"][0]) + 1) % 37
    put(tables, "rounds", 0, outcome=outcome)
    return {"outcome": outcome}


def decide_by_another_seed(tables):
    put(tables, "rounds", 0, seed="00" * 32)
    return {"seed": "00" * 32}


def decide_over_a_head_that_never_was(tables):
    put(tables, "rounds", 0, closed_heads="00" * 32)
    return {"closed_heads": "00" * 32}


def commit_to_another_seed(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.BETS_OPEN))[0]
    put(tables, "pushes", row, commitment=99)
    return {"commitment": 99}


def reveal_another_seed(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    put(tables, "pushes", row, seed=99)
    return {"seed": 99}


# --- orders_kept -------------------------------------------------------------------------------------------------


def deposit_twice_what_was_ordered(tables):
    ledger = tables["ledger"]
    row = ledger.index[ledger["kind"] == int(EntryKind.DEPOSIT)][0]
    amount = int(ledger.loc[row, "amount"])
    put(tables, "ledger", row, amount=2 * amount)
    return {"account": int(ledger.loc[row, "account"]), "ordered": amount, "booked": 2 * amount}


def _correction(tables, ordered, booked):
    ledger = tables["ledger"]
    end = ledger[ledger["slot"] == int(Slot.TERMINAL)].iloc[[0]]
    entry = end.assign(slot=np.int8(Slot.CORRECTION), kind=np.int16(EntryKind.CORRECT), amount=booked, seq=90_001)
    tables["ledger"] = pd.concat([ledger, entry], ignore_index=True)
    if ordered is not None:
        order = {"kind": [int(EntryKind.CORRECT)], "op": end["op"], "account": end["account"], "status": [1]}
        amount = int(end["amount"].iloc[0]) + ordered
        orders = frame_of("orders", {**order, "amount": [amount]})
        tables["orders"] = pd.concat([tables["orders"], orders], ignore_index=True)
    return {"op": int(end["op"].iloc[0])}


def book_half_a_correction(tables):
    return _correction(tables, 400, 200)


def book_a_correction_that_nobody_ordered(tables):
    return _correction(tables, None, 200)


# --- fairness ----------------------------------------------------------------------------------------------------


def _refuse(tables, status, **more):
    row = bet_rows(tables)[4]
    put(tables, "ops", row, outcome=int(Outcome.REJECTED), status=int(status), **more)
    return {"op": int(tables["ops"].loc[row, "op"]), "status": int(status)}


def refuse_a_stake_within_limits(tables):
    return _refuse(tables, Status.BAD_AMOUNT, seq=0)


def refuse_a_spot_on_the_layout(tables):
    return _refuse(tables, Status.BAD_SELECTION, seq=0)


def refuse_for_money_that_was_there(tables):
    return _refuse(tables, Status.INSUFFICIENT_FUNDS)


def forget_a_round(tables):
    return _refuse(tables, Status.UNKNOWN_ROUND)


def forget_a_player(tables):
    return _refuse(tables, Status.UNKNOWN_PLAYER, seq=0)


def refuse_the_right_currency(tables):
    return _refuse(tables, Status.WRONG_CURRENCY, seq=0)


def refuse_a_fresh_id(tables):
    return _refuse(tables, Status.CONFLICT, seq=0)


def refuse_as_cancelled(tables):
    return _refuse(tables, Status.CANCELLED, seq=0)


# --- trail_equals_ledger -----------------------------------------------------------------------------------------


def lose_a_batch(tables):
    gone = int(tables["audit"].loc[6, "batch"])
    tables["audit"] = tables["audit"].drop(6)
    return {"expected_batch": gone}


def swap_two_batches(tables):
    order = [*range(6), 7, 6, *range(8, len(tables["audit"]))]
    tables["audit"] = tables["audit"].iloc[order].reset_index(drop=True)
    return {"batch": int(tables["audit"].loc[6, "batch"])}


def write_a_batch_twice(tables):
    order = [*range(7), *range(6, len(tables["audit"]))]
    tables["audit"] = tables["audit"].iloc[order].reset_index(drop=True)
    return {"seq": int(tables["audit"].loc[6, "seq"])}


def break_the_chain(tables):
    put(tables, "audit", 6, linked=0)
    return {"batch": int(tables["audit"].loc[6, "batch"]), "linked": 0}


def tell_another_amount(tables):
    put(tables, "audit", 6, amount=1)
    return {"amount": 1}


def lose_an_entry_of_a_batch(tables):
    audit = tables["audit"]
    audit["batch"] = (audit["batch"] + 1) // 2
    lost = audit.loc[6]
    tables["audit"] = audit.drop(6)
    return {"shard": int(lost["shard"]), "seq": int(lost["seq"])}


def lose_an_entry_of_the_ledger(tables):
    gone = tables["ledger"].iloc[6]
    tables["ledger"] = tables["ledger"].drop(tables["ledger"].index[6])
    return {"shard": int(gone["shard"]), "seq": int(gone["seq"])}


# --- no_late_bet -------------------------------------------------------------------------------------------------


def take_a_bet_after_the_shards_own_time(tables):
    rounds = tables["rounds"]
    rounds["accept_until_ns"] = [np.array(row) - 8_500 * MS for row in rounds["accept_until_ns"]]
    return {}


PLANTED = [
    ("timeline", stamp_a_commit_before_its_start),
    ("timeline", answer_before_it_was_asked),
    ("timeline", handle_a_bet_twice),
    ("timeline", let_a_bet_overtake),
    ("events_complete", lose_an_event_of_one_player),
    ("events_complete", lose_an_event_of_everybody),
    ("events_complete", send_an_event_twice),
    ("events_complete", swap_two_events),
    ("events_complete", hear_a_replaced_dealer),
    ("events_complete", skip_a_number),
    ("events_complete", tell_two_tales),
    ("told_truly", tell_another_payout),
    ("told_truly", pay_a_bet_without_end),
    ("told_truly", tell_somebody_else),
    ("told_truly", welcome_with_a_balance_that_never_was),
    ("told_truly", welcome_with_an_old_balance),
    ("told_truly", never_tell_what_became_of_a_bet),
    ("spoilers", announce_the_outcome_while_dealing),
    ("spoilers", tell_the_seed_while_bets_are_open),
    ("spoilers", announce_the_result_too_soon),
    ("spoilers", show_the_outcome_in_the_lobby),
    ("spoilers", show_the_outcome_in_the_lobby_before_the_pictures),
    ("spoilers", name_an_earlier_picture),
    ("spoilers", show_the_deal_while_bets_are_taken),
    ("spoilers", film_the_result_before_the_close),
    ("spoilers", leave_a_picture_far_behind),
    ("spoilers", pay_before_the_result),
    ("spoilers", answer_with_a_payout_in_the_balance),
    ("spoilers", welcome_with_a_payout_in_the_balance),
    ("outcomes_verified", decide_for_another_pocket),
    ("outcomes_verified", decide_by_another_seed),
    ("outcomes_verified", decide_over_a_head_that_never_was),
    ("outcomes_verified", commit_to_another_seed),
    ("outcomes_verified", reveal_another_seed),
    ("orders_kept", deposit_twice_what_was_ordered),
    ("orders_kept", book_half_a_correction),
    ("orders_kept", book_a_correction_that_nobody_ordered),
    ("fairness", refuse_a_stake_within_limits),
    ("fairness", refuse_a_spot_on_the_layout),
    ("fairness", refuse_for_money_that_was_there),
    ("fairness", forget_a_round),
    ("fairness", forget_a_player),
    ("fairness", refuse_the_right_currency),
    ("fairness", refuse_a_fresh_id),
    ("fairness", refuse_as_cancelled),
    ("trail_equals_ledger", lose_a_batch),
    ("trail_equals_ledger", swap_two_batches),
    ("trail_equals_ledger", write_a_batch_twice),
    ("trail_equals_ledger", break_the_chain),
    ("trail_equals_ledger", tell_another_amount),
    ("trail_equals_ledger", lose_an_entry_of_a_batch),
    ("trail_equals_ledger", lose_an_entry_of_the_ledger),
    ("no_late_bet", take_a_bet_after_the_shards_own_time),
]
