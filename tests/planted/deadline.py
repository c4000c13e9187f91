"""One thing made wrong in the cut-off, for each anomaly that a check names."""

import numpy as np
from histories import MS

from planted.changing import nth, of, put, put_seqs
from reference_impl.domain.records import Outcome


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


def refuse_a_bet_just_before_the_close(tables):
    row = nth(tables, Outcome.REJECTED, 0)
    closes = tables["rounds"].set_index("round")["closes_ns"][of(tables, row, "round")]
    put(tables, "ops", row, received_ns=closes - 1)
    return {"op": of(tables, row, "op"), "closes_ns": int(closes)}


def take_a_bet_after_the_shards_own_time(tables):
    rounds = tables["rounds"]
    rounds["accept_until_ns"] = [np.array(row) - 8_500 * MS for row in rounds["accept_until_ns"]]
    return {}


PLANTED = [
    ("no_late_bet", close_a_window_earlier),
    ("no_late_bet", open_a_window_later),
    ("no_late_bet", accept_a_bet_received_at_the_closing_instant),
    ("no_late_bet", commit_a_bet_after_dealing_began),
    ("no_early_rejection", refuse_a_bet_just_before_the_close),
    ("no_late_bet", take_a_bet_after_the_shards_own_time),
]
