"""One thing made wrong in a bet's instants, for each anomaly that a check names."""

from planted.changing import bet_rows, put


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


PLANTED = [
    ("timeline", stamp_a_commit_before_its_start),
    ("timeline", answer_before_it_was_asked),
    ("timeline", handle_a_bet_twice),
    ("timeline", let_a_bet_overtake),
]
