"""Fixtures for every test: one embedded PostgreSQL a session, a fresh shard from a template in milliseconds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from shards import connect_as_writer, create_template, new_shard

from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Yield a PostgreSQL server with a template database that is an empty shard 0."""
    # Nobody cuts its power: a commit that waits for the disk, and a clone that waits for all of it, show nothing here.
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off"})
    server.start()
    asyncio.run(create_template(server))
    yield server
    end([(server.process, server.stop_signal)], 5)


@pytest.fixture
async def shard_dsn(postgres: EmbeddedPostgres) -> str:
    """Return the address of a fresh, empty shard 0."""
    return await new_shard(postgres)


@pytest.fixture
async def shard(shard_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection to a fresh, empty shard 0, refs as bytes."""
    connection = await connect_as_writer(shard_dsn)
    yield connection
    await connection.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Return a folder for records."""
    folder = tmp_path / "records"
    folder.mkdir()
    return folder
