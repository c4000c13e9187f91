"""Bets without stamps."""

from histories import MS
from judging import a_fault, verdict_of
from planted.changing import nth, of, put

from reference_impl.domain.records import Outcome


def test_a_bet_without_stamps_is_unknown_unless_its_gateway_was_killed(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, written_ns=0)
    assert verdict_of("timeline", tables).status == "unknown"
    a_fault(tables, f"gateway-{of(tables, row, 'gateway')}", of(tables, row, "return_ns") + MS)
    verdict = verdict_of("timeline", tables)
    assert (verdict.status, verdict.counts["lost_with_a_gateway"]) == ("ok", 1)


def test_an_answer_may_be_read_before_its_writer_has_stamped_it(tables):
    row = nth(tables, Outcome.OK)
    put(tables, "ops", row, written_ns=of(tables, row, "return_ns") + MS)
    assert verdict_of("timeline", tables).status == "ok"
