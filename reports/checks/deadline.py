"""Checks of the cut-off: nothing late is accepted, nothing in time is refused.

Two kinds of evidence: journal sequence numbers, which decide, and the gateway's clock, by which a window is announced.
A bet that was sent more than once is judged by sequence numbers only, since the gateway's stamps may be those of a
later attempt whose answer was the first one's.
"""

from typing import Any

import numpy as np

from reference_impl.domain.bets import Status
from reference_impl.domain.records import Outcome
from reference_impl.domain.units import NS_PER_S
from reports.checks.history import History, by_shard, taken
from reports.checks.verdict import Mask, Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

_FOREVER_NS = np.iinfo(np.int64).max

RESENT_NS_MIN = NS_PER_S
"""No gateway gives up waiting for a shard's answer sooner than this."""


def no_late_bet(history: History) -> Verdict:
    """Check that no accepted bet lies outside its window: by journal, by the gateway's clock, and before the deal."""
    entries = _entries_with_windows(history)
    counts = {"accepted": len(entries)}
    if history.ledger.empty:
        return unknown("there is no ledger export", **counts)
    closed, opened, seq = entries["closed_seq"], entries["opened_seq"], entries["seq"]
    bets = _stamped_accepted(history)
    last_ns = _instead(bets["last_close_ns"], bets["closes_ns"])
    late = (bets["received_ns"] - last_ns >= history.clock_error_ns) & (bets["closes_ns"] > 0)
    dealt = (bets["informative_ns"] > 0) & (bets["committed_ns"] > bets["informative_ns"])
    sure = _sent_once_by_the_gateway(history, bets)
    dealt &= sure
    overdue = sure & (bets["accept_until_ns"] > 0)
    overdue &= bets["batch_started_ns"] - bets["accept_until_ns"] >= history.clock_error_ns
    broken = first_broken(
        (
            Rule("a bet accepted after its window closed", entries, (closed > 0) & (seq > closed)),
            Rule("a bet accepted before its window opened", entries, (opened > 0) & (seq < opened)),
            Rule("an accepted bet that its gateway received after the cut-off", bets, late),
            Rule("a bet committed after dealing had begun", bets, dealt),
            Rule("a bet that its shard took later than it may by its own clock", bets, overdue),
        ),
        **counts,
    )
    if broken:
        return broken
    counts["undecided"] = int(((closed == 0) | (opened == 0)).sum())
    if counts["undecided"]:
        return unknown(f"{counts['undecided']:,} accepted bets are of a window without open and close entry", **counts)
    counts["stamped"] = len(bets)
    margin_ns = (bets["closes_ns"] - bets["received_ns"])[bets["closes_ns"] > 0]
    nearest = f"; the last one came {margin_ns.min() / 1e6:,.1f} ms before the cut-off" if len(margin_ns) else ""
    return ok(f"all {len(entries):,} accepted bets precede the close of their window{nearest}", **counts)


def no_early_rejection(history: History) -> Verdict:
    """Check that no bet received inside its window was refused as late, but for void rounds and faults."""
    bets = history.bets
    refused = (bets["outcome"] == int(Outcome.REJECTED)) & (bets["status"] == int(Status.WINDOW_CLOSED))
    columns = ["op", "session", "gateway", "table", "round", "window", "attempts", "invoke_ns", "received_ns"]
    rows = bets.where(refused).frame(*columns)
    row = history.window_rows(rows)
    for name in ("opens_ns", "closes_ns", "first_close_ns"):
        rows[name] = taken(history.rounds, name, row)
    excused = excused_windows(history)
    left_out = np.where(row >= 0, excused[row], False) if len(excused) else np.zeros(len(rows), dtype=bool)
    # without the gateway's stamp the client's start is a lower bound
    arrived = np.where(rows["received_ns"] > 0, rows["received_ns"], rows["invoke_ns"])
    before_close = arrived < _instead(rows["first_close_ns"], rows["closes_ns"]) - history.clock_error_ns
    judged = (rows["received_ns"] > 0) & (row >= 0)
    in_time = judged & before_close & (arrived >= rows["opens_ns"] + history.clock_error_ns)
    counts = {"refused_as_late": len(rows), "excluded": int(left_out.sum())}
    broken = first_broken([Rule("a bet received in time and refused as late", rows, in_time & ~left_out)], **counts)
    if broken:
        return broken
    counts["undecided"] = int(((row < 0) | (~judged & before_close & ~left_out)).sum())
    if counts["undecided"]:
        return unknown(f"{counts['undecided']:,} bets refused as late have no gateway stamp or no window", **counts)
    return ok(
        f"{len(rows):,} bets were refused as late, none in time; {counts['excluded']:,} of them are left out, "
        "since a fault or a void fell into their round", **counts,
    )  # fmt: skip


def excused_windows(history: History) -> Mask:
    """Tell which rows of ``rounds`` were voided or had a fault between opening and settlement."""
    rounds = history.rounds
    excused: Mask = (rounds["decision"] == "void").to_numpy()
    ends = rounds["settled_ns"].where(rounds["settled_ns"] > 0, _FOREVER_NS).to_numpy()
    for struck, recovered in history.faults[["t_ns", "recovered_ns"]].to_numpy(dtype=np.int64):
        until = recovered if recovered > 0 else _FOREVER_NS
        excused = excused | ((struck <= ends) & (rounds["opens_ns"].to_numpy() <= until))
    return excused


def _instead(stated_ns: Any, closes_ns: Any) -> Any:
    """Return when windows end by the close policy, or the announced close where nothing else is on record."""
    return np.where(stated_ns > 0, stated_ns, closes_ns)


def _entries_with_windows(history: History) -> View:
    entries = history.accepted.at(None, "shard", "seq", "op", "account", "round", "window", "amount")
    row = history.window_rows(entries)
    seqs = {name: by_shard(history.rounds[f"{name}s"], row, entries["shard"]) for name in ("opened_seq", "closed_seq")}
    return entries.adding(**seqs)


def _stamped_accepted(history: History) -> View:
    bets = history.bets
    in_ledger = taken(history.placed, "status", history.entry_of_bet) == int(Status.ACCEPTED)
    accepted = in_ledger | (bets["outcome"] == int(Outcome.OK))
    rows = bets.where(
        accepted & (bets["received_ns"] > 0) & (bets["attempts"] == 1),
        "op", "session", "gateway", "table", "round", "window", "shard", "seq", "received_ns", "batch_started_ns",
        "committed_ns", "sent_ns", "replied_ns",
    )  # fmt: skip
    row = history.window_rows(rows)
    instants = {name: taken(history.rounds, name, row) for name in ("closes_ns", "last_close_ns", "informative_ns")}
    until_ns = by_shard(history.rounds["accept_until_ns"], row, rows["shard"])
    return rows.adding(**instants, accept_until_ns=until_ns)


def _sent_once_by_the_gateway(history: History, bets: View) -> Mask:
    """Tell which bets' stamps are certainly those of the call that decided.

    A gateway that gets no answer sends its batch again, and a wallet that loses its database repeats the call; the
    stamps are then of the repetition, which only tells again what was decided before.
    """
    sent_ns, replied_ns = bets["sent_ns"], bets["replied_ns"]
    quick = (sent_ns > 0) & (replied_ns - sent_ns < RESENT_NS_MIN)
    sure: Mask = quick & ~history.disturbed(sent_ns, replied_ns, ("wallet", "postgres", "nats"))
    return sure
