"""Checks of settlement: one end for every accepted bet, by the one outcome that is on record and was announced."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.roulette import SPOTS
from reference_impl.domain.records import PushKind
from reports.checks.history import History, taken
from reports.checks.odds import NUMBERS, table_of_returns
from reports.checks.ordering import positions, repeated
from reports.checks.verdict import Mask, Rule, Verdict, first_broken, ok, unknown

_OUTCOME, _VOID = "outcome", "void"
_RETURNS = table_of_returns([spot.name for spot in SPOTS])


def settled_once(history: History) -> Verdict:
    """Check that each accepted bet ended once, as the recorded outcome demands, and that everybody saw that outcome."""
    if history.ledger.empty:
        return unknown("there is no ledger export")
    ends, bets = _ends(history), _bets(history)
    counts = {"accepted": len(bets), "ended": len(ends), "rounds": history.rounds["round"].nunique()}
    rounds = history.rounds.drop(columns=["opened_seqs", "closed_seqs"])
    known = ends["decision"].isin((_OUTCOME, _VOID))
    endless = ~bets["ended"]
    broken = first_broken(
        (
            Rule("a bet that ended twice", ends, repeated(ends["op"].to_numpy())),
            Rule("an end without an accepted bet of that player and round", ends, ~ends["matched"]),
            Rule("an end of the wrong kind for its round's decision", ends, known & _wrong_kind(ends)),
            Rule("a payout that is not what the outcome pays", ends, known & (ends["amount"] != ends["expected"])),
            Rule("an accepted bet without an end in a round that ended", bets, endless & (bets["settled_ns"] > 0)),
            Rule("a round with two outcomes", rounds, _second_outcome(rounds)),
            *_decision_rules(history),
            *_push_rules(history),
        ),
        **counts,
    )
    if broken:
        return broken
    counts["undecided"] = int(endless.sum()) + int((~known).sum())
    if counts["undecided"]:
        return unknown(f"{counts['undecided']:,} bets are of rounds without a recorded decision or end", **counts)
    return ok(f"all {len(bets):,} accepted bets ended once, as the outcomes of their rounds demand", **counts)


def _bets(history: History) -> pd.DataFrame:
    bets = history.accepted[["shard", "seq", "op", "account", "round", "window", "selection", "amount"]].copy()
    bets["ended"] = positions(history.terminals["op"].to_numpy(), bets["op"].to_numpy()) >= 0
    bets["settled_ns"] = taken(history.rounds, "settled_ns", _round_rows(history, bets))
    return bets


def _ends(history: History) -> pd.DataFrame:
    ends = history.terminals[["shard", "seq", "op", "kind", "account", "amount", "round"]].copy()
    bet = positions(history.accepted["op"].to_numpy(), ends["op"].to_numpy())
    row = _round_rows(history, ends)
    for name in ("selection", "amount", "account", "round"):
        ends[f"bet_{name}"] = taken(history.accepted, name, bet)
    ends["matched"] = (bet >= 0) & (ends["account"] == ends["bet_account"]) & (ends["round"] == ends["bet_round"])
    ends["outcome"] = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    decisions = history.rounds["decision"].to_numpy(dtype=object)
    ends["decision"] = np.where(row >= 0, decisions[row], "unknown") if len(decisions) else "unknown"
    ends["expected"] = _payouts(ends)
    return ends


def _payouts(ends: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return what each bet is owed: what the published odds pay for its round's outcome, or its stake back."""
    selection, outcome, stake = (ends[name].to_numpy() for name in ("bet_selection", "outcome", "bet_amount"))
    on_layout = (selection >= 0) & (selection < len(SPOTS)) & (outcome >= 0) & (outcome < NUMBERS)
    gross = _RETURNS[np.where(on_layout, selection, 0), np.where(on_layout, outcome, 0)]
    pays = np.where(on_layout, gross * stake, -1)
    return np.where((ends["kind"] == int(EntryKind.SETTLE)).to_numpy(), pays, stake)


def _wrong_kind(ends: pd.DataFrame) -> pd.Series:
    kind, decision = ends["kind"], ends["decision"]
    settled_void = (kind == int(EntryKind.SETTLE)) & (decision == _VOID)
    voided_outcome = (kind == int(EntryKind.VOID)) & (decision == _OUTCOME)
    no_end = ~kind.isin((int(EntryKind.SETTLE), int(EntryKind.VOID), int(EntryKind.CANCEL)))
    return settled_void | voided_outcome | no_end


def _second_outcome(rounds: pd.DataFrame) -> Mask:
    first = rounds.groupby("round")[["outcome", "decision"]].transform("first")
    differs: Mask = ((first["outcome"] != rounds["outcome"]) | (first["decision"] != rounds["decision"])).to_numpy()
    return differs


def _decision_rules(history: History) -> tuple[Rule, ...]:
    ledger = history.ledger
    decided = ledger[ledger["kind"].to_numpy() == EntryKind.DECIDE].reset_index(drop=True)
    row = _round_rows(history, decided)
    recorded = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    differs = (recorded >= 0) & (decided["selection"].to_numpy() != recorded)
    return (
        Rule("a round that was decided twice", decided, repeated(decided["round"].to_numpy())),
        Rule("a decision that differs from the round's outcome", decided.assign(outcome=recorded), differs),
    )


def _push_rules(history: History) -> tuple[Rule, ...]:
    pushes = history.pushes
    told = pushes[(pushes["kind"] == int(PushKind.TABLE)) & (pushes["phase"] == int(Phase.RESULT))]
    told = told[["session", "table", "round", "outcome", "app_ns"]].reset_index(drop=True)
    row = _round_rows(history, told)
    told["recorded"] = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    decision = history.rounds["decision"].to_numpy(dtype=object)
    known = (decision[row] != "unknown") & (row >= 0) if len(decision) else np.zeros(len(told), dtype=bool)
    return (
        Rule(
            "a player who was told another outcome than the recorded one",
            told,
            known & (told["outcome"] != told["recorded"]),
        ),
    )


def _round_rows(history: History, entries: pd.DataFrame) -> npt.NDArray[np.int64]:
    return positions(history.rounds["round"].to_numpy(), entries["round"].to_numpy())
