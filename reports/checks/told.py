"""Checks of balances and payments that players were told, beside the answers to their bets."""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_S
from reports.checks.history import History, taken
from reports.checks.ordering import Integers, Mask, positions
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown

TOLD_NS_MAX = 10 * NS_PER_S
"""A player who stays connected so long after a round was settled, undisturbed, must have been told of every bet."""

_SHOWN = ["session", "connection", "kind", "round", "op", "amount", "balance", "version", "app_ns"]


def told_truly(history: History) -> Verdict:
    """Check that welcomes and payments tell what the ledger says, are not stale, and leave no bet out."""
    if history.ledger.empty:
        return unknown("there is no ledger export to compare with")
    pushes = history.pushes
    told = pushes.loc[np.isin(pushes["kind"].to_numpy(), (int(PushKind.WELCOME), int(PushKind.PAID))), _SHOWN]
    told = told.reset_index(drop=True)
    account = history.account_of(told["session"].to_numpy())
    paid = _paid(history, told, account)
    untold = _untold(history, paid)
    counts = {"welcomes": int((told["kind"] == int(PushKind.WELCOME)).sum()), "payments": len(paid)}
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


def _paid(history: History, told: pd.DataFrame, account: Integers) -> pd.DataFrame:
    own = told["kind"].to_numpy() == int(PushKind.PAID)
    paid: pd.DataFrame = told[own].assign(account=account[own]).reset_index(drop=True)
    end = positions(history.terminals["op"].to_numpy(), paid["op"].to_numpy())
    paid["ended"] = end >= 0
    for name in ("account", "amount"):
        paid[f"ledger_{name}"] = taken(history.terminals, name, end)
    return paid


def _never_had(history: History, told: pd.DataFrame, account: Integers) -> tuple[pd.DataFrame, Mask]:
    chain = history.chain
    version, balance = told["version"].to_numpy(), told["balance"].to_numpy()
    place = chain.at_version(account, version)
    had = np.where(place >= 0, chain.of("balance_after")[place], 0) if len(chain.rows) else np.zeros_like(balance)
    wrong = (had != balance) | ((place < 0) & (version > 0))
    return (told.assign(ledger_balance=had) if wrong.any() else told), wrong


def _stale(history: History, told: pd.DataFrame) -> tuple[pd.DataFrame, Mask]:
    """Return the welcomes of players who had answers before, and which of them are older than such an answer."""
    connects = history.ops.loc[
        (history.ops["kind"] == int(OpKind.CONNECT)) & (history.ops["outcome"] == int(Outcome.OK)),
        ["session", "connection", "invoke_ns"],
    ]
    welcomes = told.loc[told["kind"] == int(PushKind.WELCOME), ["session", "connection", "version", "app_ns"]]
    again = welcomes[welcomes["session"].duplicated(keep=False)].merge(connects, on=["session", "connection"])
    bets = history.bets
    heard = (bets["version"].to_numpy() > 0) & np.isin(bets["session"].to_numpy(), again["session"].to_numpy())
    answers = bets.loc[heard & (bets["return_ns"].to_numpy() > 0), ["session", "return_ns", "version"]]
    answers = answers.sort_values("return_ns", kind="stable")
    answers["version_before"] = answers.groupby("session")["version"].cummax()
    found = pd.merge_asof(
        again.sort_values("invoke_ns"), answers[["session", "return_ns", "version_before"]],
        left_on="invoke_ns", right_on="return_ns", by="session",
    ).fillna({"version_before": 0, "return_ns": 0})  # fmt: skip
    return found, (found["version"] < found["version_before"]).to_numpy()


def _untold(history: History, paid: pd.DataFrame) -> pd.DataFrame:
    """Return ends of bets whose players stayed connected long enough, undisturbed, and were told nothing."""
    ends = history.terminals
    row = history.round_rows(ends["round"].to_numpy())
    untold = (positions(paid["op"].to_numpy(), ends["op"].to_numpy()) < 0) & (row >= 0)
    # who cancels a bet learns its end by the answer
    rows = np.flatnonzero(untold & (ends["kind"].to_numpy() != int(EntryKind.CANCEL)))
    silent = ends.iloc[rows][["shard", "seq", "op", "account", "amount", "round"]].reset_index(drop=True)
    silent["opens_ns"] = taken(history.rounds, "opens_ns", row[rows])
    silent["settled_ns"] = taken(history.rounds, "settled_ns", row[rows])
    silent = silent[silent["settled_ns"] > 0]
    there = silent.merge(history.sessions[["account", "opened_ns", "closed_ns"]], on="account")
    until_ns = there["settled_ns"] + TOLD_NS_MAX
    there = there[(there["opened_ns"] < there["opens_ns"]) & (there["closed_ns"] > until_ns)]
    calm = ~history.disturbed(there["opens_ns"].to_numpy(), (there["settled_ns"] + TOLD_NS_MAX).to_numpy())
    return there[calm].reset_index(drop=True)
