"""One thing made wrong in answers and the journal, for each anomaly that a check names."""

import pandas as pd

from planted.changing import entry, nth, of, put
from reference_impl.domain.bets import Status
from reference_impl.domain.records import OpKind, Outcome


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


def book_a_bet_twice(tables):
    op = of(tables, nth(tables, Outcome.OK), "op")
    again = tables["ledger"].loc[[entry(tables, op)]].assign(seq=99_999)
    tables["ledger"] = pd.concat([tables["ledger"], again], ignore_index=True)
    return {"op": op, "seq": 99_999}


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
    ("answers_agree", serve_a_later_bet_first),
    ("answers_agree", answer_an_older_version),
    ("answers_agree", answer_two_balances_of_a_version),
]
