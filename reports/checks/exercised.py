"""The check that a Run tried what it claims to have tried: *sometimes* assertions.

A campaign that passes because nothing happened proves nothing. So each fault that was ordered must have struck, and
each rare path that the campaign names must have been taken.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from reference_impl.domain.bets import Status
from reference_impl.domain.records import OpKind, Outcome
from reports.checks.history import History
from reports.checks.verdict import Verdict, ok, unknown
from reports.expectations import RarePath


class Path(NamedTuple):
    """A rare path: what it is, and how often a history took it."""

    meaning: str
    taken: Callable[[History], int]


def exercised(history: History) -> Verdict:
    """Check that every scheduled fault struck and every expected path was taken; if not, the Run proves too little."""
    terms = history.terms
    skipped = {kind for kind, _ in terms.faults if kind in terms.impossible}
    struck = Counter(zip(history.faults["kind"], history.faults["target"], strict=True))
    faults = Counter((kind, target) for kind, target in terms.faults if kind not in skipped)
    idle = [f"{kind} of {target}" for (kind, target), count in faults.items() if struck[kind, target] < count]
    times = {name: PATHS[name].taken(history) for name in terms.expect}
    untaken = [PATHS[name].meaning for name, count in times.items() if not count]
    counts = {"faults": sum(faults.values()), **{name.replace("-", "_"): count for name, count in times.items()}}
    counts["skipped"] = len(terms.faults) - counts["faults"]
    if unwanted := sorted(skipped - set(terms.allow_skipped)):
        why = f"{unwanted[0]}: {terms.impossible[unwanted[0]]}"
        return unknown(f"this machine cannot do faults that the campaign wants: {why}", **counts)
    if idle:
        return unknown(f"a fault that was ordered never struck: {', '.join(idle)}", **counts)
    if untaken:
        return unknown(f"what was expected never happened: {', '.join(untaken)}", **counts)
    left_out = f", {counts['skipped']:,} were left out, as allowed ({', '.join(sorted(skipped))})" if skipped else ""
    return ok(f"{counts['faults']:,} faults struck{left_out}, {len(times):,} expected paths were taken", **counts)


def _refused(history: History, status: Status) -> int:
    bets = history.bets
    refused = (bets["outcome"] == int(Outcome.REJECTED)) & (bets["status"] == int(status))
    return int(refused.sum())


def _reconnected(history: History) -> int:
    connects = history.ops[history.ops["kind"].to_numpy() == int(OpKind.CONNECT)]
    back = connects.loc[connects["outcome"] == int(Outcome.OK), "session"]
    return int(back.duplicated().sum())


PATHS: Final[dict[str, Path]] = {
    RarePath.LATE_REFUSED: Path("a bet refused as too late", lambda history: _refused(history, Status.WINDOW_CLOSED)),
    RarePath.FUNDS_REFUSED: Path("a bet refused for want of money", lambda h: _refused(h, Status.INSUFFICIENT_FUNDS)),
    RarePath.BET_RESENT: Path("a bet sent again", lambda h: int(np.count_nonzero(h.bets["attempts"] > 1))),
    RarePath.RECONNECTED: Path("a player who came back", _reconnected),
    RarePath.ROUND_VOIDED: Path(
        "a voided round", lambda h: int(h.rounds.loc[h.rounds["decision"] == "void", "round"].nunique())
    ),
}
"""Every path that a campaign may expect, and how it is counted."""
