"""Follows the event stream: signs of life, what was played in each session, limits of time.

It reads the journal's batches from JetStream, away from the bets' own way, and writes what they come to in one
transaction with its place in the stream, so that each batch counts once, whatever is killed and however many count.
Nothing here is the truth: what :meth:`Presence.forget_counts` removes is counted again from the stream's first batch.

An entry belongs to the session in whose span ``(opened, ended]`` its batch was committed; a payment that comes after
the session belongs to none. Batches are read a moment after they were committed, when it is known which sessions had
ended.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from reference_impl.accounts.store import DATABASE_LOST, Store
from reference_impl.bus import STREAM, fetch, read_after
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import ACCOUNT_MAX, account_number
from reference_impl.domain.limits import LimitKind
from reference_impl.domain.play import MOVES

LAG_S = 1.0
"""So long after its commit a batch is counted at the earliest."""
WAIT_S = 0.5
WAGERS = frozenset({"bets", "cancels"})
"""Kinds of journal batches that a player's own doing causes."""

log = logging.getLogger(__name__)

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('accounts.followed'))"
_MOVES = frozenset(map(int, MOVES))
_PLACES = "SELECT shard, batch, place FROM accounts.followed"
_MOVE = """
    INSERT INTO accounts.followed SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[])
    ON CONFLICT (shard) DO UPDATE SET batch = excluded.batch, place = excluded.place
"""
_ACTIVE = """
    UPDATE accounts.session SET seen_at = greatest(seen_at, to_timestamp(u.at_us / 1e6))
    FROM unnest($1::bigint[], $2::bigint[]) AS u (player, at_us)
    WHERE session.player = u.player AND ended_at IS NULL
"""
_STRADDLING = """
    SELECT DISTINCT u.player FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (player, first_us, last_us)
    JOIN accounts.session s ON s.player = u.player,
    LATERAL (VALUES ((extract(epoch FROM opened_at) * 1000000)::bigint),
                    ((extract(epoch FROM ended_at) * 1000000)::bigint)) AS b (at_us)
    WHERE b.at_us >= u.first_us AND b.at_us < u.last_us
"""
_COUNT = """
    INSERT INTO accounts.session_sum AS t (session, kind, n, amount_minor)
        SELECT s.id, u.kind, sum(u.n), sum(u.amount)
        FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
            AS u (player, kind, first_us, last_us, n, amount)
        JOIN accounts.session s ON s.player = u.player
            AND (extract(epoch FROM opened_at) * 1000000)::bigint < u.first_us
            AND (ended_at IS NULL OR (extract(epoch FROM ended_at) * 1000000)::bigint >= u.last_us)
        GROUP BY s.id, u.kind
    ON CONFLICT (session, kind) DO UPDATE SET
        n = t.n + excluded.n, amount_minor = t.amount_minor + excluded.amount_minor
"""
_LIMIT = """
    INSERT INTO accounts.time_limit (player, account, amount_ns, next_amount_ns, next_from_ns)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (player) DO UPDATE SET
        amount_ns = excluded.amount_ns, next_amount_ns = excluded.next_amount_ns, next_from_ns = excluded.next_from_ns
"""


class Columns(Struct, frozen=True):
    """The part of a journal batch that counts here; each column is one value for all entries or one for each."""

    kind: str
    account: list[int] = []
    entry: int | list[int] = 0
    amount: int | list[int] = 0
    status: int | list[int] = 0
    limits: list[tuple[int, int, int, int | None, int | None]] = []


@dataclass(frozen=True)
class Batch:
    """A batch as the stream delivers it."""

    shard: int
    number: int
    place: int
    at_us: int
    columns: Columns


def moves(columns: Columns) -> Iterator[tuple[int, int, int]]:
    """Yield the player, the kind and the amount of every entry that moved a player's money, or settled for nothing."""

    def each(column: int | list[int]) -> Iterable[int]:
        return repeat(column) if isinstance(column, int) else column

    entries = zip(columns.account, each(columns.entry), each(columns.amount), each(columns.status), strict=False)
    for account, kind, amount, status in entries:
        if status == Status.ACCEPTED and kind in _MOVES and account <= ACCOUNT_MAX:
            yield account_number(account), kind, amount


def rows_of(batches: Sequence[Batch], apart: Collection[int] = ()) -> list[tuple[int, int, int, int, int, int]]:
    """Return what batches moved by player and kind: ``(player, kind, first_us, last_us, n, amount)``.

    Parameters
    ----------
    batches : sequence of Batch
        In any order.
    apart : collection of int
        Players of whom each instant is told apart, since a session of theirs began or ended among the others.
    """
    rows: dict[tuple[int, int, int], list[int]] = {}
    for batch in batches:
        at_us = batch.at_us
        for player, kind, amount in moves(batch.columns):
            row = rows.setdefault((player, kind, at_us if player in apart else 0), [at_us, at_us, 0, 0])
            row[0], row[1] = min(row[0], at_us), max(row[1], at_us)
            row[2] += 1
            row[3] += amount
    return [(player, kind, *row) for (player, kind, _), row in rows.items()]  # type: ignore[misc]


