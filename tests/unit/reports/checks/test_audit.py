"""A trail that is behind."""

from judging import verdict_of


def test_a_trail_that_ends_before_the_ledger_is_unknown(tables):
    tables["audit"] = tables["audit"].drop(tables["audit"].index[-3:])
    verdict = verdict_of("trail_equals_ledger", tables)
    assert (verdict.status, verdict.counts["behind"]) == ("unknown", 3)
