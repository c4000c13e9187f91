"""What the lobby knows: the newest event of each table and its recent outcomes."""

from collections import deque

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.api.messages import TableInLobby
from reference_impl.domain.game_round import Phase
from reference_impl.domain.messages import TableEnvelope, TableEvent

RECENT_MAX = 12


class Lobby:
    """Follows all tables."""

    def __init__(self) -> None:
        self._states: dict[int, TableEnvelope] = {}
        self._recent: dict[int, deque[tuple[int, str]]] = {}
        self._held_back: dict[int, tuple[int, str]] = {}

    async def listen(self, bus: Client) -> None:
        """Follow the tables' events."""
        await bus.subscribe("table.*", cb=self._on_table)

    def enter(self, envelope: TableEnvelope) -> None:
        """Take an event."""
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
                [outcome for outcome, _ in self._recent.get(number, ())],
                [result for _, result in self._recent.get(number, ())],
            )
            for number, state in sorted(self._states.items())
        ]

    def _remember(self, event: TableEvent) -> None:
        """Publish the outcome of the round before: pictures are behind, and the lobby must not tell what they show."""
        if event.table in self._held_back:
            recent = self._recent.setdefault(event.table, deque(maxlen=RECENT_MAX))
            recent.appendleft(self._held_back[event.table])
        self._held_back[event.table] = event.outcome, event.result

    async def _on_table(self, msg: Msg) -> None:
        self.enter(msgspec.json.decode(msg.data, type=TableEnvelope))
