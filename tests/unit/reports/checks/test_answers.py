"""Answers that never came, or came twice."""

from histories import Shape, make_tables
from judging import verdict_of
from planted.changing import nth, put

from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome


def test_unknown_bets_are_counted_by_what_became_of_them():
    tables = make_tables(Shape(lost_share=0.3, seed=4))
    verdict = verdict_of("unknowns_resolved", tables)
    counts = verdict.counts
    assert verdict.status == "ok"
    assert counts["unknown"] == counts["accepted"] + counts["refused"] + counts["never_happened"] > 0
    assert counts["accepted"] > 0
    assert counts["never_happened"] > 0


def test_a_second_attempt_that_was_turned_away_says_nothing_of_the_first(tables):
    row = nth(tables, Outcome.OK)
    overloaded = {"outcome": int(Outcome.REJECTED), "status": int(Status.OVERLOADED), "seq": 0}
    put(tables, "ops", row, **overloaded, attempts=2)
    assert verdict_of("acknowledged_is_durable", tables).status == "ok"
    put(tables, "ops", row, attempts=1)
    assert verdict_of("acknowledged_is_durable", tables).status == "illegal"
