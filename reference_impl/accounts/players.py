"""Players: names, passwords and log-in tokens.

Passwords are hashed with Argon2id. A log-in token is a signed JWT (HS256) that says who the player is; it opens no
socket by itself: placement exchanges it for a single-use ticket.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from reference_impl.domain.ids import AccountKind, account_id
from reference_impl.domain.money import Currency

TOKEN_S = 4 * 3600
ISSUER = "livetable"

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS accounts;
CREATE TABLE IF NOT EXISTS accounts.player (
    id bigint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    currency smallint NOT NULL
);
"""


class NewPlayer(NamedTuple):
    """Somebody to be registered."""

    player: int
    name: str
    password: str
    currency: int


@dataclass(frozen=True)
class PasswordCost:
    """Argon2id cost.

    The default is the second of OWASP's equivalent minimum settings (Password Storage Cheat Sheet). A laboratory that
    logs hundreds of players in within seconds on two cores states a lower one.
    """

    memory_kib: int = 19_456
    iterations: int = 2


class Players:
    """Who plays here.

    Parameters
    ----------
    dsn : str
        The database that holds the players.
    secret : bytes
        Signs tokens.
    cost : PasswordCost
        Argon2id cost of new passwords.
    """

    def __init__(self, dsn: str, secret: bytes, cost: PasswordCost) -> None:
        self._dsn = dsn
        self._key = OctKey.import_key(secret)
        self._hasher = PasswordHasher(time_cost=cost.iterations, memory_cost=cost.memory_kib, parallelism=1)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect, and create the schema if it is not there."""
        self._pool = await asyncpg.create_pool(
            self._dsn, min_size=1, max_size=4, server_settings={"client_min_messages": "warning"}
        )
        await self._pool.execute(SCHEMA)

    async def close(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            self._pool.terminate()

    async def register(self, players: Sequence[NewPlayer]) -> None:
        """Register players; those that exist keep their password."""
        hashes = await asyncio.to_thread(lambda: [self._hasher.hash(player.password) for player in players])
        rows = [(p.player, p.name, hashed, p.currency) for p, hashed in zip(players, hashes, strict=True)]
        await self._database.executemany(
            "INSERT INTO accounts.player VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows
        )

    async def log_in(self, name: str, password: str, now_unix_s: int) -> tuple[int, str] | None:
        """Return the player and a token, or None if the name or the password is wrong.

        The token names the player's account, which tells the currency; in euro the two are one number.
        """
        row = await self._database.fetchrow(
            "SELECT id, password_hash, currency FROM accounts.player WHERE name = $1", name
        )
        if row is None:
            return None
        try:
            await asyncio.to_thread(self._hasher.verify, row["password_hash"], password)
        except VerificationError:
            return None
        account = account_id(AccountKind.PLAYER, row["id"], Currency(row["currency"]))
        claims = {"iss": ISSUER, "sub": str(account), "iat": now_unix_s, "exp": now_unix_s + TOKEN_S}
        return row["id"], jwt.encode({"alg": "HS256"}, claims, self._key)

    def player_of(self, token: str, now_unix_s: int) -> int | None:
        """Return whose account the token names, or None if it is false or expired."""
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            return None
        if claims.get("iss") != ISSUER or claims.get("exp", 0) <= now_unix_s:
            return None
        return int(claims["sub"])

    @property
    def _database(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise RuntimeError("Players.open was not called")
        return self._pool
