"""Checks of the ledger on its own: conservation, chains of balances, and what may never be negative."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.ids import AccountKind
from reports.checks.history import History, is_player, kind_of_account
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown

_KEY = ["shard", "account"]


def conservation(history: History) -> Verdict:
    """Check that each shard's accounts sum to zero, cash included, and are what replaying the journal gives."""
    if history.ledger.empty or history.accounts.empty:
        return unknown("there is no export of ledger and accounts")
    counts = {"entries": len(history.ledger), "accounts": len(history.accounts)}
    replayed = history.legs.groupby(_KEY)["change"].sum().rename("replayed")
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
    ledger = history.ledger
    place = ledger.groupby("shard").cumcount() + 1
    chain = _player_chains(ledger)
    last = chain[~chain.duplicated(_KEY, keep="last")].merge(
        history.accounts.rename(columns={"balance": "account_balance", "version": "account_version"}),
        on=_KEY, how="left", suffixes=("", "_account"), indicator=True,
    )  # fmt: skip
    known = last["_merge"] == "both"
    missing = ~known & (last["version"] > 0)  # what was sent to nobody is refused on record
    stale = known & ((last["balance_after"] != last["account_balance"]) | (last["version"] != last["account_version"]))
    last = last.drop(columns="_merge")
    counts = {"entries": len(ledger), "players": len(last)}
    broken = first_broken(
        (
            Rule("a gap or repetition in a shard's journal", ledger.assign(expected_seq=place), ledger["seq"] != place),
            Rule(
                "a balance that does not follow from the entry before", chain,
                chain["balance_after"] != chain["balance_before"] + chain["moved"],
            ),
            Rule(
                "an account version that skips or repeats", chain,
                chain["version"] != chain["version_before"] + (chain["moved"] != 0),
            ),
            Rule("a player in the journal that has no account row", last, missing),
            Rule("an account row that is not its last entry's balance and version", last, stale),
        ),
        **counts,
    )  # fmt: skip
    return broken or ok(f"{len(last):,} players' chains have no gap over {len(ledger):,} entries", **counts)


def non_negative(history: History) -> Verdict:
    """Check that no player and no escrow was ever below 0, and that escrow is 0 once its round has ended."""
    if history.ledger.empty:
        return unknown("there is no ledger export")
    ledger = history.ledger
    overdrawn = is_player(ledger["account"].to_numpy()) & (ledger["balance_after"].to_numpy() < 0)
    legs = history.legs
    escrow = legs[kind_of_account(legs["account"].to_numpy()) == int(AccountKind.ESCROW)].reset_index(drop=True)
    escrow["balance"] = escrow.groupby(_KEY)["change"].cumsum()
    final = escrow[~escrow.duplicated(_KEY, keep="last")].reset_index(drop=True)
    final["round"] = final["account"] & ((1 << 56) - 1)
    full = (final["balance"] != 0).to_numpy()
    ended = final["round"].isin(_ended_rounds(history.rounds)).to_numpy()
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


def _player_chains(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the players' entries in order of account, each with its predecessor's balance and version."""
    columns = ["shard", "seq", "account", "op", "kind", "status", "amount", "moved", "balance_after", "version"]
    rows = ledger.loc[is_player(ledger["account"].to_numpy()), columns]
    rows = rows.sort_values(["account", "shard"], kind="stable", ignore_index=True)
    starts = ~rows.duplicated(_KEY)
    for before, column in (("balance_before", "balance_after"), ("version_before", "version")):
        rows[before] = rows[column].shift(1, fill_value=0).where(~starts, 0)
    return rows
