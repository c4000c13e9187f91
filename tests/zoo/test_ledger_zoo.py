"""Bugs seeded into a copy of the wallet's SQL or of its writer are caught by the checks; without a bug all is well."""

from pathlib import Path

import asyncpg
import pytest
from zoo.bug import Bug
from zoo.evening import evening
from zoo.house import House
from zoo.judge import AUDIT
from zoo.ledger_bugs import LEDGER_BUGS
from zoo.ledger_zoo import meet

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.wallet import service, writer
from reports.checks import CHECKS

FIRST = {(bug.expected, bug.file): bug for bug in reversed(LEDGER_BUGS)}
"""A bug for each check that must name one and each file that holds one; the others' evenings are spent in the soak."""


@pytest.mark.parametrize(
    "bug",
    [pytest.param(bug, id=bug.name, marks=() if bug in FIRST.values() else pytest.mark.soak) for bug in LEDGER_BUGS],
)
async def test_a_seeded_bug_is_caught(bug: Bug, shard_dsn: str, tmp_path: Path, must_catch) -> None:
    must_catch(bug, await meet(bug, shard_dsn, tmp_path))


async def test_without_a_bug_every_check_is_ok(shard_dsn: str, tmp_path: Path) -> None:
    assert await meet(None, shard_dsn, tmp_path) == dict.fromkeys([*CHECKS, AUDIT], "ok")


async def test_an_evening_holds_every_kind_of_entry_and_answer(
    shard_dsn: str, shard: asyncpg.Connection, run_dir: Path
) -> None:
    await House(shard_dsn, run_dir, writer, service).play(evening)
    kinds = await shard.fetch("SELECT DISTINCT kind FROM journal")
    assert {row["kind"] for row in kinds} == set(EntryKind)
    told = await shard.fetch("SELECT status, count(*) FROM journal WHERE kind = 3 GROUP BY status")
    assert {row["status"]: row["count"] >= 5 for row in told} == {
        Status.ACCEPTED: True, Status.INSUFFICIENT_FUNDS: True, Status.WINDOW_CLOSED: True, Status.STAKE_LIMIT: True,
        Status.ROUND_LIMIT: True, Status.LOSS_LIMIT: True, Status.TIME_OUT: True, Status.EXCLUDED: True,
    }  # fmt: skip
