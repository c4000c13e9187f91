"""The lobby behind HTTP: follows the tables' events."""

import asyncio

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.api.messages import SettledRound, TableAtDesk
from reference_impl.bus import past_table_events
from reference_impl.domain.lobby import Lobby
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope


async def listen(lobby: Lobby, bus: Client) -> None:
    """Enter every table's events into a lobby: those of the last minutes, and from now on."""
    recalled = asyncio.Event()

    async def on_table(msg: Msg) -> None:
        await recalled.wait()
        lobby.enter(msgspec.json.decode(msg.data, type=TableEnvelope))

    await bus.subscribe("table.*", cb=on_table)
    for envelope in await past_table_events(bus):
        lobby.enter(envelope)
    recalled.set()


def tables_at_desk(lobby: Lobby) -> list[TableAtDesk]:
    """Return all tables as the operator sees them: nothing is held back."""
    return [
        TableAtDesk(
            table,
            event.game,
            Phase(event.phase).name.lower(),
            event.round,
            event.result if event.phase == Phase.IDLE else "",
            [SettledRound(*shown) for shown in lobby.settled(table)],
        )
        for table, event in lobby.newest()
    ]
