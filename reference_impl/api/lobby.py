"""What the lobby knows: the newest event of each table and its recent outcomes."""

from collections import deque
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.api.messages import SettledRound, TableAtDesk, TableInLobby
from reference_impl.domain.game_round import Phase
from reference_impl.domain.messages import TableEnvelope, TableEvent

RECENT_MAX = 12


class Shown(NamedTuple):
    """A result as the lobby shows it."""

    round: int
    outcome: int
    result: str


class Lobby:
    """Follows all tables."""

    def __init__(self) -> None:
        self._states: dict[int, TableEnvelope] = {}
        self._recent: dict[int, deque[Shown]] = {}
        self._held_back: dict[int, Shown] = {}

    async def listen(self, bus: Client) -> None:
        """Follow the tables' events."""
        await bus.subscribe("table.*", cb=self._on_table)

    def enter(self, envelope: TableEnvelope) -> None:
        """Take an event."""
        if envelope.event.corrected:
            self._correct(envelope.event)
            return
        self._states[envelope.table] = envelope
        if envelope.event.phase == Phase.SETTLED:
            self._remember(envelope.event)

    def tables(self) -> list[TableInLobby]:
        """Return all tables, by number."""
        return [
            TableInLobby(
                number,
                state.event.game,
                Phase(state.event.phase).name.lower(),
                state.event.round,
                state.event.opens_at_unix_ns,
                state.event.closes_at_unix_ns,
                [shown.outcome for shown in self._recent.get(number, ())],
                [shown.result for shown in self._recent.get(number, ())],
                [shown.round for shown in self._recent.get(number, ())],
            )
            for number, state in sorted(self._states.items())
        ]

    def desk(self) -> list[TableAtDesk]:
        """Return all tables as the operator sees them: nothing is held back."""
        return [
            TableAtDesk(
                number,
                state.event.game,
                Phase(state.event.phase).name.lower(),
                state.event.round,
                state.event.result if state.event.phase == Phase.IDLE else "",
                [SettledRound(*shown) for shown in self._settled(number)],
            )
            for number, state in sorted(self._states.items())
        ]

    def _settled(self, table: int) -> list[Shown]:
        held = self._held_back.get(table)
        return [*([held] if held else []), *self._recent.get(table, ())]

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

    async def _on_table(self, msg: Msg) -> None:
        self.enter(msgspec.json.decode(msg.data, type=TableEnvelope))
