"""Bugs seeded into a copy of the wallet's SQL or of its writer are caught by the checks; without a bug all is well."""

import importlib.util
from pathlib import Path
from types import ModuleType

import asyncpg
import pytest
from zoo.bug import DATABASE, Bug, as_parameters
from zoo.evening import evening
from zoo.house import House
from zoo.judge import AUDIT, judge
from zoo.ledger_bugs import LEDGER_BUGS

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.wallet import service, writer
from reports.checks import CHECKS

REFUSALS = ("23", "LT")
"""Classes of SQLSTATE of a broken constraint and of a rule of ours; any other error means that an edit is no SQL."""


@pytest.mark.parametrize("bug", as_parameters(LEDGER_BUGS))
async def test_a_seeded_bug_is_caught(bug: Bug, shard_dsn: str, run_dir: Path, tmp_path: Path, must_catch) -> None:
    modules = await seed(bug, shard_dsn, tmp_path)
    try:
        said = await spend(House(shard_dsn, run_dir, *modules), run_dir)
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(REFUSALS):
            raise
        said = {DATABASE: str(error)}
    must_catch(bug, said)


async def test_without_a_bug_every_check_is_ok(shard_dsn: str, run_dir: Path) -> None:
    found = await spend(House(shard_dsn, run_dir, writer, service), run_dir)
    assert found == dict.fromkeys([*CHECKS, AUDIT], "ok")


async def test_an_evening_holds_every_kind_of_entry_and_answer(
    shard_dsn: str, shard: asyncpg.Connection, run_dir: Path
) -> None:
    await House(shard_dsn, run_dir, writer, service).play(evening)
    kinds = await shard.fetch("SELECT DISTINCT kind FROM journal")
    assert {row["kind"] for row in kinds} == set(EntryKind)
    told = await shard.fetch("SELECT status, count(*) FROM journal WHERE kind = 3 GROUP BY status")
    assert {row["status"]: row["count"] >= 5 for row in told} == {
        Status.ACCEPTED: True, Status.INSUFFICIENT_FUNDS: True, Status.WINDOW_CLOSED: True,
    }  # fmt: skip


async def spend(house: House, run_dir: Path) -> dict[str, str]:
    await house.play(evening)
    return await judge(house, run_dir)


async def seed(bug: Bug, dsn: str, folder: Path) -> tuple[ModuleType, ModuleType]:
    """Put the bug into the shard's functions, or into a copy of the wallet's module; return the two modules."""
    text = bug.patched()
    modules = {"writer": writer, "service": service}
    if bug.file.endswith(".sql"):
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(text)
        finally:
            await connection.close()
    else:
        modules[Path(bug.file).stem] = load(folder / Path(bug.file).name, text)
    return modules["writer"], modules["service"]


def load(path: Path, text: str) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"zoo_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
