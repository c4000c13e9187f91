"""One thing made wrong in what ended bets, for each anomaly that a check names."""

import numpy as np
import pandas as pd

from planted.changing import entry, nth, of, put
from reference_impl.domain.bets import EntryKind, Slot
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import Outcome
from reports.run import frame_of


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


PLANTED = [
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
]
