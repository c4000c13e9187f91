"""One thing made wrong in what the operator ordered, for each anomaly that a check names."""

import numpy as np
import pandas as pd

from planted.changing import put
from reference_impl.domain.bets import EntryKind, Slot
from reports.run import frame_of


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


def deposit_twice_what_was_ordered(tables):
    ledger = tables["ledger"]
    row = ledger.index[ledger["kind"] == int(EntryKind.DEPOSIT)][0]
    amount = int(ledger.loc[row, "amount"])
    put(tables, "ledger", row, amount=2 * amount)
    return {"account": int(ledger.loc[row, "account"]), "ordered": amount, "booked": 2 * amount}


def book_half_a_correction(tables):
    return _correction(tables, 400, 200)


def book_a_correction_that_nobody_ordered(tables):
    return _correction(tables, None, 200)


PLANTED = [
    ("orders_kept", deposit_twice_what_was_ordered),
    ("orders_kept", book_half_a_correction),
    ("orders_kept", book_a_correction_that_nobody_ordered),
]
