"""The ledger as CSV files, one set a shard: what checks compare a campaign with."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

QUERIES = {
    "ledger": """
        SELECT h.shard, j.seq, replace(j.ref::text, '-', '') AS ref, j.slot, j.kind, j.status, j.account, j.counter,
               j.amount, j.balance_after, j.version, j.round, j.win AS window, j.selection
        FROM journal j, head h ORDER BY j.seq""",
    "accounts": """
        SELECT h.shard, a.id AS account, a.currency, a.balance, a.version FROM account a, head h ORDER BY a.id""",
    "limits": """
        SELECT h.shard, j.seq, j.account, j.selection AS kind, j.amount, (s.state->>2)::bigint AS held,
               (s.state->>3)::bigint AS next_amount, (s.state->>4)::bigint AS next_from_unix_ns,
               (extract(epoch FROM b.at) * 1000000000)::bigint AS set_unix_ns
        FROM head h, journal j
        CROSS JOIN LATERAL (
            SELECT at, payload::jsonb AS told FROM batch WHERE last_seq >= j.seq ORDER BY id LIMIT 1) b
        CROSS JOIN LATERAL (
            SELECT b.told->'limits'->(j.seq - (b.told->>'first_seq')::bigint)::integer AS state) s
        WHERE j.kind = 17 ORDER BY j.seq""",
    "windows": """
        SELECT h.shard, w.round, w.win AS window, w.table_id AS table, w.opened_seq, w.closed_seq,
               (extract(epoch FROM w.accept_until) * 1000000000)::bigint AS accept_until_unix_ns,
               encode(w.closed_hash, 'hex') AS closed_head
        FROM betting_window w, head h ORDER BY w.round, w.win""",
    "decisions": """
        SELECT d.round, d.void, d.outcome, d.game, encode(d.seed, 'hex') AS seed,
               (SELECT string_agg(encode(x, 'hex'), ';' ORDER BY n)
                FROM unnest(d.heads) WITH ORDINALITY AS t (x, n)) AS heads
        FROM round_decision d ORDER BY d.round""",
}


async def export_ledger(dsns: Sequence[str], out_dir: Path) -> None:
    """Write ``<what>-<shard>.csv`` for each shard; each shard's files are of one snapshot.

    Parameters
    ----------
    dsns : sequence of str
        The shards' databases.
    out_dir : Path
        Where the files go; it exists.
    """
    for shard, dsn in enumerate(dsns):
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for what, query in QUERIES.items():
                    target = out_dir / f"{what}-{shard}.csv"
                    await connection.copy_from_query(query, output=target, format="csv", header=True)
        finally:
            await connection.close()
