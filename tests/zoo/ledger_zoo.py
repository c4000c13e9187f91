"""Meeting a bug of the ledger: an evening on a shard with the bug in its functions, or in a copy of its writer."""

import importlib.util
from pathlib import Path
from types import ModuleType

import asyncpg
from zoo.bug import DATABASE, Bug
from zoo.evening import evening
from zoo.house import House
from zoo.judge import judge

from reference_impl.wallet import service, writer

REFUSALS = ("23", "LT")
"""Classes of SQLSTATE of a broken constraint and of a rule of ours; any other error means that an edit is no SQL."""


async def meet(bug: Bug | None, dsn: str, folder: Path) -> dict[str, str]:
    """Spend an evening on a fresh shard with this bug in it, or with none; return what each check said."""
    records = folder / "records"
    records.mkdir()
    modules = await _seed(bug, dsn, folder) if bug else (writer, service)
    house = House(dsn, records, *modules)
    try:
        await house.play(evening)
        return await judge(house, records)
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(REFUSALS):
            raise
        return {DATABASE: str(error)}


async def _seed(bug: Bug, dsn: str, folder: Path) -> tuple[ModuleType, ModuleType]:
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
        modules[Path(bug.file).stem] = _load(folder / Path(bug.file).name, text)
    return modules["writer"], modules["service"]


def _load(path: Path, text: str) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"zoo_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
