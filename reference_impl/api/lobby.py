"""The lobby behind HTTP: follows the tables' events."""

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.domain.lobby import Lobby
from reference_impl.domain.messages import TableEnvelope


async def listen(lobby: Lobby, bus: Client) -> None:
    """Enter every table's events into a lobby from now on."""

    async def on_table(msg: Msg) -> None:
        lobby.enter(msgspec.json.decode(msg.data, type=TableEnvelope))

    await bus.subscribe("table.*", cb=on_table)
