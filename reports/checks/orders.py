"""Checks of what an operator ordered: deposits, withdrawals and corrections, carried out once and to the letter."""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status
from reports.checks.history import History
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown

_CASH = (int(EntryKind.DEPOSIT), int(EntryKind.WITHDRAW))


def orders_kept(history: History) -> Verdict:
    """Check that money came and went as ordered, and that corrected bets ended with what was ordered for them.

    Notes
    -----
    Deposits and withdrawals are compared as sums by account, since a target may give them ids of its own. Accounts
    with an order of unknown outcome are left out and counted.
    """
    if history.ledger.empty:
        return unknown("there is no ledger export to compare with")
    orders, ledger = history.orders, history.ledger
    open_ended = orders.loc[orders["status"] == 0, "account"].unique()
    done = orders[orders["status"] == int(Status.ACCEPTED)]
    counts = {"orders": len(orders), "left_out": len(open_ended)}
    cash = _cash(done, ledger)
    cash = cash[~cash["account"].isin(open_ended)].reset_index(drop=True)
    corrected = _corrected(done, ledger)
    corrected = corrected[~corrected["account"].isin(open_ended)].reset_index(drop=True)
    broken = first_broken(
        (
            Rule("an account that got or gave other sums than were ordered", cash, cash["ordered"] != cash["booked"]),
            Rule("a correction that nobody ordered", corrected, ~corrected["known"]),
            Rule("a corrected bet that did not end with what was ordered", corrected,
                 corrected["known"] & (corrected["ordered"] != corrected["booked"])),
        ),
        **counts,
    )  # fmt: skip
    return broken or ok(f"all {len(orders):,} orders were carried out once, to the letter", **counts)


def _cash(done: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    key = ["account", "kind"]
    booked = ledger.loc[ledger["kind"].isin(_CASH) & (ledger["status"] == int(Status.ACCEPTED)), [*key, "amount"]]
    ordered = done.loc[done["kind"].isin(_CASH), [*key, "amount"]]
    sums = {name: rows.groupby(key)["amount"].sum() for name, rows in (("ordered", ordered), ("booked", booked))}
    return pd.DataFrame(sums).fillna(0).astype("int64").reset_index()


def _corrected(done: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return each bet that was or should have been corrected: what was ordered, and what it was paid in all."""
    ordered = done.loc[done["kind"] == int(EntryKind.CORRECT), ["op", "account", "amount"]]
    ordered = ordered.set_index("op").rename(columns={"amount": "ordered"})
    slots = ledger.loc[ledger["slot"] == int(Slot.CORRECTION), ["op", "account", "kind", "amount"]]
    ops = np.union1d(slots["op"].to_numpy(), ordered.index.to_numpy())
    settled = ledger.loc[(ledger["slot"] == int(Slot.TERMINAL)) & ledger["op"].isin(ops), ["op", "amount"]]
    change = slots["amount"].where(slots["kind"] == int(EntryKind.CORRECT), -slots["amount"])
    booked = pd.concat([settled["amount"], change]).groupby(pd.concat([settled["op"], slots["op"]])).sum()
    found = ordered.reindex(ops).assign(booked=booked.reindex(ops).fillna(0).astype("int64"))
    found["known"] = found["ordered"].notna()
    found["account"] = found["account"].fillna(0).astype("int64")
    return found.fillna({"ordered": 0}).astype({"ordered": "int64"}).rename_axis("op").reset_index()
