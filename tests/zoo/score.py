"""The whole zoo, one bug after the other: what ``livetable zoo`` runs."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from shards import create_template, new_shard
from zoo import ledger_zoo, system_zoo
from zoo.bug import Bug
from zoo.ledger_bugs import LEDGER_BUGS
from zoo.system_bugs import SYSTEM_BUGS

from loadtest.zoo import Meeting
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end

BUGS: dict[str, Bug] = {bug.name: bug for bug in (*LEDGER_BUGS, *SYSTEM_BUGS)}


async def meetings(names: Sequence[str]) -> AsyncIterator[Meeting]:
    """Meet the bugs of these names; yield each as soon as it was met. Those of the ledger come first."""
    with tempfile.TemporaryDirectory(prefix="livetable-zoo-") as scratch:
        folder = Path(scratch)
        if ledger := [bug for bug in LEDGER_BUGS if bug.name in names]:
            async for meeting in _ledger_meetings(ledger, folder):
                yield meeting
        for bug in SYSTEM_BUGS:
            if bug.name in names:
                place, started_s = _place(folder), time.monotonic()
                _, said, _ = await asyncio.to_thread(system_zoo.meet, bug, place)
                yield _meeting(bug, said, started_s)


async def _ledger_meetings(bugs: Sequence[Bug], folder: Path) -> AsyncIterator[Meeting]:
    home = folder / "postgres"
    home.mkdir()
    server = EmbeddedPostgres(home)
    await asyncio.to_thread(server.start)
    try:
        await create_template(server)
        for bug in bugs:
            dsn, started_s = await new_shard(server), time.monotonic()
            yield _meeting(bug, await ledger_zoo.meet(bug, dsn, _place(folder)), started_s)
    finally:
        await asyncio.to_thread(end, [(server.process, server.stop_signal)], 5)


def _place(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def _meeting(bug: Bug, said: dict[str, str], started_s: float) -> Meeting:
    return Meeting.of(bug.name, bug.file, bug.expected, said, round(time.monotonic() - started_s, 1))
