"""A drill: the database is backed up while people bet, it is lost, and it is restored to a point.

1. People bet. An archive follows the WAL; a base backup is taken meanwhile and verified.
2. A moment is named. Whatever anybody was told before it has to survive. People bet on, and the cluster is lost.
3. The backup is restored and the archive played onto it up to the point. The books are verified, against the audit
   trail too, which lies outside PostgreSQL; each bet whose acceptance was told before the point must be there, at its
   place in the journal.
4. The system goes on from there, with a new bus and a new trail: rounds that the point cut through come to their end.

What was told after the point is lost by order; the trail still tells it, batch by batch.
"""

import asyncio
import contextlib
import dataclasses
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg
from msgspec import Struct, structs

from loadtest.adapters.base import Placement, Target
from loadtest.adapters.ours import LiveTable
from loadtest.bench.bettors import Bettor, Seat
from loadtest.clock import HostClock
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.protocol import BetAnswer, ServerMessage
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.backup import Archive, back_up, moved, name_point, restored, start_restored
from reference_impl.stack.config import StackConfig
from reference_impl.stack.processes import end
from reference_impl.stack.resources import size_bytes
from reference_impl.stack.stack import Stack
from reference_impl.stack.verification import verify, verify_restored

POINT = "drill"
PLAYERS = 20
GAP_S = 0.25
SYSTEM = StackConfig(
    tables=2, edges=0, timing=Timing(window_ms=2500, closing_soon_ms=500, dealing_ms=300, pause_ms=200),
    password_cost=dataclasses.replace(StackConfig().password_cost, memory_kib=64, iterations=1),
)  # fmt: skip
_UNFINISHED = "SELECT count(DISTINCT round) FROM betting_window WHERE NOT finished"
_STOP_S_MAX = 5.0


class Drilled(Struct):
    """What a drill found.

    Parameters
    ----------
    told, lost : int
        Bets whose acceptance somebody was told before the point, and how many of them the restored ledger lacks or has
        elsewhere in the journal.
    told_after : int
        Bets accepted after the point, which were given up.
    in_trail : int
        Batches after the point that the audit trail still tells.
    backup_s, backup_bytes, archive_bytes : float, int, int
        How long the base backup took, and how large it and the archive are.
    restore_s : float
        From the copy of the backup to a server that takes connections.
    unfinished : int
        Rounds that the point cut through, and that came to their end afterwards.
    entries : int
        Journal entries that were verified.
    findings : list of str
        What is wrong with the restored books.
    """

    told: int
    lost: int
    told_after: int
    in_trail: int
    backup_s: float
    backup_bytes: int
    archive_bytes: int
    restore_s: float
    unfinished: int
    entries: int
    findings: list[str]

    @property
    def sound(self) -> bool:
        """Whether nothing was lost and the books agree."""
        return bool(self.told) and not self.lost and not self.findings

    @property
    def lines(self) -> list[str]:
        """What was found, for people."""
        mib = 1 << 20
        return [
            f"base backup while people bet: {self.backup_s:.1f} s, {self.backup_bytes / mib:,.0f} MiB, verified",
            f"archive of the WAL: {self.archive_bytes / mib:,.0f} MiB",
            f"restored to the point and serving in {self.restore_s:.1f} s",
            f"{self.told:,} bets were told accepted before the point, {self.lost:,} of them are lost",
            f"{self.told_after:,} were accepted after it and given up; the trail still tells {self.in_trail:,} batches",
            f"{self.entries:,} entries verified against chain and trail: {len(self.findings)} findings",
            *(f"  {finding}" for finding in self.findings),
            f"{self.unfinished:,} rounds that the point cut through came to their end",
        ]


class Accepted(NamedTuple):
    """A bet that somebody was told to be accepted."""

    id: str
    shard: int
    seq: int


class Witness(Bettor):
    """A person who remembers which bets were accepted."""

    def __init__(self, table: int, told: list[Accepted]) -> None:
        super().__init__(table, GAP_S, [])
        self._told = told

    def hear(self, seat: Seat, message: ServerMessage) -> None:
        """Remember what was accepted."""
        if isinstance(message, BetAnswer) and message.status == Status.ACCEPTED:
            self._told.append(Accepted(message.id, message.shard, message.seq))
        super().hear(seat, message)


