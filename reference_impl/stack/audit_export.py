"""The audit trail as CSV files, a row an entry: what checks hold against the ledger."""

import asyncio
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec

from reference_impl.audit.trail import Head, Line, follow, genesis, read_trail
from reference_impl.wallet.verify import Entry, entries_of

TRAIL_S_MAX = 10.0
"""How long the trail may take, once the ledger is quiet, to catch up with it. What is still missing then is seen by
whoever compares the two."""

ASK_AGAIN_S = 0.25


class Row(NamedTuple):
    """An entry as the trail tells it, or with ``seq`` 0 a batch without entries."""

    shard: int
    batch: int
    linked: int
    table: int
    event: int
    seq: int
    ref: str
    slot: int
    kind: int
    status: int
    account: int
    counter: int
    amount: int
    balance_after: int
    version: int
    round: int
    window: int
    selection: int


async def export_trail(audit_dir: Path, dsns: Sequence[str], out_dir: Path) -> None:
    """Write ``audit-<shard>.csv`` for each shard, once the trail has reached the end of the shard's hash chain.

    Parameters
    ----------
    audit_dir : Path
        Where the audit role writes.
    dsns : sequence of str
        The shards' databases; they are quiet.
    out_dir : Path
        Where the files go; it exists.
    """
    until_s = time.monotonic() + TRAIL_S_MAX
    for shard, dsn in enumerate(dsns):
        last = await _last_batch(dsn)
        trail = audit_dir / f"trail-{shard}.jsonl"
        lines = read_trail(trail)
        while (lines[-1].batch if lines else 0) < last and time.monotonic() < until_s:
            await asyncio.sleep(ASK_AGAIN_S)
            lines = read_trail(trail)
        write_rows(out_dir / f"audit-{shard}.csv", shard, lines)


def write_rows(file: Path, shard: int, lines: Sequence[Line]) -> None:
    """Write a shard's trail as CSV, in the order of the trail."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(Row._fields)
        writer.writerows(_rows(shard, lines))


def _rows(shard: int, lines: Sequence[Line]) -> Iterator[Row]:
    head = genesis(shard)
    for line in lines:
        after = follow(head, line)
        linked = int(after is not None)
        head = after or Head(line.batch, bytes.fromhex(line.hash))
        payload: dict[str, Any] = msgspec.json.decode(line.payload)
        entries = list(entries_of(payload))
        yield from (_row(shard, line.batch, linked, entry) for entry in entries)
        if not entries:
            event = _row(shard, line.batch, linked, _NO_ENTRY)
            yield event._replace(table=payload.get("table", 0), event=payload.get("seq", 0))


def _row(shard: int, batch: int, linked: int, e: Entry) -> Row:
    return Row(
        shard, batch, linked, 0, 0, e.seq, e.ref, e.slot, e.entry, e.status, e.account, e.counter, e.amount, e.balance,
        e.version, e.round, e.win, e.selection,
    )  # fmt: skip


_NO_ENTRY = Entry(0, 0, "0" * 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


async def _last_batch(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT batch FROM head"))
    finally:
        await connection.close()
