"""From a house's records to what the checks say of it."""

from pathlib import Path

import asyncpg
import pandas as pd
from zoo.house import LATE_NS, House

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
    tables = convert(folder, export, 1, house.clock)
    faults = pd.DataFrame(house.faults)
    tables["faults"] = frame_of("faults", {str(name): column for name, column in faults.items()})
    said = check_history(History(tables, clock_error_ns=LATE_NS), {})
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
