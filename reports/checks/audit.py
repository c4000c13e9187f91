"""The check of the audit trail: what was written outside the database as it happened is what the ledger says now."""

import numpy as np
import pandas as pd

from reports.checks.history import History
from reports.checks.ordering import group_starts, repeated, stable_order
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown

SAME = (
    "op", "slot", "kind", "status", "account", "counter", "amount", "balance_after", "version", "round", "window",
    "selection",
)  # fmt: skip


def trail_equals_ledger(history: History) -> Verdict:
    """Check that the trail is one unbroken chain, in order, and that its entries are the journal's, to the letter.

    Notes
    -----
    The trail is written behind the ledger. Entries after its end leave the check undecided; everything before must be
    there.
    """
    if history.ledger.empty or history.audit.empty:
        return unknown("there is no export of ledger and audit trail")
    audit, ledger = history.audit, history.ledger
    batches = _batches(audit)
    shard = batches["shard"].to_numpy()
    follows = ~group_starts(shard)
    expected = np.where(follows, np.roll(batches["batch"].to_numpy(), 1) + 1, 1)
    batches = batches.assign(expected_batch=expected)
    number = batches["batch"].to_numpy()
    told = audit[audit["seq"].to_numpy() > 0].reset_index(drop=True)
    told_key, key = (frame["shard"].to_numpy(np.int64) << 48 | frame["seq"].to_numpy() for frame in (told, ledger))
    order = stable_order(told_key)
    told, told_key = told.iloc[order].reset_index(drop=True), told_key[order]
    # both are sorted by shard and number, so equal places hold equal entries unless one side lacks some
    missing = ~np.isin(key, told_key, assume_unique=True, kind="sort") if not np.array_equal(key, told_key) else None
    strange = ~np.isin(told_key, key, kind="sort") if missing is not None else np.zeros(len(told), dtype=bool)
    counts = {"batches": len(batches), "entries": len(told)}
    rules = [
        Rule("a batch that the trail lacks", batches, number > expected),
        Rule("a batch that is in the trail again, or out of order", batches, number < expected),
        Rule("a batch whose hash does not continue the chain", batches, batches["linked"].to_numpy() == 0),
        Rule("an entry that is in the trail twice", told, repeated(told_key)),
        Rule("an entry of the trail that the ledger does not have", told, strange),
    ]
    broken = first_broken(rules, **counts)
    if broken:
        return broken
    behind = 0
    if missing is not None:
        last = pd.Series(told["seq"].to_numpy()).groupby(told["shard"].to_numpy()).max()
        after = ledger["seq"].to_numpy() > ledger["shard"].map(last).fillna(0).to_numpy()
        behind = int((missing & after).sum())
        broken = first_broken([Rule("an entry of the ledger that the trail lacks", ledger, missing & ~after)], **counts)
        ledger = ledger[~missing].reset_index(drop=True)
    broken = broken or first_broken(
        [Rule("an entry that the trail tells otherwise", *_otherwise(told, ledger))], **counts
    )
    if broken:
        return broken
    if behind:
        return unknown(f"the trail ends {behind:,} entries before the ledger", **counts, behind=behind)
    return ok(f"{len(batches):,} batches of the trail tell all {len(told):,} entries as the ledger does", **counts)


def _batches(audit: pd.DataFrame) -> pd.DataFrame:
    """Return each shard's batches once, in the order of the trail."""
    order = stable_order(audit["shard"].to_numpy(dtype=np.int64))
    key = audit["shard"].to_numpy(dtype=np.int64)[order] << 48 | audit["batch"].to_numpy()[order]
    return audit.iloc[order[group_starts(key)]][["shard", "batch", "linked"]].reset_index(drop=True)


def _otherwise(told: pd.DataFrame, ledger: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    differs = np.zeros(len(told), dtype=bool)
    for name in SAME:
        differs |= told[name].to_numpy() != ledger[name].to_numpy()
    if not differs.any():
        return told, differs
    return told.assign(**{f"ledger_{name}": ledger[name].to_numpy() for name in SAME}), differs
