"""A shard's database: connecting to it, and making an empty one a shard.

The schema is the sum of ``migrations/NNN_*.sql``, applied in order, each once. Functions carry no state and are loaded
anew at every start.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from reference_impl.domain.errors import ConfigError, InvariantViolationError

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

SCHEMA_LOCK = 0x4C49_5645
"""Advisory lock that keeps two starting processes from creating the schema twice."""

WALLET_ROLE = "livetable_wallet"
"""What the wallet acts as: it may append to the journal, the batches and the decisions, and change none of them."""

SETTINGS = {"client_min_messages": "warning", "jit": "off", "timezone": "UTC"}

_VERSIONS = """
    CREATE TABLE IF NOT EXISTS schema_version (
        version integer PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    INSERT INTO schema_version (version, name)
        SELECT 1, '001_ledger.sql' WHERE to_regclass('head') IS NOT NULL ON CONFLICT DO NOTHING;
"""


async def connect(dsn: str, **settings: str) -> asyncpg.Connection:
    """Return a connection with the settings and the rights that the wallet works with."""
    return await asyncpg.connect(dsn, timeout=5, server_settings=SETTINGS | {"role": WALLET_ROLE} | settings)


async def one_row(db: Database, query: str, *arguments: Any) -> asyncpg.Record:
    """Return the row of a query that always has one."""
    row = await db.fetchrow(query, *arguments)
    if row is None:
        raise InvariantViolationError(f"no row from: {query}")
    return row


async def prepare_shard(dsn: str, shard: int) -> None:
    """Bring a database's schema up to date, creating it in an empty one, and (re)load the functions.

    Raises
    ------
    ConfigError
        If the database already is another shard, is of a newer schema, or its user may not do this.
    """
    connection = await asyncpg.connect(dsn, timeout=5, server_settings=SETTINGS)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
            await migrate(connection)
            for file in _sql("functions"):
                await connection.execute(file.read_text())
            await connection.execute("SELECT init_shard($1)", shard)
            found = await connection.fetchval("SELECT shard FROM head")
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(f"the user of shard {shard}'s database cannot prepare it: {error}") from error
    finally:
        await connection.close()
    if found != shard:
        raise ConfigError(f"the database of shard {shard} holds shard {found}; the list of DSNs changed its order")


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Apply the migrations that a database has not seen; the caller holds a transaction.

    Raises
    ------
    ConfigError
        If the database is newer than this program.
    """
    await connection.execute(_VERSIONS)
    current = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_version")
    newest = 0
    for file in _sql("migrations"):
        newest = int(file.name.partition("_")[0])
        if newest > current:
            await connection.execute(file.read_text())
            await connection.execute("INSERT INTO schema_version (version, name) VALUES ($1, $2)", newest, file.name)
    if current > newest:
        raise ConfigError(f"the database has schema version {current}, this program knows {newest}")


def _sql(folder: str) -> list[Traversable]:
    found = files("reference_impl.wallet").joinpath(folder).iterdir()
    return sorted((file for file in found if file.name.endswith(".sql")), key=lambda file: file.name)
