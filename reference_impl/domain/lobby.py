"""What the lobby shows: the newest event of each table and its recent outcomes, but no outcome before the pictures do.

Whatever changes gets the next number, so that who knows the lobby as of a number can be told what changed since. Who
knows nothing knows it as of number 0.
"""

from collections import deque
from typing import NamedTuple

from msgspec import Struct

from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope, TableEvent

RECENT_MAX = 12


class TableInLobby(Struct, frozen=True):
    """A table as the lobby shows it.

    ``recent`` are outcomes, newest first, the last round's held back; ``recent_results`` says them in words and
    ``recent_rounds`` of which rounds they are.
    """

    table: int
    game: str
    phase: str
    round: int
    opens_at_unix_ns: int
    closes_at_unix_ns: int
    recent: list[int]
    recent_results: list[str]
    recent_rounds: list[int]


class Shown(NamedTuple):
    """A result as the lobby shows it."""

    round: int
    outcome: int
    result: str


class Lobby:
    """Follows all tables."""

    def __init__(self) -> None:
        self.number = 0
        self._newest: dict[int, tuple[int, int]] = {}
        self._states: dict[int, TableEnvelope] = {}
        self._changed: dict[int, int] = {}
        self._recent: dict[int, deque[Shown]] = {}
        self._held_back: dict[int, Shown] = {}

    def enter(self, envelope: TableEnvelope) -> None:
        """Take an event; one that is not newer than what its table said before changes nothing."""
        if self._newest.get(envelope.table, (0, 0)) >= (envelope.epoch, envelope.seq):
            return
        self._newest[envelope.table] = envelope.epoch, envelope.seq
        self.number += 1
        self._changed[envelope.table] = self.number
        if envelope.event.corrected:
            self._correct(envelope.event)
            return
        self._states[envelope.table] = envelope
        if envelope.event.phase == Phase.SETTLED:
            self._remember(envelope.event)

    def tables(self, after: int = 0) -> list[TableInLobby]:
        """Return the tables that changed after a number, in the order of their own numbers."""
        return [self._row(table) for table in sorted(self._states) if self._changed[table] > after]

    def newest(self) -> list[tuple[int, TableEvent]]:
        """Return the tables' newest events, by number."""
        return [(table, state.event) for table, state in sorted(self._states.items())]

    def settled(self, table: int) -> list[Shown]:
        """Return a table's last results, newest first, the one that players are not told yet included."""
        held = self._held_back.get(table)
        return [*([held] if held else []), *self._recent.get(table, ())]

    def _row(self, table: int) -> TableInLobby:
        event, recent = self._states[table].event, self._recent.get(table, ())
        return TableInLobby(
            table,
            event.game,
            Phase(event.phase).name.lower(),
            event.round,
            event.opens_at_unix_ns,
            event.closes_at_unix_ns,
            [shown.outcome for shown in recent],
            [shown.result for shown in recent],
            [shown.round for shown in recent],
        )

    def _remember(self, event: TableEvent) -> None:
        """Publish the outcome of the round before: pictures are behind, and the lobby must not tell what they show."""
        if event.table in self._held_back:
            recent = self._recent.setdefault(event.table, deque(maxlen=RECENT_MAX))
            recent.appendleft(self._held_back[event.table])
        self._held_back[event.table] = Shown(event.round, event.outcome, event.result)

    def _correct(self, event: TableEvent) -> None:
        fresh = Shown(event.round, event.outcome, event.result)
        if (held := self._held_back.get(event.table)) and held.round == event.round:
            self._held_back[event.table] = fresh
        recent = self._recent.get(event.table, ())
        self._recent[event.table] = deque(
            (fresh if shown.round == event.round else shown for shown in recent), maxlen=RECENT_MAX
        )
