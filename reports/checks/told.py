"""Checks of balances and payments that players were told, beside the answers to their bets."""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_S
from reports.checks.history import History, taken
from reports.checks.ordering import Integers, Mask, found_among, positions
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

TOLD_NS_MAX = 10 * NS_PER_S
"""A player who stays connected so long after a round was settled, undisturbed, must have been told of every bet."""

_SHOWN = ("session", "connection", "kind", "round", "op", "amount", "balance", "version", "app_ns")


def told_truly(history: History) -> Verdict:
    """Check that welcomes and payments tell what the ledger says, are not stale, and leave no bet out."""
    if history.ledger.empty:
        return unknown("there is no ledger export to compare with")
    pushes = history.pushes
    kind = pushes["kind"].to_numpy()
    told = View(pushes).where((kind == int(PushKind.WELCOME)) | (kind == int(PushKind.PAID)), *_SHOWN)
    account = history.account_of(told["session"])
    paid, not_told = _paid(history, told, account)
    untold = _untold(history, not_told)
    counts = {"welcomes": int(np.count_nonzero(told["kind"] == int(PushKind.WELCOME))), "payments": len(paid)}
    broken = first_broken(
        (
            Rule("a payment of a bet that has no end", paid, ~paid["ended"]),
            Rule("a payment to another player than the bet's", paid, paid["ledger_account"] != paid["account"]),
            Rule("a payment that is not what was paid", paid, paid["ledger_amount"] != paid["amount"]),
            Rule("a balance that the account never had", *_never_had(history, told, account)),
            Rule("a welcome that is older than an answer before it", *_stale(history, told)),
            Rule("a bet whose end its connected player was never told", untold, np.ones(len(untold), dtype=bool)),
        ),
        **counts,
    )
    return broken or ok(
        f"{counts['welcomes']:,} welcomes and {counts['payments']:,} payments tell what the ledger says", **counts
    )


def _paid(history: History, told: View, account: Integers) -> tuple[View, Mask]:
    """Return the payments with what the ledger says of them, and which ends of bets no payment tells of."""
    own = told["kind"] == int(PushKind.PAID)
    paid = told.where(own).adding(account=account[own])
    end = positions(history.terminals["op"], paid["op"])
    untold = ~found_among(history.terminals["op"], paid["op"], end)
    sides = {f"ledger_{name}": taken(history.terminals, name, end) for name in ("account", "amount")}
    return paid.adding(ended=end >= 0, **sides), untold


def _never_had(history: History, told: View, account: Integers) -> tuple[View, Mask]:
    place = history.chain.at_version(account, told["version"])
    had = taken(history.ledger, "balance_after", np.where(place >= 0, history.chain.rows[place], -1))
    wrong = (had != told["balance"]) | ((place < 0) & (told["version"] > 0))
    return told.adding(ledger_balance=had), wrong


def _stale(history: History, told: View) -> tuple[pd.DataFrame, Mask]:
    """Return the welcomes of players who had answers before, and which of them are older than such an answer."""
    connects = history.ops.loc[
        (history.ops["kind"] == int(OpKind.CONNECT)) & (history.ops["outcome"] == int(Outcome.OK)),
        ["session", "connection", "invoke_ns"],
    ]
    welcomes = told.where(told["kind"] == int(PushKind.WELCOME)).frame("session", "connection", "version", "app_ns")
    again = welcomes[welcomes["session"].duplicated(keep=False)].merge(connects, on=["session", "connection"])
    bets = history.bets
    heard = (bets["version"] > 0) & (bets["return_ns"] > 0) & np.isin(bets["session"], again["session"].unique())
    answers = bets.where(heard).frame("session", "return_ns", "version")
    answers = answers.sort_values("return_ns", kind="stable")
    answers["version_before"] = answers.groupby("session")["version"].cummax()
    found = pd.merge_asof(
        again.sort_values("invoke_ns"), answers[["session", "return_ns", "version_before"]],
        left_on="invoke_ns", right_on="return_ns", by="session",
    ).fillna({"version_before": 0, "return_ns": 0})  # fmt: skip
    return found, (found["version"] < found["version_before"]).to_numpy()


def _untold(history: History, not_told: Mask) -> pd.DataFrame:
    """Return ends of bets whose players stayed connected long enough, undisturbed, and were told nothing."""
    ends = history.terminals
    # who cancels a bet learns its end by the answer
    silent = ends.where(not_told & (ends["kind"] != int(EntryKind.CANCEL))).frame(
        "shard", "seq", "op", "account", "amount", "round"
    )
    row = history.round_rows(silent["round"].to_numpy())
    for name in ("opens_ns", "settled_ns"):
        silent[name] = taken(history.rounds, name, row)
    silent = silent[silent["settled_ns"] > 0]
    there = silent.merge(history.sessions[["account", "opened_ns", "closed_ns"]], on="account")
    until_ns = there["settled_ns"] + TOLD_NS_MAX
    there = there[(there["opened_ns"] < there["opens_ns"]) & (there["closed_ns"] > until_ns)]
    calm = ~history.disturbed(there["opens_ns"].to_numpy(), (there["settled_ns"] + TOLD_NS_MAX).to_numpy())
    return there[calm].reset_index(drop=True)
