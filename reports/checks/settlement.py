"""Checks of settlement: one end for every accepted bet, by the one outcome that is on record and was announced."""

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.game import Stages, StandingBet
from reference_impl.domain.games.roulette import SPOTS
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import PushKind
from reports.checks.history import History, taken
from reports.checks.odds import NUMBERS, table_of_returns
from reports.checks.ordering import Integers, found_among, group_starts, repeated
from reports.checks.verdict import Mask, Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

_OUTCOME, _VOID = 1, 2
_ROULETTE = ("roulette", "")
"""Rounds without a game are of a time when there was one."""
_NAMES = np.array(["unknown", "outcome", "void"], dtype=object)
_RETURNS = table_of_returns([spot.name for spot in SPOTS])


def settled_once(history: History) -> Verdict:
    """Check that each accepted bet ended once, as the recorded outcome demands, and that everybody saw that outcome."""
    if history.ledger.empty:
        return unknown("there is no ledger export")
    ends, bets = _ends(history), _bets(history)
    counts = {"accepted": len(bets), "ended": len(ends), "rounds": history.rounds["round"].nunique()}
    rounds = history.rounds.drop(columns=["opened_seqs", "closed_seqs"])
    known = ends["decided"] != 0
    endless = ~bets["ended"]
    broken = first_broken(
        (
            Rule("a bet that ended twice", ends, repeated(ends["op"])),
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


def _bets(history: History) -> View:
    bets = history.accepted.at(None, "shard", "seq", "op", "account", "round", "window", "selection", "amount")
    ended = found_among(bets["op"], history.terminals["op"], history.bet_of_end)
    return bets.adding(ended=ended, settled_ns=history.of_round("settled_ns", bets["round"]))


def _ends(history: History) -> View:
    ends = history.terminals.at(None, "shard", "seq", "op", "kind", "account", "amount", "round")
    bet = history.bet_of_end
    names = ("selection", "amount", "account", "round", "window", "seq")
    bets = {f"bet_{name}": taken(history.accepted, name, bet) for name in names}
    matched = (bet >= 0) & (ends["account"] == bets["bet_account"]) & (ends["round"] == bets["bet_round"])
    row = history.round_rows(ends["round"])
    outcome = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    decided = _decided(history, row)
    ends = ends.adding(**bets, matched=matched, outcome=outcome, decided=decided, decision=_NAMES[decided],
                       game=_games(history, row))  # fmt: skip
    return ends.adding(expected=_payouts(ends))


def _decided(history: History, row: Integers) -> Integers:
    """Return, for rows of :attr:`History.rounds`, whether an outcome or a void is on record (0: neither)."""
    codes = np.zeros(len(history.rounds) + 1, dtype=np.int64)
    for decision, code in (("outcome", _OUTCOME), ("void", _VOID)):
        codes[:-1][(history.rounds["decision"] == decision).to_numpy()] = code
    return codes[row]


def _games(history: History, row: Integers) -> npt.NDArray[np.object_]:
    return np.append(history.rounds["game"].to_numpy(dtype=object), "")[row]


def _is_roulette(names: npt.NDArray[np.object_]) -> Mask:
    known: Mask = np.isin(names.astype(str), _ROULETTE)
    return known


def _pay_as_the_game_does(name: str, ends: View, pays: npt.NDArray[np.int64]) -> None:
    """Fill in what the odds of a game other than roulette pay; -1 stays where they pay nothing that is known."""
    game = GAMES.get(name)
    if game is None:
        return
    if game.stages is not None:
        _pay_by_all_bets(name, game.stages, ends, pays)
        return
    selection, stake = ends["bet_selection"], ends["bet_amount"]
    mine = (ends["game"] == name) & (selection >= 0) & (selection < len(game.spots))
    for outcome in np.unique(ends["outcome"][mine]).tolist():
        if game.is_outcome(outcome):
            rows = np.flatnonzero(mine & (ends["outcome"] == outcome))
            pays[rows] = game.payouts_minor(selection[rows], stake[rows], outcome)


def _pay_by_all_bets(name: str, stages: Stages, ends: View, pays: npt.NDArray[np.int64]) -> None:
    """Fill in what a game pays in which a bet's pay depends on what else its player staked and decided in the round."""
    settled = (ends["game"] == name) & (ends["kind"] == int(EntryKind.SETTLE)) & ends["matched"]
    rows = np.flatnonzero(settled)
    rows = rows[np.lexsort((ends["bet_seq"][rows], ends["shard"][rows], ends["round"][rows]))]
    starts = np.flatnonzero(group_starts(ends["round"][rows]))
    columns = [ends[f"bet_{column}"][rows].tolist() for column in ("account", "window", "selection", "amount")]
    bets = list(map(StandingBet, *columns))
    for first, end in itertools.pairwise([*starts.tolist(), len(rows)]):
        outcome = int(ends["outcome"][rows[first]])
        if GAMES[name].is_outcome(outcome):
            pays[rows[first:end]] = stages.payouts(bets[first:end], outcome)


def _payouts(ends: View) -> npt.NDArray[np.int64]:
    """Return what each bet is owed: what the published odds pay for its round's outcome, or its stake back."""
    selection, outcome, stake = (ends[name] for name in ("bet_selection", "outcome", "bet_amount"))
    on_layout = (selection >= 0) & (selection < len(SPOTS)) & (outcome >= 0) & (outcome < NUMBERS)
    gross = _RETURNS[np.where(on_layout, selection, 0), np.where(on_layout, outcome, 0)]
    pays = np.where(on_layout & _is_roulette(ends["game"]), gross * stake, -1)
    for name in set(ends["game"]) - {*_ROULETTE}:
        _pay_as_the_game_does(str(name), ends, pays)
    return np.where(ends["kind"] == int(EntryKind.SETTLE), pays, stake)


def _wrong_kind(ends: View) -> Mask:
    kind, decided = ends["kind"], ends["decided"]
    settled_void = (kind == int(EntryKind.SETTLE)) & (decided == _VOID)
    voided_outcome = (kind == int(EntryKind.VOID)) & (decided == _OUTCOME)
    no_end = ~np.isin(kind, (int(EntryKind.SETTLE), int(EntryKind.VOID), int(EntryKind.CANCEL)))
    wrong: Mask = settled_void | voided_outcome | no_end
    return wrong


def _second_outcome(rounds: pd.DataFrame) -> Mask:
    first = rounds.groupby("round")[["outcome", "decision"]].transform("first")
    differs: Mask = ((first["outcome"] != rounds["outcome"]) | (first["decision"] != rounds["decision"])).to_numpy()
    return differs


def _decision_rules(history: History) -> tuple[Rule, ...]:
    ledger = history.ledger
    decided = ledger[ledger["kind"].to_numpy() == EntryKind.DECIDE].reset_index(drop=True)
    row = history.round_rows(decided["round"].to_numpy())
    recorded = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    differs = (recorded >= 0) & (decided["selection"].to_numpy() != recorded)
    return (
        Rule("a round that was decided twice", decided, repeated(decided["round"].to_numpy())),
        Rule("a decision that differs from the round's outcome", decided.assign(outcome=recorded), differs),
    )


def _push_rules(history: History) -> tuple[Rule, ...]:
    pushes = history.pushes
    result = (pushes["kind"].to_numpy() == int(PushKind.TABLE)) & (pushes["phase"].to_numpy() == int(Phase.RESULT))
    told = View(pushes).where(result, "session", "table", "round", "outcome", "app_ns")
    row = history.round_rows(told["round"])
    recorded = np.where(row >= 0, taken(history.rounds, "outcome", row), -1)
    differs = (_decided(history, row) != 0) & (told["outcome"] != recorded)
    return (
        Rule("a player who was told another outcome than the recorded one", told.adding(recorded=recorded), differs),
    )
