"""Checks of single bets: one timeline each, complete and in order, and in the journal in the order of arrival."""

import itertools

import numpy as np

from reports.checks.history import History
from reports.checks.ordering import Mask, group_starts, stable_order
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

STAMPS = (
    "due_ns", "invoke_ns", "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns",
    "committed_ns", "replied_ns",
)  # fmt: skip
"""A bet's instants in the order in which they must be. The answer is on its way before the gateway can stamp that it
has written it, so *written* and *return* both follow *replied*, in no order of their own."""

_LAST = ("written_ns", "return_ns")
_SHOWN = ("op", "session", "gateway", "shard", "seq", "attempts", "timelines", *STAMPS, *_LAST)


def timeline(history: History) -> Verdict:
    """Check that each bet answered at its first attempt has one timeline, complete, in order, and in order of arrival.

    Notes
    -----
    A bet that was sent again has stamps of one attempt and perhaps the answer of another: it is left out. A gateway
    that was killed takes stamps with it that it had not written yet: these bets are counted.
    """
    bets = history.bets.where((history.bets["attempts"] == 1) & (history.bets["seq"] > 0), *_SHOWN)
    stamped = np.ones(len(bets), dtype=bool)
    for name in (*STAMPS[2:], "written_ns"):
        stamped &= bets[name] > 0
    lost = ~stamped & _gateway_was_killed(history, bets)
    complete = bets.where(stamped)
    counts = {"bets": len(bets), "stamped": len(complete), "lost_with_a_gateway": int(lost.sum())}
    broken = first_broken(
        (
            Rule("a bet with more than one timeline", bets, bets["timelines"] > 1),
            Rule("a bet whose instants are out of order", complete, _out_of_order(complete, history.clock_error_ns)),
            Rule(
                "a bet that stands in the journal before one that its gateway received earlier", *_overtaken(complete)
            ),
        ),
        **counts,
    )
    if broken:
        return broken
    if incomplete := int((~stamped & ~lost).sum()):
        return unknown(f"{incomplete:,} answered bets lack stamps though no gateway was killed", **counts)
    return ok(f"all {len(complete):,} timelines are complete and in order", **counts)


def _out_of_order(bets: View, error_ns: int) -> Mask:
    wrong = np.zeros(len(bets), dtype=bool)
    pairs = [*itertools.pairwise(STAMPS), *((STAMPS[-1], last) for last in _LAST)]
    for earlier, later in pairs:
        wrong |= bets[later] + error_ns < bets[earlier]
    return wrong


def _overtaken(bets: View) -> tuple[View, Mask]:
    """Return bets in each gateway's order of arrival at a shard, and which stand before their predecessor there."""
    arrived = stable_order(bets["received_ns"])
    lane = (bets["gateway"].astype(np.int64) << 16 | bets["shard"])[arrived]
    by_lane = stable_order(lane)
    order = arrived[by_lane]
    seq, received_ns = bets["seq"][order], bets["received_ns"][order]
    wrong = ~group_starts(lane[by_lane]) & (seq < np.roll(seq, 1)) & (received_ns > np.roll(received_ns, 1))
    in_lane = bets.at(order, "op", "gateway", "shard", "seq", "received_ns")
    return in_lane.adding(overtook_op=np.roll(in_lane["op"], 1)) if wrong.any() else in_lane, wrong


def _gateway_was_killed(history: History, bets: View) -> Mask:
    killed = np.zeros(len(bets), dtype=bool)
    for target, t_ns in zip(history.faults["target"], history.faults["t_ns"], strict=True):
        name, _, number = target.rpartition("-")
        if name == "gateway":
            killed |= (bets["gateway"] == int(number)) & (bets["invoke_ns"] <= t_ns)
    return killed