class Follower:
    """The role that counts.

    Parameters
    ----------
    store : Store
        The accounts' database.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(self, store: Store, bus: Client) -> None:
        self._store = store
        self._bus = bus
        self._batches: dict[int, int] = {}
        self._place = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Count until cancelled."""
        await self._store.open()
        ready()
        while True:
            try:
                await self._follow()
            except (nats.errors.Error, NotFoundError, *DATABASE_LOST) as error:
                log.info("sessions wait for the event stream or the database: %s", error)
                await asyncio.sleep(WAIT_S)

    async def count(self, batches: Sequence[Batch]) -> bool:
        """Count batches that were not counted before, and where the next are, as one step.

        Returns False, and counts nothing, if somebody else has counted or forgotten since.
        """
        fresh = [batch for batch in batches if batch.number > self._batches.get(batch.shard, 0)]
        heads = self._batches | {batch.shard: batch.number for batch in fresh}
        place = batches[-1].place
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(_ALONE)
            if {row["shard"]: row["batch"] for row in await connection.fetch(_PLACES)} != self._batches:
                return False
            rows = rows_of(fresh)
            spans = _columns([(player, first, last) for player, _, first, last, _, _ in rows], 3)
            if apart := {row["player"] for row in await connection.fetch(_STRADDLING, *spans)}:
                rows = rows_of(fresh, apart)
            await connection.execute(_COUNT, *_columns(rows, 6))
            active = {
                account_number(account): batch.at_us
                for batch in fresh
                if batch.columns.kind in WAGERS
                for account in batch.columns.account
            }
            await connection.execute(_ACTIVE, list(active), list(active.values()))
            for batch in fresh:
                for account, kind, *state in batch.columns.limits:
                    if kind == LimitKind.TIME_DAY:
                        await connection.execute(_LIMIT, account_number(account), account, *state)
            await connection.execute(_MOVE, list(heads), list(heads.values()), [place] * len(heads))
        self._batches, self._place = heads, place
        return True

    async def resume(self) -> None:
        """Go to the place on record."""
        rows = await self._store.pool.fetch(_PLACES)
        self._batches = {row["shard"]: row["batch"] for row in rows}
        self._place = max((row["place"] for row in rows), default=0)

    async def _follow(self) -> None:
        """Read on from the place on record until something is missing, which is then read again from there."""
        await self.resume()
        if (await self._bus.jetstream().stream_info(STREAM)).state.last_seq < self._place:
            self._place = 0  # the bus has lost its stream and began another; what was counted is known by its number
        consumer = await read_after(self._bus, self._place)
        try:
            await self._read_on(consumer)
        finally:
            await consumer.unsubscribe()

    async def _read_on(self, consumer: JetStreamContext.PullSubscription) -> None:
        is_first = True
        while True:
            fetched = await fetch(consumer)
            if not fetched:
                if await self._is_elsewhere():
                    return
                continue
            places = [msg.metadata.sequence.stream for msg in fetched]
            if is_first and places[0] > self._place + 1:
                log.warning("sessions: the event stream begins at %d; nothing before is counted", places[0])
                self._place = places[0] - 1
            if places != list(range(self._place + 1, self._place + 1 + len(places))):
                return
            is_first = False
            batches = [batch for msg in fetched if (batch := _batch_of(msg)) is not None]
            if batches:
                await asyncio.sleep(max(0.0, batches[-1].at_us / 1e6 + LAG_S - time.time()))
                if not await self.count(batches):
                    return
            self._place = places[-1]

    async def _is_elsewhere(self) -> bool:
        rows = await self._store.pool.fetch(_PLACES)
        return {row["shard"]: row["batch"] for row in rows} != self._batches


def _batch_of(msg: Msg) -> Batch | None:
    """Return the journal batch of a message, or None for a table's event and what was stored without its time."""
    headers = msg.headers or {}
    if msg.subject.startswith("table.") or "Committed-Us" not in headers:
        return None
    shard, number = (int(part) for part in headers["Nats-Msg-Id"].split("-"))
    columns = msgspec.json.decode(msg.data, type=Columns)
    return Batch(shard, number, msg.metadata.sequence.stream, int(headers["Committed-Us"]), columns)


def _columns(rows: Sequence[tuple[int, ...]], n: int) -> list[list[int]]:
    return [[row[place] for row in rows] for place in range(n)]
