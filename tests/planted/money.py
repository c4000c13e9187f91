"""One thing made wrong in the ledger on its own, for each anomaly that a check names."""

import pandas as pd

from planted.changing import entry, nth, of, put
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.records import Outcome


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


PLANTED = [
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
]
