"""From one event to many sockets: each broadcast frame is built once.

A frame goes out to :data:`WRITES_AT_ONCE` sockets at a time, and between them the loop does what else is due: a bet
that comes while thousands hear an event does not wait for the last of them. Events and payments leave in the order in
which they were told, so nobody is paid for a result that is still on its way to them.
"""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from reference_impl.bets.frames import frame_of
from reference_impl.domain.protocol import Paid, TableNews
from reference_impl.domain.table_messages import PaidBatch, TableEnvelope

RECENT_MAX = 64
"""Events of a table that can be told again: several rounds."""
WRITES_AT_ONCE = 100
"""About a millisecond."""


Write = Callable[[bytes], None]
"""Takes a finished frame."""


class Subscriber(Protocol):
    """Somebody with a socket."""

    def push(self, frame: bytes) -> None:
        """Send a finished frame, or drop the connection if it does not keep up."""

    def measure(self) -> None:
        """Measure the round trip."""


class Fanout:
    """Who watches which table, and who waits for which account.

    A table's watchers stand with where their frames go at the moment, so that an event to thousands of sockets is
    thousands of calls of the sockets themselves and nothing between.
    """

    def __init__(self) -> None:
        self.left = 0
        """Subscribers who went, whoever replaced them."""
        self._by_table: dict[int, dict[Subscriber, Write]] = defaultdict(dict)
        self._by_account: dict[int, Subscriber] = {}
        self._turns = 0
        self._telling = asyncio.Lock()
        self._told: dict[int, TableEnvelope] = {}
        self._recent: dict[int, deque[tuple[int, bytes]]] = defaultdict(lambda: deque(maxlen=RECENT_MAX))

    def __len__(self) -> int:
        return len(self._by_account)

    def join(self, table: int, account: int, subscriber: Subscriber, write: Write) -> Subscriber | None:
        """Add a subscriber; return the one that it replaces, if the player had another."""
        former = self._by_account.get(account)
        self._by_account[account] = subscriber
        self._by_table[table][subscriber] = write
        return former

    def turn(self, table: int, subscriber: Subscriber, write: Write) -> None:
        """Say where a subscriber's frames go from now on; harmless if it is not here."""
        if subscriber in self._by_table[table]:
            self._turns += 1
            self._by_table[table][subscriber] = write

    def leave(self, table: int, account: int, subscriber: Subscriber) -> None:
        """Remove a subscriber; harmless if it was replaced or never joined."""
        self._turns += 1
        self.left += self._by_table[table].pop(subscriber, None) is not None
        if self._by_account.get(account) is subscriber:
            del self._by_account[account]

    def of(self, account: int) -> Subscriber | None:
        """Return a player's subscriber, if the player is here."""
        return self._by_account.get(account)

    def everybody(self) -> Iterable[Subscriber]:
        """Return all present subscribers."""
        return list(self._by_account.values())

    def at(self, table: int) -> tuple[Subscriber, ...]:
        """Return who watches a table now."""
        return tuple(self._by_table[table])

    def watchers(self, most: int) -> dict[int, int]:
        """Return how many watch each table, of the `most` watched ones that somebody watches."""
        counts = [(len(here), table) for table, here in self._by_table.items() if here]
        return {table: count for count, table in heapq.nlargest(most, counts)}

    async def announce(self, envelope: TableEnvelope) -> int:
        """Send a table event to everyone who is at the table when it comes; return the bytes sent."""
        async with self._telling:
            frame = frame_of(TableNews(envelope))
            self._told[envelope.table] = envelope
            self._recent[envelope.table].append((envelope.seq, frame))
            watchers = self._by_table[envelope.table]
            subscribers, writes, turns = list(watchers), list(watchers.values()), self._turns
            for first in range(0, len(writes), WRITES_AT_ONCE):
                if turns != self._turns:  # who has gone meanwhile, or does not keep up, is not written to
                    writes, turns = [watchers.get(one, nowhere) for one in subscribers], self._turns
                for write in writes[first : first + WRITES_AT_ONCE]:
                    write(frame)
                await asyncio.sleep(0)
        return len(frame) * len(writes)

    async def told(self, table: int) -> TableEnvelope | None:
        """Return the last event of a table that everyone who is there has heard; None if there was none.

        An event that is on its way is waited for. Nothing else is told before the caller waits for something: who is
        shown this at once hears the next event next, and none twice.
        """
        async with self._telling:
            return self._told.get(table)

    def missed(self, table: int, seq: int) -> list[bytes]:
        """Return the frames of the events after a number, oldest first; none if some of them are not here.

        A player who names nothing (number 0) missed nothing. Numbers run on when another dealer takes the table.
        """
        after = [(number, frame) for number, frame in self._recent[table] if number > seq]
        whole = seq > 0 and [number for number, _ in after] == list(range(seq + 1, seq + 1 + len(after)))
        return [frame for _, frame in after] if whole else []

    async def pay(self, batch: PaidBatch) -> None:
        """Tell each connected player of a settled or voided batch what became of the bets."""
        async with self._telling:
            self._pay(batch)

    def _pay(self, batch: PaidBatch) -> None:
        rows: dict[int, list[int]] = defaultdict(list)
        for row, account in enumerate(batch.account):
            if account in self._by_account:
                rows[account].append(row)
        for account, mine in rows.items():
            last = mine[-1]
            paid = Paid(
                batch.round,
                [batch.ref[row] for row in mine],
                [batch.amount[row] for row in mine],
                batch.balance[last],
                batch.version[last],
            )
            self._by_account[account].push(frame_of(paid))


def nowhere(_frame: bytes) -> None:
    """Where frames for a closed socket go."""
