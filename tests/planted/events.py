"""One thing made wrong in table events and outcomes, for each anomaly that a check names."""

import pandas as pd

from planted.changing import pushes_of, put
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import PushKind
from reports.run import frame_of


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


PLANTED = [
    ("events_complete", lose_an_event_of_one_player),
    ("events_complete", lose_an_event_of_everybody),
    ("events_complete", send_an_event_twice),
    ("events_complete", swap_two_events),
    ("events_complete", hear_a_replaced_dealer),
    ("events_complete", skip_a_number),
    ("events_complete", tell_two_tales),
    ("outcomes_verified", decide_for_another_pocket),
    ("outcomes_verified", decide_by_another_seed),
    ("outcomes_verified", decide_over_a_head_that_never_was),
    ("outcomes_verified", commit_to_another_seed),
    ("outcomes_verified", reveal_another_seed),
]
