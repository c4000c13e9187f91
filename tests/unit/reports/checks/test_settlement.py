"""Rounds without an end, and the published odds."""

from judging import verdict_of
from planted.changing import put

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.games.roulette import GROSS, SPOTS
from reports.checks.odds import table_of_returns


def test_a_round_without_decision_is_unknown(tables):
    put(tables, "rounds", 0, decision="unknown", outcome=-1)
    assert verdict_of("settled_once", tables).status == "unknown"


def test_bets_of_an_unfinished_round_are_unknown_and_not_lost(tables):
    rounds, ledger = tables["rounds"], tables["ledger"]
    number = int(rounds["round"].iloc[-1])
    put(tables, "rounds", rounds.index[-1], settled_ns=0)
    ends = (ledger["round"] == number) & ledger["kind"].isin([int(EntryKind.SETTLE), int(EntryKind.SWEEP)])
    tables["ledger"] = ledger[~ends]
    assert verdict_of("settled_once", tables).status == "unknown"
    assert verdict_of("non_negative", tables).status == "unknown"


def test_the_published_odds_are_those_of_the_product():
    assert table_of_returns([spot.name for spot in SPOTS]).tolist() == GROSS.tolist()


def test_every_spot_returns_36_of_37_by_the_published_odds():
    assert set(table_of_returns([spot.name for spot in SPOTS]).sum(axis=1)) == {36}
