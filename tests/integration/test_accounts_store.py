"""Accounts on a PostgreSQL that is killed: what must outlast that does, and log-ins do not wait for the disk."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import asyncpg
import pytest
from shards import create_template, new_shard

from reference_impl.accounts import verifying
from reference_impl.accounts.passwords import FAILURES_MAX, PasswordCost, Passwords
from reference_impl.accounts.players import NewPlayer, Players
from reference_impl.accounts.sessions import Sessions
from reference_impl.accounts.store import Store
from reference_impl.domain.errors import RetryableError
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end

CHEAP = PasswordCost(memory_kib=64, iterations=1)
SECRET = b"only for this test, thirty-two byt"


async def open_accounts(dsn: str) -> tuple[Store, Players, Sessions]:
    store = Store(dsn)
    await store.open()
    return store, Players(store, Passwords(store, CHEAP)), Sessions(store, SECRET, 1800.0)


async def open_accounts_soon(dsn: str) -> tuple[Store, Players, Sessions]:
    """Open them when the database has recovered; a killed one leaves a file behind that says it is ready."""
    for _ in range(100):
        with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
            return await open_accounts(dsn)
        await asyncio.sleep(0.1)
    raise AssertionError("the database did not come back within 10 s")


async def test_registered_players_and_ended_sessions_outlast_the_databases_death(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        await create_template(server)
        dsn = await new_shard(server)
        store, players, sessions = await open_accounts(dsn)
        await players.register([NewPlayer(1, "ann", "secret", 978)])
        token = await sessions.open(1, int(time.time()))
        await asyncio.sleep(1.0)  # the session itself may be half a second late on the disk
        assert await sessions.end(1, "operator")
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        await store.close()
        server.start()
        store, players, sessions = await open_accounts_soon(dsn)
        assert await players.recognise("ann", "secret") == 1
        assert await sessions.of(token, int(time.time())) is None
        await store.close()
    finally:
        end([(server.process, server.stop_signal)], 5)


async def test_sessions_and_attempts_do_not_wait_for_the_disk_and_leave_connections_as_they_were(
    shard_dsn: str,
) -> None:
    store, players, sessions = await open_accounts(shard_dsn)
    await players.register([NewPlayer(n, f"player-{n}", "secret", 978) for n in range(1, 101)])
    asked = await asyncio.gather(*(players.recognise(f"player-{n}", "secret") for n in range(1, 101)))
    assert asked == list(range(1, 101))
    await asyncio.gather(*(sessions.open(n, int(time.time())) for n in range(1, 101)))
    await asyncio.gather(*(sessions.end(n, "operator") for n in range(1, 101)))
    settings = await asyncio.gather(*(store.pool.fetchval("SHOW synchronous_commit") for _ in range(8)))
    assert set(settings) == {"off"}
    await store.close()


async def test_who_is_turned_away_because_too_many_wait_has_not_failed_to_log_in(
    shard_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, players, _ = await open_accounts(shard_dsn)
    await players.register([NewPlayer(1, "ann", "secret", 978)])
    busy = Passwords(store, PasswordCost(iterations=20))
    monkeypatch.setattr(verifying, "WAIT_S_MAX", 0.0)
    first = asyncio.create_task(busy.are_right("somebody", None, "?"))
    await asyncio.sleep(0)  # it takes its place before anything else
    for _ in range(FAILURES_MAX):
        with pytest.raises(RetryableError, match="1 log-ins wait already"):
            await busy.are_right("ann", None, "?")
    assert not await first
    assert await players.recognise("ann", "secret") == 1
    await store.close()
