"""Fresh ledger shards for tests: one server, one template, a clone in milliseconds."""

from itertools import count

import asyncpg

from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.database import connect, prepare_shard

_numbers = count(1)


async def new_shard(server: EmbeddedPostgres) -> str:
    """Clone the template; return the new database's address."""
    name = f"shard_{next(_numbers)}"
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE shard_template STRATEGY file_copy")
    finally:
        await connection.close()
    return server.dsn(name)


async def connect_as_writer(dsn: str) -> asyncpg.Connection:
    """Connect with the settings and codecs of the wallet's writer."""
    connection = await connect(dsn)
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    return connection


async def create_template(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute("CREATE DATABASE shard_template")
    finally:
        await connection.close()
    await prepare_shard(server.dsn("shard_template"), 0)
