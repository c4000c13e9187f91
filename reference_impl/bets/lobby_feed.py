"""The lobby on a socket: first what there is, then what changes, a few times a second at the most.

However many tables change and however many sockets look, a change is one row in one frame that is built once. A frame
holds :data:`TABLES_MAX` tables; a larger lobby comes in several.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence

from reference_impl.bets.fanout import Subscriber
from reference_impl.bets.frames import frame_of
from reference_impl.domain.lobby import Lobby, TableInLobby
from reference_impl.domain.protocol import LobbyNews
from reference_impl.domain.table_messages import TableEnvelope

TABLES_MAX = 60
DELTA_S = 0.25
"""What changes within this time is told at once; a countdown needs no more, since instants are told and not ticks."""


class LobbyFeed:
    """Who looks at the lobby, and what they were told."""

    def __init__(self) -> None:
        self._lobby = Lobby()
        self._watchers: set[Subscriber] = set()
        self._told = 0
        self._due: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watchers)

    def enter(self, envelope: TableEnvelope) -> None:
        """Take a table's event."""
        self._lobby.enter(envelope)
        self._arm()

    def watch(self, subscriber: Subscriber) -> None:
        """Show the whole lobby, and from now on what changes; who looks already is told nothing twice."""
        if subscriber in self._watchers:
            return
        if not self._watchers:
            self._told = self._lobby.number
        self._watchers.add(subscriber)
        for frame in _frames(self._lobby.number, self._lobby.tables(), whole=True):
            subscriber.push(frame)

    def leave(self, subscriber: Subscriber) -> None:
        """Tell somebody nothing more; harmless if they did not look."""
        self._watchers.discard(subscriber)

    def _arm(self) -> None:
        if self._watchers and self._due is None and self._told < self._lobby.number:
            self._due = asyncio.get_running_loop().call_later(DELTA_S, self._tell)

    def _tell(self) -> None:
        self._due = None
        changed, self._told = self._lobby.tables(self._told), self._lobby.number
        for frame in _frames(self._told, changed, whole=False):
            for watcher in tuple(self._watchers):
                watcher.push(frame)


def _frames(number: int, tables: Sequence[TableInLobby], *, whole: bool) -> Iterator[bytes]:
    """Return one frame, or as many as the tables need; only the first replaces what was known before."""
    yield frame_of(LobbyNews(number, whole, list(tables[:TABLES_MAX])))
    for first in itertools.count(TABLES_MAX, TABLES_MAX):
        if first >= len(tables):
            return
        yield frame_of(LobbyNews(number, False, list(tables[first : first + TABLES_MAX])))
