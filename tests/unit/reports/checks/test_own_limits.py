"""Bets of players with limits of their own: what was refused without need, and what was taken against their will."""

from dataclasses import replace

import pytest
from histories import S, Shape, make_tables

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.limits import NO_LIMIT_MINOR, LimitKind
from reports.checks.fairness import fairness
from reports.checks.history import History
from reports.run import frame_of

SHAPE = Shape(stake_limit_minor=900, loss_limit_minor=1_500, late_share=0.0)


@pytest.fixture(scope="module")
def careful():
    return make_tables(SHAPE)


@pytest.fixture
def tables(careful):
    return {name: frame.copy() for name, frame in careful.items()}


def bets(tables, status, limited=LimitKind.STAKE):
    """Return the places in the ledger of bets with this status, of players who limit their stakes or losses."""
    ledger, limits = tables["ledger"], tables["limits"]
    own = ledger["account"].isin(limits.loc[limits["kind"] == int(limited), "account"])
    return ledger.index[own & (ledger["kind"] == int(EntryKind.BET)) & (ledger["status"] == int(status))]


def answer(tables, place, status):
    """Have the ledger say that a bet was answered so; return its operation."""
    tables["ledger"].loc[place, "status"] = int(status)
    return int(tables["ledger"].loc[place, "op"])


def verdict_of(tables, **clock):
    return fairness(History(tables, **clock))


def test_refusals_by_limits_that_are_on_record_have_their_reason(tables):
    verdict = verdict_of(tables)
    assert verdict.status == "ok", verdict.message
    assert verdict.counts["own_limits"] == len(bets(tables, Status.STAKE_LIMIT)) + len(
        bets(tables, Status.LOSS_LIMIT, LimitKind.LOSS_DAY)
    )
    assert min(len(bets(tables, Status.STAKE_LIMIT)), len(bets(tables, Status.LOSS_LIMIT, LimitKind.LOSS_DAY))) > 3


@pytest.mark.parametrize("status", [Status.STAKE_LIMIT, Status.LOSS_LIMIT, Status.TIME_OUT, Status.EXCLUDED])
def test_a_bet_that_its_players_limits_allow_must_not_be_refused_for_them(status, tables):
    op = answer(tables, bets(tables, Status.ACCEPTED)[0], status)
    verdict = verdict_of(tables)
    assert (verdict.status, verdict.witness["op"], verdict.witness["status"]) == ("illegal", op, int(status))
    assert "own limits allow" in verdict.message


@pytest.mark.parametrize(
    ("limited", "status"), [(LimitKind.STAKE, Status.STAKE_LIMIT), (LimitKind.LOSS_DAY, Status.LOSS_LIMIT)]
)
def test_a_bet_against_its_players_limits_must_not_be_accepted(limited, status, tables):
    op = answer(tables, bets(tables, status, limited)[0], Status.ACCEPTED)
    verdict = verdict_of(tables)
    assert (verdict.status, verdict.witness["op"], verdict.witness["limits_say"]) == ("illegal", op, int(status))


def test_who_never_set_a_limit_is_refused_by_none(tables):
    careless = tables["ledger"][~tables["ledger"]["account"].isin(tables["limits"]["account"])]
    place = careless.index[(careless["kind"] == int(EntryKind.BET)) & (careless["status"] == int(Status.ACCEPTED))][0]
    op = answer(tables, place, Status.LOSS_LIMIT)
    verdict = verdict_of(tables)
    assert (verdict.status, verdict.witness["op"]) == ("illegal", op)


def test_a_looser_limit_that_holds_at_once_is_none_that_was_asked_for(tables):
    limits = tables["limits"]
    waiting = limits.index[limits["next_from_unix_ns"] > 0][0]
    limits.loc[waiting, ["held", "next_amount", "next_from_unix_ns"]] = [int(limits.loc[waiting, "amount"]), 0, 0]
    verdict = verdict_of(tables)
    assert (verdict.status, verdict.witness["account"]) == ("illegal", int(limits.loc[waiting, "account"]))
    assert "not what was asked" in verdict.message


def test_a_looser_limit_that_waits_less_than_a_day_holds_too_soon(tables):
    tables["limits"]["next_from_unix_ns"] -= 3600 * S * (tables["limits"]["next_from_unix_ns"] > 0)
    assert verdict_of(tables).status == "illegal"


def test_a_looser_limit_holds_when_its_day_is_over(tables):
    """Move the load a day on: what waited for its second half holds there, so refusals from then on are wrong."""
    limits, ledger = tables["limits"], tables["ledger"]
    limits.loc[limits["next_from_unix_ns"] > 0, "next_amount"] = NO_LIMIT_MINOR
    limits.loc[limits["next_from_unix_ns"] > 0, "amount"] = NO_LIMIT_MINOR
    asked = (ledger["kind"] == int(EntryKind.LIMIT)) & ledger["seq"].isin(
        limits.loc[limits["next_from_unix_ns"] > 0, "seq"]
    )
    ledger.loc[asked, "amount"] = NO_LIMIT_MINOR
    assert verdict_of(tables).status == "ok"
    verdict = verdict_of(tables, unix_ahead_ns=25 * 3600 * S)
    assert (verdict.status, verdict.witness["limits_say"]) == ("illegal", 0)


def test_limits_without_the_time_from_which_they_hold_leave_bets_undecided(tables):
    tables["limits"] = frame_of("limits", {})
    assert verdict_of(tables).status == "unknown"


def test_a_day_that_may_have_ended_before_a_bet_leaves_its_loss_undecided(tables):
    accepted = tables["ledger"].loc[bets(tables, Status.ACCEPTED, LimitKind.LOSS_DAY)]
    second = accepted.index[accepted["account"].duplicated()][0]
    op = answer(tables, second, Status.LOSS_LIMIT)
    assert verdict_of(tables).witness["op"] == op
    verdict = verdict_of(tables, clock_error_ns=24 * 3600 * S)
    assert verdict.status == "unknown", verdict


def test_what_came_back_counts_against_a_loss():
    tables = make_tables(replace(SHAPE, void_share=1.0))
    assert verdict_of(tables).status == "ok"
    tables["ledger"] = tables["ledger"][tables["ledger"]["kind"] != int(EntryKind.VOID)]
    assert verdict_of(tables).status == "illegal"
