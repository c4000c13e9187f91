"""What players read of their own accounts: their limits, and their statement, from committed entries alone."""

from datetime import UTC, datetime, timedelta

from reference_impl.domain import wallet_messages as m
from reference_impl.wallet.database import Database, one_row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_NS_PER_US = 1000


async def limits_of(db: Database, ask: m.GetLimits) -> m.ControlReply:
    """Return the rows of an account's limits."""
    rows = await db.fetch(
        "SELECT kind, amount, next_amount, next_from_ns, period, used_minor FROM player_limit WHERE account = $1"
        " ORDER BY kind",
        ask.account,
    )
    return m.LimitRows([tuple(row) for row in rows])


async def sums_of(db: Database, ask: m.GetSums) -> m.ControlReply:
    """Return what an account's entries of a span of time moved, and where in the journal the span lies."""
    bounds = await one_row(db, "SELECT seq_at($1) AS first, seq_at($2) AS last", ask.from_unix_ns, ask.to_unix_ns)
    sums = await one_row(db, "SELECT * FROM statement_sums($1, $2, $3)", ask.account, bounds["first"], bounds["last"])
    return m.Sums(
        bounds["first"], bounds["last"], sums["opening"], sums["closing"], sums["kinds"], sums["counts"], sums["sums"]
    )


async def entries_of(db: Database, ask: m.GetEntries) -> m.ControlReply:
    """Return a page of an account's entries."""
    rows = await db.fetch(
        "SELECT * FROM statement_entries($1, $2, $3, $4, $5, $6)",
        ask.account, ask.after_seq, ask.to_seq, ask.kinds, ask.newest_first, ask.rows_max,
    )  # fmt: skip
    return m.EntryRows(
        [
            m.EntryRow(
                row["seq"], _unix_ns(row["at"]), row["ref"].bytes, row["kind"], row["amount"],
                row["balance"], row["round"], row["selection"],
            )
            for row in rows
        ]
    )  # fmt: skip


def _unix_ns(at: datetime) -> int:
    return (at - _EPOCH) // _US * _NS_PER_US
