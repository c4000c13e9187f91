"""From a house's records to what the checks say of it."""

from pathlib import Path

import asyncpg
import pandas as pd
from zoo.house import LATE_NS, House

from reference_impl.audit.trail import Line
from reference_impl.stack.audit_export import write_rows
from reference_impl.stack.ledger_export import export_ledger
from reference_impl.wallet.verify import verify_shard
from reports.checks import History, check_history
from reports.convert import convert
from reports.run import frame_of

AUDIT = "audit verify"
"""What ``livetable audit verify`` says, beside the checks over a history."""


async def judge(house: House, folder: Path) -> dict[str, str]:
    """Return each check's status, those that are not *ok* with what they found."""
    export = folder / "export"
    export.mkdir()
    await export_ledger([house.dsn], export)
    await _export_trail(house.dsn, export)
    tables = convert(folder, export, 1, house.clock)
    faults = pd.DataFrame(house.faults)
    tables["faults"] = frame_of("faults", {str(name): column for name, column in faults.items()})
    tables["orders"] = _orders(house)
    mono_ns, unix_ns = house.clock
    history = History(tables, clock_error_ns=LATE_NS, unix_ahead_ns=unix_ns - mono_ns)
    said = check_history(history, {})
    found = {
        name: verdict.status if verdict.status == "ok" else f"{verdict.status}: {verdict.message}"
        for name, verdict in said.items()
    }
    connection = await asyncpg.connect(house.dsn)
    try:
        findings = (await verify_shard(connection, {})).findings
    finally:
        await connection.close()
    return {**found, AUDIT: f"illegal: {findings[0]}" if findings else "ok"}


async def _export_trail(dsn: str, export: Path) -> None:
    """Write what a relay and an audit that make no mistake would have kept."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT id, topic, payload, hash FROM batch ORDER BY id")
    finally:
        await connection.close()
    lines = [Line(row["id"], row["topic"], row["hash"].hex(), row["payload"]) for row in rows]
    write_rows(export / "audit-0.csv", 0, lines)


def _orders(house: House) -> pd.DataFrame:
    rows = [(kind, int.from_bytes(ref[8:], "big"), *row) for (kind, ref), row in house.orders.items()]
    columns = dict(zip(("kind", "op", "account", "amount", "status"), zip(*rows, strict=True), strict=True))
    return frame_of("orders", columns)
