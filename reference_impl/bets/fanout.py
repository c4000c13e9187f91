"""From one event to many sockets: each broadcast frame is built once."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

import msgspec

from reference_impl.domain.messages import PaidBatch, TableEnvelope
from reference_impl.domain.protocol import Paid, TableNews

_encode = msgspec.json.Encoder().encode


class Subscriber(Protocol):
    """Somebody with a socket."""

    def push(self, frame: bytes) -> None:
        """Send a frame, or drop the connection if it does not keep up."""

    def measure(self) -> None:
        """Measure the round trip."""


class Fanout:
    """Who watches which table, and who waits for which account."""

    def __init__(self) -> None:
        self._by_table: dict[int, set[Subscriber]] = defaultdict(set)
        self._by_account: dict[int, Subscriber] = {}

    def __len__(self) -> int:
        return len(self._by_account)

    def join(self, table: int, account: int, subscriber: Subscriber) -> Subscriber | None:
        """Add a subscriber; return the one that it replaces, if the player had another."""
        former = self._by_account.get(account)
        self._by_account[account] = subscriber
        self._by_table[table].add(subscriber)
        return former

    def leave(self, table: int, account: int, subscriber: Subscriber) -> None:
        """Remove a subscriber; harmless if it was replaced or never joined."""
        self._by_table[table].discard(subscriber)
        if self._by_account.get(account) is subscriber:
            del self._by_account[account]

    def everybody(self) -> Iterable[Subscriber]:
        """Return all present subscribers."""
        return list(self._by_account.values())

    def at(self, table: int) -> tuple[Subscriber, ...]:
        """Return who watches a table now."""
        return tuple(self._by_table[table])

    def announce(self, envelope: TableEnvelope) -> int:
        """Send a table event to everyone at the table; return the bytes sent."""
        frame = _encode(TableNews(envelope))
        watchers = self._by_table[envelope.table]
        for subscriber in tuple(watchers):
            subscriber.push(frame)
        return len(frame) * len(watchers)

    def pay(self, batch: PaidBatch) -> None:
        """Tell each connected player of a settled or voided batch what became of the bets."""
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
            self._by_account[account].push(_encode(paid))
