"""How long players are here: the span of a session, the reminder that must be acknowledged, the time a day.

Spans are half-open at their beginning, ``(from, to]``, like those of a statement: what was committed at the instant of
the log-in lies before the session. So a session's play is the ledger's sum over its span, exactly.
"""

from typing import NamedTuple

from reference_impl.accounts.store import Store
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.limits import Limit, LimitKind, day_starts_ns, next_day_ns
from reference_impl.domain.play import Play, play_of
from reference_impl.domain.units import NS_PER_S

SESSIONS_MAX = 50
"""Sessions that a list of a player's holds, newest first."""

_NS = "(extract(epoch FROM {}) * 1000000)::bigint * 1000"
_SPAN = f"""
    SELECT {_NS.format("opened_at")} AS opened, {_NS.format("coalesce(acknowledged_at, opened_at)")} AS reminded,
           {_NS.format("clock_timestamp()")} AS now
    FROM accounts.session WHERE id = $1
"""  # noqa: S608 - constants
_ACKNOWLEDGE = "UPDATE accounts.session SET acknowledged_at = clock_timestamp() WHERE id = $1 AND ended_at IS NULL"
_END_SILENT = """
    UPDATE accounts.session SET ended_at = clock_timestamp(), ended_by = 'reminder not acknowledged'
    WHERE ended_at IS NULL AND coalesce(acknowledged_at, opened_at) < clock_timestamp() - make_interval(secs => $1)
"""
_PLAYED = f"""
    SELECT player, {_NS.format("sum(coalesce(ended_at, clock_timestamp()) - greatest(opened_at, day))")} AS ns
    FROM accounts.session, to_timestamp($2) AS day
    WHERE player = ANY ($1) AND coalesce(ended_at, clock_timestamp()) > day GROUP BY player
"""  # noqa: S608 - constants
_LIMITED = """
    SELECT player, account, amount_ns, next_amount_ns, next_from_ns FROM accounts.time_limit l
    WHERE used_up_on < $1 AND EXISTS (SELECT FROM accounts.session s WHERE s.player = l.player AND ended_at IS NULL)
"""
_USED_UP = "UPDATE accounts.time_limit SET used_up_on = $2 WHERE player = $1"
_SESSIONS = f"""
    SELECT s.id, {_NS.format("opened_at")} AS opened_at, {_NS.format("ended_at")} AS ended_at, ended_by,
           coalesce(array_agg(m.kind) FILTER (WHERE m.kind IS NOT NULL), '{{}}') AS kinds,
           coalesce(array_agg(m.n) FILTER (WHERE m.kind IS NOT NULL), '{{}}') AS counts,
           coalesce(array_agg(m.amount_minor::bigint) FILTER (WHERE m.kind IS NOT NULL), '{{}}') AS sums
    FROM accounts.session s LEFT JOIN accounts.session_sum m ON m.session = s.id
    WHERE player = $1 GROUP BY s.id ORDER BY s.opened_at DESC LIMIT $2
"""  # noqa: S608 - constants


_FORGET = "TRUNCATE accounts.session_sum, accounts.followed, accounts.time_limit"


class Span(NamedTuple):
    """A session until now, in Unix ns of the database: opened, last reminded of the time, now."""

    opened_unix_ns: int
    reminded_unix_ns: int
    now_unix_ns: int


class Past(NamedTuple):
    """A session and what was played in it, as the event stream told it; it is open while it has no end."""

    id: str
    opened_unix_ns: int
    ended_unix_ns: int | None
    ended_by: str | None
    play: Play


class UsedUp(NamedTuple):
    """A player's account whose time of a day is used up, and when the next day begins."""

    player: int
    account: int
    until_unix_ns: int


class Presence:
    """How long players are here.

    Parameters
    ----------
    store : Store
        Where sessions are kept.
    check_s : float
        A player is reminded of the time so often; 0 means never.
    acknowledge_s : float
        A session whose reminder is not acknowledged for so long ends.
    """

    def __init__(self, store: Store, check_s: float, acknowledge_s: float) -> None:
        self._store = store
        self.check_s = check_s
        self._acknowledge_s = acknowledge_s

    async def span(self, session: str) -> Span:
        """Return the span of a session."""
        row = await self._store.pool.fetchrow(_SPAN, session)
        if row is None:
            raise RuntimeError(f"session {session} is signed in and not on record")
        return Span(*row)

    async def acknowledge(self, session: str) -> None:
        """Note that a player has seen the reminder; the next is due an interval from now."""
        await self._store.pool.execute(_ACKNOWLEDGE, session)

    async def end_silent(self) -> None:
        """End the sessions whose reminder was not acknowledged in time."""
        if self.check_s:
            await self._store.pool.execute(_END_SILENT, self.check_s + self._acknowledge_s)

    async def played_ns(self, players: list[int], now_unix_ns: int) -> dict[int, int]:
        """Return for how many ns of the current day (UTC) players were logged in."""
        rows = await self._store.pool.fetch(_PLAYED, players, day_starts_ns(now_unix_ns) / NS_PER_S)
        return {row["player"]: row["ns"] for row in rows}

    async def used_up(self, now_unix_ns: int) -> list[UsedUp]:
        """Return who is logged in and has used up the time of the day, and was not yet said to."""
        rows = await self._store.pool.fetch(_LIMITED, day_starts_ns(now_unix_ns))
        if not rows:
            return []
        played = await self.played_ns([row["player"] for row in rows], now_unix_ns)
        return [
            UsedUp(player, account, next_day_ns(now_unix_ns))
            for player, account, *limit in rows
            if played.get(player, 0) >= Limit(LimitKind.TIME_DAY, *limit).in_force(now_unix_ns)
        ]

    async def note_used_up(self, player: int, now_unix_ns: int) -> None:
        """Note that a player's time-out of the day is set."""
        await self._store.pool.execute(_USED_UP, player, day_starts_ns(now_unix_ns))

    async def forget_counts(self) -> None:
        """Forget what the event stream told; it is counted again from the stream's first batch."""
        await self._store.pool.execute(_FORGET)

    async def sessions(self, player: int) -> list[Past]:
        """Return a player's newest sessions, newest first."""
        rows = await self._store.pool.fetch(_SESSIONS, player, SESSIONS_MAX)
        return [
            Past(
                row["id"], row["opened_at"], row["ended_at"], row["ended_by"],
                _play(row["kinds"], row["counts"], row["sums"]),
            )
            for row in rows
        ]  # fmt: skip


def _play(kinds: list[int], counts: list[int], sums_minor: list[int]) -> Play:
    told = zip(kinds, counts, sums_minor, strict=True)
    return play_of({EntryKind(kind): (n, moved) for kind, n, moved in told})
