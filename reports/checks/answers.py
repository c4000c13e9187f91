"""Checks of what players were told against what the ledger says."""

import itertools

import numpy as np

from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome
from reports.checks.history import History, taken
from reports.checks.ordering import Integers, Mask, found_among, group_starts, repeated, stable_order
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

_ASKED = ("account", "round", "window", "selection", "amount")
_ANSWERED = ("status", "shard", "seq", "balance", "version")
_IN_LEDGER = {"balance": "balance_after"}


def _bets_and_entries(history: History) -> View:
    """Return bets with the columns of their journal entries beside them, prefixed ``ledger_``."""
    columns = ("op", "session", "gateway", "attempts", "outcome", *_ASKED, *_ANSWERED)
    entry = history.entry_of_bet
    sides = {
        f"ledger_{name}": taken(history.placed, _IN_LEDGER.get(name, name), entry) for name in (*_ASKED, *_ANSWERED)
    }
    return history.bets.at(None, *columns).adding(found=entry >= 0, **sides)


def acknowledged_is_durable(history: History) -> Verdict:
    """Check every answer against the ledger, in both directions: no loss, no difference, no phantom."""
    if history.ledger.empty:
        return unknown("there is no ledger export to compare with", bets=len(history.bets))
    both = _bets_and_entries(history)
    outcome, found = both["outcome"], both["found"]
    said_ok = outcome == int(Outcome.OK)
    rejected = outcome == int(Outcome.REJECTED)
    written = said_ok | (rejected & (both["seq"] > 0))
    differs = np.zeros(len(both), dtype=bool)
    for name in (*_ASKED, *_ANSWERED):
        differs |= both[name] != both[f"ledger_{name}"]
    # a second attempt may be turned away as overloaded although the first was served; a conflict names another bet
    leaves_no_trace = rejected & (both["seq"] == 0) & (both["status"] != int(Status.CONFLICT))
    leaves_no_trace &= (both["status"] != int(Status.OVERLOADED)) | (both["attempts"] == 1)
    counts = {"bets": len(both), "acknowledged": int(said_ok.sum()), "rejected": int(rejected.sum())}
    phantom = ~found_among(history.placed["op"], history.bets["op"], history.entry_of_bet)
    broken = first_broken(
        (
            Rule("an operation id that is used twice", history.ops, repeated(history.ops["op"].to_numpy())),
            Rule("a bet acknowledged to its player that the ledger does not have", both, said_ok & ~found),
            Rule(
                "a bet acknowledged that the ledger rejected",
                both,
                said_ok & (both["ledger_status"] != int(Status.ACCEPTED)),
            ),
            Rule("a rejection with a journal number that the ledger does not have", both, rejected & written & ~found),
            Rule("an answer that differs from the ledger", both, written & differs),
            Rule("a rejection without effect that the ledger has nevertheless", both, leaves_no_trace & found),
            Rule("a bet that was never sent and is in the ledger", both, (outcome == int(Outcome.REFUSED)) & found),
            Rule("a bet in the ledger that nobody placed", history.placed, phantom),
        ),
        **counts,
    )
    return broken or ok(f"all {int(written.sum()):,} answers are in the ledger as they were given", **counts)


def unknowns_resolved(history: History) -> Verdict:
    """Check that bets without an answer, and bets sent again, are in the ledger at most once."""
    lost = history.bets["outcome"] == int(Outcome.UNKNOWN)
    retried = history.bets["attempts"] > 1
    counts = {"unknown": int(lost.sum()), "retried": int(retried.sum())}
    if history.ledger.empty:
        return unknown("there is no final ledger export to resolve unknown bets with", **counts)
    broken = first_broken(
        [Rule("a bet that is in the ledger twice", history.placed, repeated(history.placed["op"]))], **counts
    )
    if broken:
        return broken
    entry = history.entry_of_bet[lost]
    status = taken(history.placed, "status", entry)
    counts["accepted"] = int((status == Status.ACCEPTED).sum())
    counts["refused"] = int(((entry >= 0) & (status != Status.ACCEPTED)).sum())
    counts["never_happened"] = int((entry < 0).sum())
    message = (
        f"{counts['unknown']:,} bets stayed without an answer: {counts['accepted']:,} were accepted, "
        f"{counts['refused']:,} rejected, {counts['never_happened']:,} never happened; "
        f"{counts['retried']:,} were sent again and happened at most once"
    )
    return ok(message, **counts)


def answers_agree(history: History) -> Verdict:
    """Check real-time order: a bet answered before another was sent precedes it in its shard's journal.

    Notes
    -----
    Within a shard the journal is one total order, so the rule covers a player's own bets and everybody else's. In
    journal order, the least answer instant of all later bets must not lie before a bet's own start.
    """
    bets = history.bets
    known = np.isin(bets["outcome"], (int(Outcome.OK), int(Outcome.REJECTED))) & (bets["seq"] > 0)
    rows = bets.where(known, "op", "session", "account", "shard", "seq", "invoke_ns", "return_ns", "balance", "version")
    in_journal = rows.at(stable_order(rows["shard"].astype(np.int64) << 48 | rows["seq"]))
    later_ns = _least_after(in_journal["return_ns"], group_starts(in_journal["shard"]))
    in_journal = in_journal.adding(later_bet_answered_ns=later_ns)
    mine = in_journal.at(stable_order(in_journal["account"]))
    same = ~group_starts(mine["account"])
    version, balance = mine["version"], mine["balance"]
    version_before, balance_before = np.roll(version, 1), np.roll(balance, 1)
    mine = mine.adding(version_before=version_before, balance_before=balance_before)
    moved = (version == version_before) & (balance != balance_before)
    broken = first_broken(
        (
            Rule(
                "a bet that was sent after a later bet of its shard had been answered",
                in_journal, in_journal["later_bet_answered_ns"] < in_journal["invoke_ns"],
            ),
            Rule("an account version that runs backwards", mine, same & (version < version_before)),
            Rule("two balances of one account version", mine, same & moved),
        ),
        answers=len(rows),
    )  # fmt: skip
    return broken or ok(f"{len(rows):,} answers fit the journals' order", answers=len(rows))


def _least_after(values: Integers, starts: Mask) -> Integers:
    """Return, within each group, the least of all later values; the largest integer for the last one."""
    least = np.full(len(values), np.iinfo(np.int64).max, dtype=np.int64)
    for first, end in itertools.pairwise([*np.flatnonzero(starts), len(values)]):
        least[first : end - 1] = np.minimum.accumulate(values[first + 1 : end][::-1])[::-1]
    return least
