"""Checks of fairness: no valid bet is turned away, and what distance from the table costs a player, as figures."""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Status, TableLimits
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import Outcome, PushKind
from reference_impl.domain.units import NS_PER_MS
from reports.checks.history import History, opened_seq, taken
from reports.checks.ordering import Integers, Mask, positions
from reports.checks.own_limits import OWN_LIMITS, own_limits
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

DECILES = 10
SAMPLE_MAX = 200_000
"""Bets from which the deciles are computed: every k-th, if there are more."""

_SHOWN = ["op", "session", "account", "shard", "seq", "round", "window", "selection", "amount", "status", "balance"]


def fairness(history: History) -> Verdict:
    """Check that every refusal has its reason: limits, cover, time, an id that was used, an unknown player or round.

    Notes
    -----
    Players' own limits are looked at from both sides: what they forbid must have been refused.
    Whether a refusal as *too late* was right is asked by ``no_early_rejection``. A fault excuses lateness and overload,
    and none of the refusals here. Overload is an honest answer and is counted.
    """
    if history.ledger.empty:
        return unknown("there is no ledger export to find reasons in")
    bets = history.bets
    rows = bets.where(bets["outcome"] == int(Outcome.REJECTED)).frame(*_SHOWN, "currency", "attempts")
    status = rows["status"].to_numpy()
    once = rows["attempts"].to_numpy() == 1
    limits = history.terms.limits
    judged = np.isin(status, (int(Status.BAD_AMOUNT), int(Status.BAD_SELECTION)))
    groundless = judged & (_breaks_no_limit(rows, limits, status) if limits else False)
    opened = opened_seq(history, rows)
    account = positions(history.accounts["account"].to_numpy(), rows["account"].to_numpy())
    known = account >= 0
    same_currency = known & (taken(history.accounts, "currency", account) == rows["currency"].to_numpy())
    cancelled = np.isin(rows["op"].to_numpy(), _cancelled(history))
    own = own_limits(history)
    counts = {
        "refused": len(rows),
        "overloaded": int((status == int(Status.OVERLOADED)).sum()),
        "late": int((status == int(Status.WINDOW_CLOSED)).sum()),
        "funds": int((status == int(Status.INSUFFICIENT_FUNDS)).sum()),
        "own_limits": int(np.isin(status, OWN_LIMITS).sum()),
        "judged_by_own_limits": own.judged,
    }
    broken = first_broken(
        (
            Rule("a bet within the table's limits, refused as outside of them", rows, groundless),
            Rule("a bet refused for want of money that was there", rows,
                 (status == int(Status.INSUFFICIENT_FUNDS)) & (rows["seq"] > 0) & (rows["balance"] >= rows["amount"])),
            Rule("a bet of a round that was open, refused as of an unknown one", rows,
                 (status == int(Status.UNKNOWN_ROUND)) & (opened > 0) & (rows["seq"].to_numpy() > opened)),
            Rule("a bet of a known player, refused as of an unknown one", rows,
                 (status == int(Status.UNKNOWN_PLAYER)) & known),
            Rule("a bet in its account's currency, refused as in another", rows,
                 (status == int(Status.WRONG_CURRENCY)) & same_currency),
            Rule("a bet refused as the repetition of another, though its id was used once", rows,
                 (status == int(Status.CONFLICT)) & once),
            Rule("a bet refused as cancelled that nobody cancelled", rows,
                 (status == int(Status.CANCELLED)) & ~cancelled),
            *own.rules,
        ),
        **counts,
    )  # fmt: skip
    if broken:
        return broken
    if judged.any() and limits is None:
        return unknown(f"{int(judged.sum()):,} bets were refused by limits that are not on record", **counts)
    if own.undecided:
        return unknown(f"{own.undecided:,} bets fall under players' own limits whose times are not on record", **counts)
    deciles = latency_deciles(history)
    message = f"all {len(rows):,} refusals have their reason"
    if len(deciles) > 1:
        near, far = deciles.iloc[0], deciles.iloc[-1]
        message += (
            f"; of the nearest tenth of the bets {near['late_share']:.1%} came too late, of the farthest "
            f"{far['late_share']:.1%}; the window they could use was {near['usable_ms']:,.0f} and "
            f"{far['usable_ms']:,.0f} ms"
        )
    return ok(message, **counts)


def latency_deciles(history: History) -> pd.DataFrame:
    """Return what distance costs: bets by deciles of their way to the gateway.

    Returns
    -------
    DataFrame
        One row a decile, nearest first: ``decile`` (1 to 10), ``bets``, ``uplink_ms`` (median way to the gateway),
        ``usable_ms`` (median of the window's rest after hearing that bets are open and before a bet must leave), and
        ``late_share`` (refused as too late). Empty if no bet has stamps.
    """
    bets = history.bets
    stamped = (bets["attempts"] == 1) & (bets["received_ns"] > 0)
    rows = np.flatnonzero(stamped)
    rows = rows[:: len(rows) // SAMPLE_MAX + 1]
    own = bets.at(rows).frame("session", "round", "window", "invoke_ns", "received_ns", "status")
    if len(own) < DECILES:
        return pd.DataFrame({"decile": [], "bets": [], "uplink_ms": [], "usable_ms": [], "late_share": []})
    uplink_ns = (own["received_ns"] - own["invoke_ns"]).to_numpy()
    left_ns = taken(history.rounds, "closes_ns", history.window_rows(own)) - _heard_ns(history, own) - uplink_ns
    decile = np.searchsorted(np.quantile(uplink_ns, np.arange(1, DECILES) / DECILES), uplink_ns) + 1
    figures = pd.DataFrame(
        {
            "decile": decile,
            "uplink_ms": uplink_ns / NS_PER_MS,
            "usable_ms": np.maximum(left_ns, 0) / NS_PER_MS,
            "late_share": own["status"].to_numpy() == int(Status.WINDOW_CLOSED),
        }
    ).groupby("decile")
    means = figures.agg({"uplink_ms": "median", "usable_ms": "median", "late_share": "mean"})
    means.insert(0, "bets", figures.size())
    return means.reset_index()


def _heard_ns(history: History, bets: pd.DataFrame) -> Integers:
    """Return when each bet's player heard that its round is open, or when it opened if no message says so."""
    pushes = history.pushes
    event = np.isin(pushes["kind"].to_numpy(), (int(PushKind.TABLE), int(PushKind.WELCOME)))
    opening = event & (pushes["phase"].to_numpy() == int(Phase.BETS_OPEN))
    news = View(pushes).where(opening)
    key = [history.round_rows(np.asarray(rows["round"])) << 32 | np.asarray(rows["session"]) for rows in (news, bets)]
    at = positions(*key)
    opened_ns = taken(history.rounds, "opens_ns", history.window_rows(bets))
    return np.where(at >= 0, np.maximum(taken(news, "app_ns", at), opened_ns), opened_ns)


def _breaks_no_limit(rows: pd.DataFrame, limits: TableLimits, status: Integers) -> Mask:
    amount, selection = rows["amount"].to_numpy(), rows["selection"].to_numpy()
    spot = (selection >= 0) & (selection < limits.n_selections)
    stake = (amount >= limits.stake_minor_min) & (amount <= limits.stake_minor_max)
    fits: Mask = np.where(status == int(Status.BAD_SELECTION), spot, stake)
    return fits


def _cancelled(history: History) -> Integers:
    ledger = history.ledger
    ops: Integers = ledger["op"].to_numpy()[ledger["kind"].to_numpy() == int(EntryKind.CANCEL)]
    return ops
