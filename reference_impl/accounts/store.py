"""Where accounts are kept: one database, one pool of connections, one schema.

Times are `timestamptz` and always the database's own, so that windows of minutes do not depend on whose clock asks.

Attempts, new sessions and signs of life do not wait for the disk: a thousand players who log in at once would queue for
it. What a crash of the database may take with it is the last half second of these: a player logs in again, a guess is
forgotten. Whatever must outlast a crash, :data:`DURABLY` is said first in its transaction.
"""

import asyncio

import asyncpg

CONNECTIONS_MAX = 4
DATABASE_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
DURABLY = "SET LOCAL synchronous_commit = on"

_SCHEMA = """
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('accounts'));
CREATE SCHEMA IF NOT EXISTS accounts;
CREATE TABLE IF NOT EXISTS accounts.player (
    id bigint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    currency smallint NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts.attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS accounts.barred (
    player bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lifted_at timestamptz,
    lifted_by text
);
CREATE UNIQUE INDEX IF NOT EXISTS one_bar_a_player ON accounts.barred (player) WHERE lifted_at IS NULL;
CREATE INDEX IF NOT EXISTS attempt_of_name ON accounts.attempt (name, at);
CREATE TABLE IF NOT EXISTS accounts.session (
    id text PRIMARY KEY,
    player bigint NOT NULL REFERENCES accounts.player,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text
);
CREATE UNIQUE INDEX IF NOT EXISTS one_session_a_player ON accounts.session (player) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS session_ended ON accounts.session (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS session_seen ON accounts.session (seen_at) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS session_of_player ON accounts.session (player, opened_at);
ALTER TABLE accounts.session ADD COLUMN IF NOT EXISTS acknowledged_at timestamptz;
CREATE TABLE IF NOT EXISTS accounts.session_sum (
    session text NOT NULL,
    kind smallint NOT NULL,
    n bigint NOT NULL,
    amount_minor numeric NOT NULL,
    PRIMARY KEY (session, kind)
);
CREATE TABLE IF NOT EXISTS accounts.followed (
    shard smallint PRIMARY KEY,
    batch bigint NOT NULL,
    place bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts.time_limit (
    player bigint PRIMARY KEY,
    account bigint NOT NULL,
    amount_ns bigint NOT NULL,
    next_amount_ns bigint,
    next_from_ns bigint,
    used_up_on bigint NOT NULL DEFAULT -1
);
CREATE TABLE IF NOT EXISTS accounts.operator (
    name text PRIMARY KEY,
    password_hash text NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts.operator_session (
    token bytea PRIMARY KEY,
    operator text NOT NULL REFERENCES accounts.operator,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE TABLE IF NOT EXISTS accounts.operator_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    operator text NOT NULL,
    what text NOT NULL,
    target text NOT NULL,
    reason text NOT NULL,
    answered_at timestamptz,
    answer text
);
COMMIT;
"""


async def _leave_as_it_is(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give a connection back without a round trip: nothing here changes one for longer than a transaction."""


class Store:
    """The accounts' database.

    Parameters
    ----------
    dsn : str
        Where it is.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._opening = asyncio.Lock()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect, and create the schema if it is not there; whoever shares the store may ask, the first is enough."""
        async with self._opening:
            if self._pool is not None:
                return
            pool = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=CONNECTIONS_MAX,
                server_settings={"client_min_messages": "warning", "synchronous_commit": "off"},
                reset=_leave_as_it_is,
            )
            await pool.execute(_SCHEMA)
            self._pool = pool

    async def close(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            self._pool.terminate()

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The connections."""
        if self._pool is None:
            raise RuntimeError("Store.open was not called")
        return self._pool
