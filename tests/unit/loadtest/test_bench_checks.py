import pytest

from loadtest.bench.checks import check_all, row_by_row
from loadtest.bench.long_history import long_history
from reference_impl.domain.errors import InvariantViolationError
from reports.checks import CHECKS


@pytest.fixture(scope="module")
def history():
    return long_history(1)


def rows_of(history):
    outcomes = dict(zip(history["rounds"]["round"], history["rounds"]["outcome"], strict=True))
    return history["ops"].to_dict("records"), history["ledger"].to_dict("records"), outcomes


def test_a_long_history_is_legal_by_every_check(history) -> None:
    assert list(check_all(history)) == list(CHECKS)


def test_what_is_not_legal_is_not_measured(history) -> None:
    broken = {**history, "audit": history["audit"].drop(7)}
    with pytest.raises(InvariantViolationError, match="trail_equals_ledger is illegal on a legal history"):
        check_all(broken)


def test_the_peer_finds_the_same_history_legal_and_a_broken_one_not(history) -> None:
    ops, ledger, outcomes = rows_of(history)
    row_by_row(ops, ledger, outcomes)
    ops[5]["balance"] += 1
    with pytest.raises(InvariantViolationError, match="is not in the journal as it was answered"):
        row_by_row(ops, ledger, outcomes)
