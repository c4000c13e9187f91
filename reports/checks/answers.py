"""Checks of what players were told against what the ledger says."""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome
from reports.checks.history import History, taken
from reports.checks.ordering import positions, repeated
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown

_ASKED = ("account", "round", "window", "selection", "amount")
_ANSWERED = ("status", "shard", "seq", "balance", "version")
_IN_LEDGER = {"balance": "balance_after"}


def _bets_and_entries(history: History) -> pd.DataFrame:
    """Return bets with the columns of their journal entries beside them, prefixed ``ledger_``."""
    columns = ["op", "session", "gateway", "attempts", "outcome", *_ASKED, *_ANSWERED]
    sides = {name: history.bets[name].to_numpy() for name in columns}
    sides["found"] = history.entry_of_bet >= 0
    for name in (*_ASKED, *_ANSWERED):
        sides[f"ledger_{name}"] = taken(history.placed, _IN_LEDGER.get(name, name), history.entry_of_bet)
    return pd.DataFrame(sides)


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
        differs |= both[name].to_numpy() != both[f"ledger_{name}"].to_numpy()
    # a second attempt may be turned away as overloaded although the first was served; a conflict names another bet
    leaves_no_trace = rejected & (both["seq"] == 0) & (both["status"] != int(Status.CONFLICT))
    leaves_no_trace &= (both["status"] != int(Status.OVERLOADED)) | (both["attempts"] == 1)
    counts = {"bets": len(both), "acknowledged": int(said_ok.sum()), "rejected": int(rejected.sum())}
    phantom = positions(history.bets["op"].to_numpy(), history.placed["op"].to_numpy()) < 0
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
    lost = history.bets["outcome"].to_numpy() == Outcome.UNKNOWN
    retried = history.bets["attempts"].to_numpy() > 1
    counts = {"unknown": int(lost.sum()), "retried": int(retried.sum())}
    if history.ledger.empty:
        return unknown("there is no final ledger export to resolve unknown bets with", **counts)
    broken = first_broken(
        [Rule("a bet that is in the ledger twice", history.placed, repeated(history.placed["op"].to_numpy()))], **counts
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
    known = bets["outcome"].isin((int(Outcome.OK), int(Outcome.REJECTED))) & (bets["seq"] > 0)
    columns = ["op", "session", "account", "shard", "seq", "invoke_ns", "return_ns", "balance", "version"]
    rows = bets.loc[known, columns]
    in_journal = rows.sort_values(["shard", "seq"], ignore_index=True)
    least = in_journal[::-1].groupby("shard")["return_ns"].cummin()[::-1]
    in_journal["later_bet_answered_ns"] = least.groupby(in_journal["shard"]).shift(
        -1, fill_value=np.iinfo(np.int64).max
    )
    mine = rows.sort_values(["account", "seq"], ignore_index=True)
    before = mine.shift(1, fill_value=-1)
    same = mine["account"] == before["account"]
    mine["version_before"], mine["balance_before"] = before["version"], before["balance"]
    moved = (mine["version"] == before["version"]) & (mine["balance"] != before["balance"])
    broken = first_broken(
        (
            Rule(
                "a bet that was sent after a later bet of its shard had been answered",
                in_journal, in_journal["later_bet_answered_ns"] < in_journal["invoke_ns"],
            ),
            Rule("an account version that runs backwards", mine, same & (mine["version"] < before["version"])),
            Rule("two balances of one account version", mine, same & moved),
        ),
        answers=len(rows),
    )  # fmt: skip
    return broken or ok(f"{len(rows):,} answers fit the journals' order", answers=len(rows))