async def drill(folder: Path, stretch_s: float, say: Callable[[str], None]) -> Drilled:
    """Carry out the drill.

    Parameters
    ----------
    folder : Path
        Where the system, backup, archive and the restored cluster lie; it must be empty.
    stretch_s : float
        How long people bet before the backup, between backup and point, and after the point.
    say : callable
        Told in plain words what happens.

    Raises
    ------
    OperationalError
        If a step cannot be done at all.
    """
    system, backup, archive_dir = folder / "system", folder / "backup", folder / "archive"
    told: list[Accepted] = []
    async with Stack(structs.replace(SYSTEM, data_dir=str(system)), say) as stack:
        dsn, archive = stack.dsns[0], Archive(stack.dsns[0], archive_dir)
        try:
            async with _betting(stack, told):
                await archive.start()
                await asyncio.sleep(stretch_s)
                say("copying the cluster while people bet")
                began_s = time.monotonic()
                await back_up(dsn, backup)
                backup_s = time.monotonic() - began_s
                await asyncio.sleep(stretch_s)
                n_before = len(told)
                point = await name_point(dsn, POINT)
                say(f"the point is {point}; people bet on")
                await asyncio.sleep(stretch_s)
                await archive.holds(point)
        finally:
            archive.end()
        dsns, trail = list(stack.dsns), stack.audit_dir
    say("the cluster is lost; restoring")
    shutil.rmtree(system / "postgres")
    (folder / "restored").mkdir()
    began_s = time.monotonic()
    server = restored(backup, archive_dir, POINT, folder / "restored")
    try:
        dsns = [moved(one, server) for one in dsns]
        await start_restored(server, dsns[0])
        restore_s = time.monotonic() - began_s
        found = Drilled(n_before, 0, len(told) - n_before, 0, backup_s, size_bytes(backup), size_bytes(archive_dir),
                        restore_s, 0, 0, [])  # fmt: skip
        say("verifying the books")
        for shard, one in enumerate(dsns):
            await _verify(found, shard, one, trail, told[:n_before])
        say("going on from there")
        await _go_on(found, dsns, say)
    finally:
        if server.process is not None:
            end([(server.process, server.stop_signal)], _STOP_S_MAX)
    return found


@contextlib.asynccontextmanager
async def _betting(stack: Stack, told: list[Accepted]) -> AsyncIterator[None]:
    """Have people bet meanwhile."""
    adapter = LiveTable(Target(stack.api_url, stack.admin_token), HostClock())
    await asyncio.to_thread(adapter.provision, PLAYERS, 10**9)

    def place(number: int) -> Placement:
        return adapter.place(adapter.log_in(number), 1 + number % SYSTEM.tables, "")

    people = [Witness(1 + number % SYSTEM.tables, told) for number in range(1, PLAYERS + 1)]
    for number, person in enumerate(people, start=1):
        await person.join(await asyncio.to_thread(place, number))
    playing = [asyncio.create_task(person.play()) for person in people]
    try:
        yield
    finally:
        for task in playing:
            task.cancel()
        for person in people:
            person.leave()


async def _verify(found: Drilled, shard: int, dsn: str, trail: Path, told: list[Accepted]) -> None:
    """Hold a restored shard against itself, the trail and what people were told."""
    verified, beyond = await verify_restored(dsn, shard, trail)
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT replace(ref::text, '-', '') AS id, seq FROM journal WHERE kind = $1 AND status = $2",
            EntryKind.BET, Status.ACCEPTED,
        )  # fmt: skip
        found.unfinished += await connection.fetchval(_UNFINISHED)
    finally:
        await connection.close()
    found.lost += len(lost_of([bet for bet in told if bet.shard == shard], {row["id"]: row["seq"] for row in rows}))
    found.in_trail += beyond
    found.entries += verified.entries
    found.findings += verified.findings


def lost_of(told: Sequence[Accepted], there: Mapping[str, int]) -> list[str]:
    """Return which bets the journal, as id → place, lacks or has at another place than was told."""
    return [bet.id for bet in told if there.get(bet.id) != bet.seq]


async def _go_on(found: Drilled, dsns: list[str], say: Callable[[str], None]) -> None:
    """Start a system on the restored shards; every round must come to its end, and the books must agree then too."""
    async with Stack(structs.replace(SYSTEM, dsns=tuple(dsns)), say) as stack:
        await stack.finish_rounds()
    for verified in await verify(dsns, None):
        found.findings += verified.findings
    for shard, dsn in enumerate(dsns):
        connection = await asyncpg.connect(dsn)
        try:
            if await connection.fetchval(_UNFINISHED):
                found.findings.append(f"shard {shard}: a round has no end")
            if total := await connection.fetchval("SELECT sum(balance)::bigint FROM account"):
                found.findings.append(f"shard {shard}: its accounts sum to {total}, not 0")
        finally:
            await connection.close()
