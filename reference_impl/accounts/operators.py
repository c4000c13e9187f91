"""Operators: who gives orders. A name and a password open a session; its token is kept as a hash alone.

Names of operators are locked like those of players, and apart from them.
"""

import hashlib
import secrets

from reference_impl.accounts.passwords import Passwords
from reference_impl.accounts.store import DURABLY, Store

IDLE_S = 15 * 60
"""An operator who asks nothing for so long logs in again."""
SEEN_S = 10
"""A sign of life is written at most so often."""

_OPEN = "INSERT INTO accounts.operator_session (token, operator) VALUES ($1, $2)"
_LIVE = """
    SELECT operator, seen_at < clock_timestamp() - make_interval(secs => $3) AS stale FROM accounts.operator_session
    WHERE token = $1 AND ended_at IS NULL AND seen_at > clock_timestamp() - make_interval(secs => $2)
"""
_SEEN = "UPDATE accounts.operator_session SET seen_at = clock_timestamp() WHERE token = $1"
_END = "UPDATE accounts.operator_session SET ended_at = clock_timestamp() WHERE token = $1 AND ended_at IS NULL"


class Operators:
    """Those who may give orders.

    Parameters
    ----------
    store : Store
        Where they are kept.
    passwords : Passwords
        Judges theirs.
    """

    def __init__(self, store: Store, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords

    async def register(self, name: str, password: str) -> bool:
        """Register an operator; False if the name is taken, which keeps its password."""
        (hashed,) = await self._passwords.hashed([password])
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(DURABLY)
            done = await connection.execute(
                "INSERT INTO accounts.operator VALUES ($1, $2) ON CONFLICT DO NOTHING", name, hashed
            )
        return done != "INSERT 0 0"

    async def log_in(self, name: str, password: str) -> str | None:
        """Open a session and return its token, or None; raises as :meth:`Passwords.are_right` does."""
        hashed = await self._store.pool.fetchval("SELECT password_hash FROM accounts.operator WHERE name = $1", name)
        if not await self._passwords.are_right(f"operator {name}", hashed, password):
            return None
        token = secrets.token_urlsafe(32)
        await self._store.pool.execute(_OPEN, _kept(token), name)
        return token

    async def who(self, token: str) -> str | None:
        """Return the operator of a token, or None if it is false, ended or idle for too long.

        Asking is a sign of life.
        """
        row = await self._store.pool.fetchrow(_LIVE, _kept(token), IDLE_S, SEEN_S)
        if row is None:
            return None
        if row["stale"]:
            await self._store.pool.execute(_SEEN, _kept(token))
        return str(row["operator"])

    async def log_out(self, token: str) -> None:
        """End a session."""
        await self._store.pool.execute(_END, _kept(token))


def _kept(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
