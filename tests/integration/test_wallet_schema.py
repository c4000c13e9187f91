"""A shard's schema: what the wallet may do to what is on record, and how an older database moves forward."""

from importlib.resources import files

import asyncpg
import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.wallet.database import migrate, prepare_shard


@pytest.mark.parametrize("table", ["journal", "batch", "round_decision"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_wallet_cannot_change_what_is_on_record(shard: asyncpg.Connection, table: str, change: str) -> None:
    await shard.execute("SELECT take_table(1)")
    column = {"journal": "amount = 1", "batch": "payload = ''", "round_decision": "outcome = 1"}[table]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"permission denied for table {table}"):
        await shard.execute(change.format(table, column))


async def test_the_wallet_still_does_its_work_under_its_role(shard: asyncpg.Connection) -> None:
    assert await shard.fetchval("SELECT current_user") == "livetable_wallet"
    assert await shard.fetchval("SELECT open_accounts($1, $2, $3)", [bytes(16)], [1], [100]) == 1
    assert await shard.fetchval("SELECT count(*) FROM journal") == 1


async def empty_database(server: EmbeddedPostgres, name: str) -> str:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server.dsn(name)


async def test_a_database_of_the_first_schema_is_brought_up_to_date_with_its_money(postgres: EmbeddedPostgres) -> None:
    dsn = await empty_database(postgres, "first_schema")
    connection = await asyncpg.connect(dsn)
    try:
        first = files("reference_impl.wallet").joinpath("migrations", "001_ledger.sql").read_text()
        await connection.execute(first)
        await connection.execute("INSERT INTO account (id, currency, balance) VALUES (5, 978, 70), (6, 978, -70 + 140)")
        await prepare_shard(dsn, 0)
        assert await connection.fetchval("SELECT balance FROM account WHERE id = 5") == 70
        versions = [row["version"] for row in await connection.fetch("SELECT version FROM schema_version ORDER BY 1")]
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) >= 3
        async with connection.transaction():
            await migrate(connection)
        assert await connection.fetchval("SELECT count(*) FROM schema_version") == len(versions)
    finally:
        await connection.close()


async def test_preparing_a_shard_again_changes_nothing(shard: asyncpg.Connection, shard_dsn: str) -> None:
    await shard.execute("SELECT open_accounts($1, $2, $3)", [bytes(16)], [1], [100])
    head = await shard.fetchrow("SELECT * FROM head")
    await prepare_shard(shard_dsn, 0)
    assert await shard.fetchrow("SELECT * FROM head") == head


async def test_a_database_of_a_newer_schema_is_refused(shard_dsn: str) -> None:
    owner = await asyncpg.connect(shard_dsn)
    try:
        await owner.execute("INSERT INTO schema_version (version, name) VALUES (999, 'from the future')")
    finally:
        await owner.close()
    with pytest.raises(ConfigError, match="schema version 999"):
        await prepare_shard(shard_dsn, 0)


async def test_a_database_that_is_another_shard_is_refused(shard_dsn: str) -> None:
    with pytest.raises(ConfigError, match="shard 1 holds shard 0"):
        await prepare_shard(shard_dsn, 1)


async def test_a_balance_of_any_earlier_time_can_be_told(shard: asyncpg.Connection) -> None:
    times = [await shard.fetchval("SELECT clock_timestamp()")]
    for number, amount in enumerate((100, 20, 3)):
        await shard.fetchval("SELECT open_accounts($1, $2, $3)", [number.to_bytes(16, "big")], [1], [amount])
        times.append(await shard.fetchval("SELECT clock_timestamp()"))
    told = [await shard.fetchval("SELECT balance_at(1, $1)", at) for at in times]
    assert told == [0, 100, 120, 123]
    cash = 4 << 56
    assert [await shard.fetchval("SELECT balance_at($1, $2)", cash, at) for at in times] == [0, -100, -120, -123]
