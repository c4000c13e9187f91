"""What a piece of work costs a PostgreSQL server: CPU of all its processes, WAL and the page images in it, disk.

After each checkpoint the first change of a page writes all of it to the WAL. Backends tell these images once a second.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import asyncpg

from reference_impl.stack.ledgers import Ledgers

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(postmaster_pid: int) -> float:
    """Return CPU seconds of a server and all its processes, ended ones included."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(stat.parent.name) == postmaster_pid:
            total += sum(map(int, fields[11:15])) * _TICK_S
        elif int(fields[1]) == postmaster_pid:
            total += sum(map(int, fields[11:13])) * _TICK_S
    return total


class Cost(NamedTuple):
    """What a server has spent until an instant."""

    cpu_s: float
    wal_bytes: int
    page_images: int
    disk_bytes: int

    def a_bet_since(self, before: "Cost", bets: int) -> dict[str, float]:
        """Return what each of so many bets cost since then."""
        return {
            "postgres_cpu_us_per_bet": (self.cpu_s - before.cpu_s) / bets * 1e6,
            "wal_bytes_per_bet": (self.wal_bytes - before.wal_bytes) / bets,
            "page_images_per_1000_bets": (self.page_images - before.page_images) / bets * 1000,
            "disk_bytes_per_bet": (self.disk_bytes - before.disk_bytes) / bets,
        }


@dataclass(frozen=True)
class Meter:
    """Reads what a ledger's server has spent.

    Parameters
    ----------
    postmaster_pid : int
        The server's first process.
    dsns : tuple of str
        The databases whose size counts.
    """

    postmaster_pid: int
    dsns: tuple[str, ...]

    @classmethod
    def of(cls, ledgers: Ledgers) -> Self:
        """Return the meter of an embedded server."""
        process = ledgers.server.process
        return cls(process.pid if process else 0, tuple(map(ledgers.dsn, range(ledgers.shards))))

    async def read(self) -> Cost:
        """Return what was spent until now."""
        wal = await _value(self.dsns[0], "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        images = await _value(self.dsns[0], "SELECT wal_fpi FROM pg_stat_wal")
        disk = [await _value(dsn, "SELECT pg_database_size(current_database())") for dsn in self.dsns]
        return Cost(cpu_s(self.postmaster_pid), wal, images, sum(disk))


async def _value(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
