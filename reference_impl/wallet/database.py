"""A shard's database: connecting to it, and making an empty one a shard."""

from importlib.resources import files
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from reference_impl.domain.errors import ConfigError, InvariantViolationError

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

SCHEMA_LOCK = 0x4C49_5645
"""Advisory lock that keeps two starting processes from creating the schema twice."""


async def connect(dsn: str, **settings: str) -> asyncpg.Connection:
    """Return a connection with the settings that the ledger relies on."""
    return await asyncpg.connect(
        dsn, timeout=5, server_settings={"client_min_messages": "warning", "jit": "off", "timezone": "UTC"} | settings
    )


async def one_row(db: Database, query: str, *arguments: Any) -> asyncpg.Record:
    """Return the row of a query that always has one."""
    row = await db.fetchrow(query, *arguments)
    if row is None:
        raise InvariantViolationError(f"no row from: {query}")
    return row


async def prepare_shard(dsn: str, shard: int, currency: int) -> None:
    """Create the schema in an empty database and (re)load the functions, which carry no state.

    Raises
    ------
    ConfigError
        If the database already is another shard.
    """
    here = files("reference_impl.wallet")
    connection = await connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
            if await connection.fetchval("SELECT to_regclass('head') IS NULL"):
                await connection.execute(here.joinpath("schema.sql").read_text())
            await connection.execute(here.joinpath("functions.sql").read_text())
            await connection.execute("SELECT init_shard($1, $2)", shard, currency)
            found = await connection.fetchval("SELECT shard FROM head")
    finally:
        await connection.close()
    if found != shard:
        raise ConfigError(f"the database of shard {shard} holds shard {found}; the list of DSNs changed its order")
