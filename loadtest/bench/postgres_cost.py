"""What a piece of work costs a PostgreSQL server: CPU of all its processes, WAL, disk."""

import os
from pathlib import Path

import asyncpg

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


async def wal_bytes(dsn: str) -> int:
    """Return the position in the WAL."""
    return int(await _value(dsn, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


async def disk_bytes(dsn: str) -> int:
    """Return the size of a database."""
    return int(await _value(dsn, "SELECT pg_database_size(current_database())"))


async def _value(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
