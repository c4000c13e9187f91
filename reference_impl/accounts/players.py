"""Players: names and passwords, and whom the operator does not let play."""

from collections.abc import Sequence
from typing import NamedTuple

from reference_impl.accounts.passwords import Passwords
from reference_impl.accounts.store import DURABLY, Store
from reference_impl.domain.errors import OperationalError

_BAR = "INSERT INTO accounts.barred (player, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_LIFT = """
    UPDATE accounts.barred SET lifted_at = clock_timestamp(), lifted_by = $2 WHERE player = $1 AND lifted_at IS NULL
"""
_BARRED = "SELECT reason FROM accounts.barred WHERE player = $1 AND lifted_at IS NULL"


class BarredError(OperationalError):
    """The operator does not let a player play."""


class NewPlayer(NamedTuple):
    """Somebody to be registered."""

    player: int
    name: str
    password: str
    currency: int


class Players:
    """Who plays here.

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

    async def register(self, players: Sequence[NewPlayer]) -> None:
        """Register players; those that exist keep their password."""
        hashes = await self._passwords.hashed([player.password for player in players])
        rows = [(p.player, p.name, hashed, p.currency) for p, hashed in zip(players, hashes, strict=True)]
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(DURABLY)
            await connection.executemany(
                "INSERT INTO accounts.player VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows
            )

    async def recognise(self, name: str, password: str) -> int | None:
        """Return whose name and password these are, or None; raises as :meth:`Passwords.are_right` does."""
        row = await self._store.pool.fetchrow("SELECT id, password_hash FROM accounts.player WHERE name = $1", name)
        right = await self._passwords.are_right(name, row["password_hash"] if row else None, password)
        return int(row["id"]) if row and right else None

    async def find(self, player: int) -> tuple[str, int, str | None] | None:
        """Return a player's name, currency, and why the player is barred, if so; None if there is no such player."""
        row = await self._store.pool.fetchrow("SELECT name, currency FROM accounts.player WHERE id = $1", player)
        if row is None:
            return None
        return row["name"], row["currency"], await self._store.pool.fetchval(_BARRED, player)

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
