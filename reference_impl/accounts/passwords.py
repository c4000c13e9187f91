"""Passwords: hashed with Argon2id, and the lock that follows failed log-ins.

After :data:`FAILURES_MAX` failures within :data:`LOCK_S` a name is locked until the oldest of them is that old (GLI-19
v3.0, 2.5.3). An attempt is on record before its password is looked at, so that a thousand guesses at once are no better
than one after the other; names that do not exist are treated alike, so that nobody learns which do.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from reference_impl.accounts.store import Store
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
_TAKE_BACK = "DELETE FROM accounts.attempt WHERE id = $1"


class LockedError(OperationalError):
    """A name is locked after failed log-ins."""


@dataclass(frozen=True)
class PasswordCost:
    """Argon2id cost.

    The default is the second of OWASP's equivalent minimum settings (Password Storage Cheat Sheet). A laboratory that
    logs hundreds of players in within seconds on two cores states a lower one.
    """

    memory_kib: int = 19_456
    iterations: int = 2


class Passwords:
    """Hashes passwords, and says whether one is right.

    Parameters
    ----------
    store : Store
        Where attempts are kept.
    cost : PasswordCost
        Argon2id cost of new passwords.
    """

    def __init__(self, store: Store, cost: PasswordCost) -> None:
        self._store = store
        self._hasher = PasswordHasher(time_cost=cost.iterations, memory_cost=cost.memory_kib, parallelism=1)
        start_s = time.perf_counter()
        self._nobodys_hash = self._hasher.hash("nobody")
        self._queue = VerificationQueue(time.perf_counter() - start_s)

    async def hashed(self, passwords: Sequence[str]) -> list[str]:
        """Return what is kept of passwords."""
        return await asyncio.to_thread(lambda: [self._hasher.hash(password) for password in passwords])

    async def are_right(self, name: str, hashed: str | None, password: str) -> bool:
        """Say whether a password is that of a name; None stands for a name that does not exist.

        Raises
        ------
        LockedError
            If the name is locked; the password is not looked at then.
        RetryableError
            If so many log-ins wait that the client would give up before this one's turn came. That is no failure of
            the name's: nothing is put on record.
        """
        with self._queue.place():
            attempt = await self._attempt(name)
            right = await self._verify(hashed or self._nobodys_hash, password)
        if hashed is None or not right:
            return False
        await self._store.pool.execute(_TAKE_BACK, attempt)
        return True

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
