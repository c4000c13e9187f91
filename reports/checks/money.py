"""Checks of the ledger on its own: conservation, chains of balances, and what may never be negative."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.ids import AccountKind
from reports.checks.history import History, is_player, kind_of_account, taken
from reports.checks.ordering import group_by, group_starts, positions, running_sum, start_of_group
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

_KEY = ["shard", "account"]


def conservation(history: History) -> Verdict:
    """Check that each shard's accounts sum to zero, cash included, and are what replaying the journal gives."""
    if history.ledger.empty or history.accounts.empty:
        return unknown("there is no export of ledger and accounts")
    counts = {"entries": len(history.ledger), "accounts": len(history.accounts)}
    replayed = _sums(history.legs)
    exported = history.accounts.groupby(_KEY)["balance"].sum().rename("exported")
    both = pd.concat([replayed, exported], axis=1).fillna(0).astype("int64").reset_index()
    totals = history.accounts.groupby("shard")["balance"].sum().reset_index()
    broken = first_broken(
        (
            Rule("an account that is exported twice", history.accounts, history.accounts.duplicated(_KEY)),
            Rule("an entry with a negative amount", history.ledger, history.ledger["amount"] < 0),
            Rule("an account whose balance is not the sum of its entries", both, both["replayed"] != both["exported"]),
            Rule("a shard whose accounts do not sum to 0", totals, totals["balance"] != 0),
        ),
        **counts,
    )
    return broken or ok(
        f"{len(history.ledger):,} entries replayed: all {len(both):,} balances agree and every shard sums to 0",
        **counts,
    )


def account_chains(history: History) -> Verdict:
    """Check that journals have no gap and that each player's balance and version follow from the entry before."""
    if history.ledger.empty or history.accounts.empty:
        return unknown("there is no export of ledger and accounts")
    entries, links = history.entries, _links(history)
    place = np.arange(len(entries)) - start_of_group(group_starts(entries["shard"])) + 1
    entries = entries.adding(expected_seq=place)
    last = _last_entries(history)
    stale = last["found"] & (
        (last["balance_after"] != last["account_balance"]) | (last["version"] != last["account_version"])
    )
    missing = ~last["found"] & (last["version"] > 0)  # what was sent to nobody is refused on record
    counts = {"entries": len(entries), "players": len(last)}
    broken = first_broken(
        (
            Rule("a gap or repetition in a shard's journal", entries, entries["seq"] != place),
            Rule(
                "a balance that does not follow from the entry before", links,
                links["balance_after"] != links["balance_before"] + links["moved"],
            ),
            Rule(
                "an account version that skips or repeats", links,
                links["version"] != links["version_before"] + (links["moved"] != 0),
            ),
            Rule("a player in the journal that has no account row", last, missing),
            Rule("an account row that is not its last entry's balance and version", last, stale),
        ),
        **counts,
    )  # fmt: skip
    return broken or ok(f"{len(last):,} players' chains have no gap over {len(entries):,} entries", **counts)


def _links(history: History) -> View:
    """Return the players' entries in order of account, each with its predecessor's balance and version."""
    chain = history.chain
    links = history.entries.at(
        chain.rows, "shard", "seq", "account", "op", "kind", "status", "amount", "moved", "balance_after", "version"
    )
    before = {"balance_before": chain.before(links["balance_after"]), "version_before": chain.before(links["version"])}
    return links.adding(**before)


def _last_entries(history: History) -> View:
    """Return each player's last entry with the account's row, where there is one, beside it."""
    chain, accounts = history.chain, history.accounts
    ends = np.flatnonzero(np.append(chain.starts[1:], True)) if len(chain.starts) else np.arange(0)
    last = history.entries.at(chain.rows[ends], "shard", "seq", "account", "op", "balance_after", "version")
    # players' numbers leave room for the shard's
    players = np.where(is_player(accounts["account"].to_numpy()), accounts["account"].to_numpy(), -1)
    row = positions(players << 10 | accounts["shard"].to_numpy(), last["account"] << 10 | last["shard"])
    sides = {f"account_{name}": taken(accounts, name, row) for name in ("balance", "version")}
    return last.adding(found=row >= 0, **sides)


def non_negative(history: History) -> Verdict:
    """Check that no player and no escrow was ever below 0, and that escrow is 0 once its round has ended."""
    if history.ledger.empty:
        return unknown("there is no ledger export")
    ledger = history.ledger
    overdrawn = is_player(ledger["account"].to_numpy()) & (ledger["balance_after"].to_numpy() < 0)
    legs = history.legs
    own = View(legs).where(kind_of_account(legs["account"].to_numpy()) == int(AccountKind.ESCROW))
    order, starts = group_by(own["account"], own["shard"])
    escrow = own.at(order)
    escrow = escrow.adding(balance=running_sum(escrow["change"], starts))
    final = escrow.where(np.append(starts[1:], True) if len(starts) else starts)
    final = final.adding(round=final["account"] & ((1 << 56) - 1))
    full = final["balance"] != 0
    ended = np.isin(final["round"], _ended_rounds(history.rounds))
    counts = {"entries": len(ledger), "escrows": len(final), "unfinished": int((full & ~ended).sum())}
    broken = first_broken(
        (
            Rule("an entry that leaves a player below 0", ledger, overdrawn),
            Rule("a movement that leaves an escrow below 0", escrow, escrow["balance"] < 0),
            Rule("an escrow that still holds money after its round ended", final, full & ended),
        ),
        **counts,
    )
    if broken:
        return broken
    if counts["unfinished"]:
        return unknown(f"{counts['unfinished']:,} escrows hold money of rounds whose end is not on record", **counts)
    return ok(f"no player and none of {len(final):,} escrows was ever below 0; all escrows are empty", **counts)


def _ended_rounds(rounds: pd.DataFrame) -> npt.NDArray[np.int64]:
    ended: npt.NDArray[np.int64] = rounds.loc[rounds["settled_ns"] > 0, "round"].to_numpy()
    return ended


def _sums(legs: pd.DataFrame) -> "pd.Series[int]":
    """Return the sum of each account's changes, named ``replayed``."""
    shard, account = legs["shard"].to_numpy(), legs["account"].to_numpy()
    order, starts = group_by(account, shard)
    first = order[starts]
    sums = np.add.reduceat(legs["change"].to_numpy()[order], np.flatnonzero(starts)) if len(order) else order
    return pd.Series(sums, index=pd.MultiIndex.from_arrays([shard[first], account[first]], names=_KEY), name="replayed")
