"""One thing made wrong in balances and payments that were told, for each anomaly that a check names."""

import numpy as np
import pandas as pd
from histories import MS

from planted.changing import pushes_of, put
from reference_impl.domain.records import OpKind, PushKind


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


PLANTED = [
    ("told_truly", tell_another_payout),
    ("told_truly", pay_a_bet_without_end),
    ("told_truly", tell_somebody_else),
    ("told_truly", welcome_with_a_balance_that_never_was),
    ("told_truly", welcome_with_an_old_balance),
    ("told_truly", never_tell_what_became_of_a_bet),
]
