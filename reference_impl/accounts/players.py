"""Players: names and passwords, and the lock that follows failed log-ins.

Passwords are hashed with Argon2id. After :data:`FAILURES_MAX` failures within :data:`LOCK_S` a name is locked until the
oldest of them is that old (GLI-19 v3.0, 2.5.3). An attempt is on record before its password is looked at, so that a
thousand guesses at once are no better than one after the other; names that do not exist are treated alike, so that
nobody learns which do.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from reference_impl.accounts.store import DURABLY, Store
from reference_impl.accounts.verifying import VerificationQueue
from reference_impl.domain.errors import OperationalError

FAILURES_MAX = 3
LOCK_S = 30 * 60

_ATTEMPT = "INSERT INTO accounts.attempt (name) VALUES ($1) RETURNING id"
_EARLIER = """
    SELECT at + make_interval(secs => $3) - clock_timestamp() AS wait FROM accounts.attempt
    WHERE name = $1 AND id < $2 AND at > clock_timestamp() - make_interval(secs => $3)
    ORDER BY id DESC OFFSET $4 LIMIT 1
"""
_FORGET_OLD = "DELETE FROM accounts.attempt WHERE at < clock_timestamp() - make_interval(secs => $1)"
_BAR = "INSERT INTO accounts.barred (player, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_LIFT = """
    UPDATE accounts.barred SET lifted_at = clock_timestamp(), lifted_by = $2 WHERE player = $1 AND lifted_at IS NULL
"""
_BARRED = "SELECT reason FROM accounts.barred WHERE player = $1 AND lifted_at IS NULL"
_TAKE_BACK = "DELETE FROM accounts.attempt WHERE id = $1"


class LockedError(OperationalError):
    """A name is locked after failed log-ins."""


class BarredError(OperationalError):
    """The operator does not let a player play."""


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
    store : Store
        Where they are kept.
    cost : PasswordCost
        Argon2id cost of new passwords.
    """

    def __init__(self, store: Store, cost: PasswordCost) -> None:
        self._store = store
        self._hasher = PasswordHasher(time_cost=cost.iterations, memory_cost=cost.memory_kib, parallelism=1)
        start_s = time.perf_counter()
        self._nobodys_hash = self._hasher.hash("nobody")
        self._queue = VerificationQueue(time.perf_counter() - start_s)

    async def register(self, players: Sequence[NewPlayer]) -> None:
        """Register players; those that exist keep their password."""
        hashes = await asyncio.to_thread(lambda: [self._hasher.hash(player.password) for player in players])
        rows = [(p.player, p.name, hashed, p.currency) for p, hashed in zip(players, hashes, strict=True)]
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(DURABLY)
            await connection.executemany(
                "INSERT INTO accounts.player VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows
            )

    async def recognise(self, name: str, password: str) -> int | None:
        """Return whose name and password these are, or None.

        Raises
        ------
        LockedError
            If the name is locked; the password is not looked at then.
        RetryableError
            If so many log-ins wait that the client would give up before this one's turn came.
        """
        attempt = await self._attempt(name)
        row = await self._store.pool.fetchrow("SELECT id, password_hash FROM accounts.player WHERE name = $1", name)
        right = await self._verify(row["password_hash"] if row else self._nobodys_hash, password)
        if row is None or not right:
            return None
        await self._store.pool.execute(_TAKE_BACK, attempt)
        return int(row["id"])

    async def bar(self, player: int, reason: str) -> None:
        """Let a player log in no more, with a reason; whoever is barred stays so for the first one."""
        await self._store.pool.execute(_BAR, player, reason)

    async def lift(self, player: int, reason: str) -> bool:
        """Let a player log in again, with a reason; False if nothing kept the player out. Both stay on record."""
        return await self._store.pool.execute(_LIFT, player, reason) != "UPDATE 0"

    async def require_unbarred(self, player: int) -> None:
        """Raise BarredError, with the reason, if the operator does not let a player play."""
        reason = await self._store.pool.fetchval(_BARRED, player)
        if reason is not None:
            raise BarredError(f"player {player} may not play: {reason}")

    async def forget_old_attempts(self) -> None:
        """Remove attempts that no longer count."""
        await self._store.pool.execute(_FORGET_OLD, LOCK_S)

    async def _attempt(self, name: str) -> int:
        """Put an attempt on record; while the name is locked it does not count, and so does not lengthen the lock."""
        pool = self._store.pool
        attempt: int = await pool.fetchval(_ATTEMPT, name)
        wait = await pool.fetchval(_EARLIER, name, attempt, LOCK_S, FAILURES_MAX - 1)
        if wait is not None:
            await pool.execute(_TAKE_BACK, attempt)
            minutes = int(wait.total_seconds() // 60) + 1
            raise LockedError(f"{FAILURES_MAX} failed log-ins within {LOCK_S // 60} min: try again in {minutes} min")
        return attempt

    async def _verify(self, hashed: str, password: str) -> bool:
        try:
            return await self._queue.run(lambda: self._hasher.verify(hashed, password))
        except VerificationError:
            return False
