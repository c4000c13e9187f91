"""One thing made wrong in when outcomes were told, for each anomaly that a check names."""

import pandas as pd
from histories import MS, PART_NS

from planted.changing import pushes_of, put
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import Outcome, PushKind


def _result_ns(tables, row):
    return int(tables["rounds"].set_index("round")["result_ns"][int(tables["pushes"].loc[row, "round"])])


def _in_the_lobby(tables, later_ns):
    """Put the first round's result into the lobby, so long after it was announced."""
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    at_ns = _result_ns(tables, row) + later_ns
    empty = dict.fromkeys(("epoch", "seq", "phase", "seed", "commitment", "media_ns"), 0)
    shown = tables["pushes"].loc[[row]].assign(**empty, kind=int(PushKind.LOBBY), app_ns=at_ns)
    rows = pd.concat([tables["pushes"], shown.astype(tables["pushes"].dtypes)], ignore_index=True)
    tables["pushes"] = rows
    return {"kind": int(PushKind.LOBBY), "app_ns": at_ns}


def _deal_early(tables, by_ns):
    """Begin the first round's deal so long before its shards closed; return the instant and the table."""
    closed_ns = int(tables["rounds"].loc[0, "bets_closed_ns"])
    put(tables, "rounds", 0, informative_ns=closed_ns - by_ns)
    return {"informative_ns": closed_ns - by_ns, "bets_closed_ns": closed_ns}


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


def announce_the_outcome_while_dealing(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.BETS_CLOSED))[0]
    put(tables, "pushes", row, outcome=7)
    return {"phase": int(Phase.BETS_CLOSED), "outcome": 7}


def tell_the_seed_while_bets_are_open(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.BETS_OPEN))[0]
    put(tables, "pushes", row, seed=5)
    return {"phase": int(Phase.BETS_OPEN), "seed": 5}


def announce_the_result_too_soon(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    put(tables, "pushes", row, app_ns=_result_ns(tables, row) - 1)
    return {"phase": int(Phase.RESULT)}


def show_the_outcome_in_the_lobby(tables):
    return _in_the_lobby(tables, -MS)


def show_the_outcome_in_the_lobby_before_the_pictures(tables):
    return _in_the_lobby(tables, 200 * MS)


def name_an_earlier_picture(tables):
    row = pushes_of(tables, PushKind.TABLE, phase=int(Phase.RESULT))[0]
    put(tables, "pushes", row, media_ns=_result_ns(tables, row) - 50 * MS)
    return {"phase": int(Phase.RESULT), "media_ns": _result_ns(tables, row) - 50 * MS}


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


PLANTED = [
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
]
