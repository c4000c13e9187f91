"""One thing made wrong in refusals, for each anomaly that a check names."""

from planted.changing import bet_rows, put
from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome


def _refuse(tables, status, **more):
    row = bet_rows(tables)[4]
    put(tables, "ops", row, outcome=int(Outcome.REJECTED), status=int(status), **more)
    return {"op": int(tables["ops"].loc[row, "op"]), "status": int(status)}


def refuse_a_stake_within_limits(tables):
    return _refuse(tables, Status.BAD_AMOUNT, seq=0)


def refuse_a_spot_on_the_layout(tables):
    return _refuse(tables, Status.BAD_SELECTION, seq=0)


def refuse_for_money_that_was_there(tables):
    return _refuse(tables, Status.INSUFFICIENT_FUNDS)


def forget_a_round(tables):
    return _refuse(tables, Status.UNKNOWN_ROUND)


def forget_a_player(tables):
    return _refuse(tables, Status.UNKNOWN_PLAYER, seq=0)


def refuse_the_right_currency(tables):
    return _refuse(tables, Status.WRONG_CURRENCY, seq=0)


def refuse_a_fresh_id(tables):
    return _refuse(tables, Status.CONFLICT, seq=0)


def refuse_as_cancelled(tables):
    return _refuse(tables, Status.CANCELLED, seq=0)


PLANTED = [
    ("fairness", refuse_a_stake_within_limits),
    ("fairness", refuse_a_spot_on_the_layout),
    ("fairness", refuse_for_money_that_was_there),
    ("fairness", forget_a_round),
    ("fairness", forget_a_player),
    ("fairness", refuse_the_right_currency),
    ("fairness", refuse_a_fresh_id),
    ("fairness", refuse_as_cancelled),
]
