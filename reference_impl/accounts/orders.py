"""The record of what operators ordered: who, when, what, why, and what came of it.

An order is on record, durably, before it is given, so that one whose answer was lost is seen to be without an answer.
"""

from typing import NamedTuple

from reference_impl.accounts.store import DURABLY, Store

PAGE_MAX = 50

_BEGIN = "INSERT INTO accounts.operator_order (operator, what, target, reason) VALUES ($1, $2, $3, $4) RETURNING id"
_END = "UPDATE accounts.operator_order SET answered_at = clock_timestamp(), answer = $2 WHERE id = $1"
_NEWEST = """
    SELECT id, (extract(epoch FROM at) * 1000000)::bigint * 1000 AS at_unix_ns, operator, what, target, reason, answer
    FROM accounts.operator_order WHERE id < $1 ORDER BY id DESC LIMIT $2
"""


class OnRecord(NamedTuple):
    """An order; without an answer nobody knows what came of it."""

    id: int
    at_unix_ns: int
    operator: str
    what: str
    target: str
    reason: str
    answer: str | None


class Orders:
    """What operators ordered.

    Parameters
    ----------
    store : Store
        Where it is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, operator: str, what: str, target: str, reason: str) -> int:
        """Put an order on record; return its number."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(DURABLY)
            number: int = await connection.fetchval(_BEGIN, operator, what, target, reason)
        return number

    async def end(self, number: int, answer: str) -> None:
        """Note what came of an order."""
        await self._store.pool.execute(_END, number, answer)

    async def newest(self, before: int) -> list[OnRecord]:
        """Return the newest orders before a number, at most :data:`PAGE_MAX`."""
        return [OnRecord(*row) for row in await self._store.pool.fetch(_NEWEST, before, PAGE_MAX)]
