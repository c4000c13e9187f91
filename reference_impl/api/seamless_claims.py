"""Which transaction ids a provider has used for a player, and for what. No money is here: the ledger has that.

A claim is written before the wallet is asked. It keeps an id from standing for two things, tells a repetition from a
first request, and remembers which attempt of a refused debit is current where the conventions let it be tried again.
A claim whose effect never came (we died in between) is completed by whoever sends the same id again.

Invariants
----------
* A claim's kind, subject and amount never change.
* Only the newest attempt of a debit can be accepted: ``attempt`` grows only after the ledger refused the one before,
  and not once a cancel was seen.
* ``ended_by`` names the one credit that may settle the bet.
"""

from enum import IntEnum
from typing import NamedTuple

import asyncpg

from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.ids import shard_of

POOL_MAX = 8
STATEMENT_S_MAX = 2.0

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS seamless;
CREATE TABLE IF NOT EXISTS seamless.claim (
    player bigint NOT NULL,
    provider text NOT NULL,
    id text NOT NULL,
    kind smallint NOT NULL,
    subject text NOT NULL,
    amount bigint NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    cancelled boolean NOT NULL DEFAULT false,
    ended_by text,
    PRIMARY KEY (player, provider, id)
);
"""
_SCHEMA_LOCK = 0x5345_414D


class ClaimKind(IntEnum):
    """What an id stands for."""

    DEBIT = 1
    CREDIT = 2
    CANCEL = 3
    PROMO = 4
    TOMBSTONE = 5  # the id of a bet whose cancel came first


class Key(NamedTuple):
    """A transaction id, which is unique for a player and a provider only."""

    player: int
    provider: str
    id: str


class Claim(NamedTuple):
    """What an id was claimed for; `subject` is the bet that a credit or cancel ends, or a debit's round."""

    kind: ClaimKind
    subject: str
    amount: int
    attempt: int
    fresh: bool


class Bet(NamedTuple):
    """The claim of a bet that something wants to end."""

    kind: ClaimKind
    attempt: int
    ended_by: str


class Claims:
    """The claims, each in its player's shard.

    Parameters
    ----------
    dsns : list of str
        The shards' databases.
    """

    def __init__(self, dsns: list[str]) -> None:
        self._dsns = dsns
        self._pools: list[asyncpg.Pool[asyncpg.Record]] = []

    async def open(self) -> None:
        """Connect, and create the table where it is not there."""
        for dsn in self._dsns:
            pool = await asyncpg.create_pool(
                dsn, min_size=0, max_size=POOL_MAX, command_timeout=STATEMENT_S_MAX,
                server_settings={"client_min_messages": "warning"},
            )  # fmt: skip
            self._pools.append(pool)
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
                await connection.execute(SCHEMA)

    async def close(self) -> None:
        """Disconnect."""
        for pool in self._pools:
            pool.terminate()

    async def claim(self, key: Key, kind: ClaimKind, subject: str, amount: int) -> Claim:
        """Claim an id, or return what it was claimed for before."""
        pool = self._pool(key)
        inserted = await pool.fetchrow(
            "INSERT INTO seamless.claim (player, provider, id, kind, subject, amount) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT DO NOTHING RETURNING attempt",
            *key, kind, subject, amount,
        )  # fmt: skip
        if inserted:
            return Claim(kind, subject, amount, inserted["attempt"], fresh=True)
        row = await pool.fetchrow(
            "SELECT kind, subject, amount, attempt FROM seamless.claim WHERE (player, provider, id) = ($1, $2, $3)",
            *key,
        )
        row = _there(row, key)
        return Claim(ClaimKind(row["kind"]), row["subject"], row["amount"], row["attempt"], fresh=False)

    async def attempt_of(self, key: Key) -> int | None:
        """Return the current attempt of an id, or None if nobody claimed it."""
        row = await self._pool(key).fetchrow(
            "SELECT attempt FROM seamless.claim WHERE (player, provider, id) = ($1, $2, $3)", *key
        )
        return row["attempt"] if row else None

    async def entomb(self, bet: Key) -> Bet:
        """Note that a bet is cancelled, whether it was seen or not, so that no new attempt of it begins."""
        row = await self._pool(bet).fetchrow(
            "INSERT INTO seamless.claim (player, provider, id, kind, subject, amount, cancelled)"
            " VALUES ($1, $2, $3, $4, '', 0, true) ON CONFLICT (player, provider, id) DO UPDATE SET cancelled = true"
            " RETURNING kind, attempt, ended_by",
            *bet, ClaimKind.TOMBSTONE,
        )  # fmt: skip
        return _bet(_there(row, bet))

    async def reserve(self, bet: Key, credit: str) -> Bet | None:
        """Reserve a bet's end for a credit unless another one has it; None if the bet is unknown."""
        row = await self._pool(bet).fetchrow(
            "UPDATE seamless.claim SET ended_by = coalesce(ended_by, $4) WHERE (player, provider, id) = ($1, $2, $3)"
            " RETURNING kind, attempt, ended_by",
            *bet, credit,
        )  # fmt: skip
        return _bet(row) if row else None

    async def release(self, bet: Key, credit: str) -> None:
        """Give a reservation back: there was no bet to settle."""
        await self._pool(bet).execute(
            "UPDATE seamless.claim SET ended_by = NULL WHERE (player, provider, id) = ($1, $2, $3) AND ended_by = $4",
            *bet,
            credit,
        )

    async def next_attempt(self, bet: Key, refused: int) -> None:
        """Let a debit be tried again after the ledger refused this attempt."""
        await self._pool(bet).execute(
            "UPDATE seamless.claim SET attempt = attempt + 1"
            " WHERE (player, provider, id) = ($1, $2, $3) AND attempt = $4 AND NOT cancelled",
            *bet, refused,
        )  # fmt: skip

    def _pool(self, key: Key) -> "asyncpg.Pool[asyncpg.Record]":
        return self._pools[shard_of(key.player, len(self._pools))]


def _there(row: asyncpg.Record | None, key: Key) -> asyncpg.Record:
    if row is None:
        raise InvariantViolationError(f"the claim of {key} is gone; claims are never removed")
    return row


def _bet(row: asyncpg.Record) -> Bet:
    return Bet(ClaimKind(row["kind"]), row["attempt"], row["ended_by"] or "")
