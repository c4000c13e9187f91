"""Orders of unknown outcome."""

from judging import verdict_of
from planted.orders import deposit_twice_what_was_ordered


def test_an_order_without_an_answer_leaves_its_account_out(tables):
    deposit_twice_what_was_ordered(tables)
    tables["orders"]["status"] = 0
    verdict = verdict_of("orders_kept", tables)
    assert (verdict.status, verdict.counts["left_out"]) == ("ok", 16)
