"""Seats at a running system for benches: players with money, tickets, and the round that is open.

Accounts are opened over the bus and tickets are sealed with the system's own key, so that a bench need not log
thousands of players in. From the first frame on, everything is as it is for anybody.
"""

import asyncio
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from typing import Self

import msgspec
import nats.errors
from nats.aio.client import Client

from loadtest.bench.clients import Sockets
from reference_impl import bus as bus_module
from reference_impl.bus import ask_wallet_until_answered
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.ids import shard_of
from reference_impl.domain.money import Currency
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import Hello
from reference_impl.domain.table_messages import TableEnvelope
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, seal
from reference_impl.domain.units import NS_PER_S
from reference_impl.domain.wallet_messages import Done, OpenAccounts
from reference_impl.pulse import cost_of
from reference_impl.stack.config import StackConfig, Wiring
from reference_impl.stack.stack import Stack
from reference_impl.stack.telemetry import family_of

DEPOSIT_MINOR = 10**12
OPEN_S_MAX = 10.0


class Seats:
    """A system with seats; an async context manager.

    Parameters
    ----------
    config : StackConfig
        What it is made of; its data is kept in a folder that is removed afterwards.
    """

    def __init__(self, config: StackConfig) -> None:
        self._config = config
        self._open = AsyncExitStack()
        self.stack: Stack
        self.bus: Client
        self._wiring: Wiring

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            folder = opening.enter_context(tempfile.TemporaryDirectory(prefix="livetable-bench-"))
            config = msgspec.structs.replace(self._config, data_dir=folder)
            self.stack = await opening.enter_async_context(Stack(config))
            self._wiring = self.stack.wiring
            self.bus = await bus_module.connect(self.stack.nats_url, "bench")
            opening.push_async_callback(self.bus.close)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def open_accounts(self, players: range) -> None:
        """Give players an account with money."""
        shards = self._config.shards
        for shard in range(shards):
            mine = [player for player in players if shard_of(player, shards) == shard]
            refs = [secrets.token_bytes(16) for _ in mine]
            ask = OpenAccounts(refs, mine, [DEPOSIT_MINOR] * len(mine), Currency.EUR)
            await ask_wallet_until_answered(self.bus, shard, ask, Done)

    def sockets(self, players: range, table: int, *, stamped: bool = False) -> Sockets:
        """Return how players come in at a table, dealt out to the gateways; good for some seconds."""
        now_ns = time.time_ns()
        urls, hellos = [], []
        for player in players:
            gateway = player % self._config.gateways
            ticket = Ticket(
                player, table, f"gateway-{gateway}", "bench", now_ns, now_ns // NS_PER_S + TICKET_S_MAX,
                secrets.token_hex(8),
            )  # fmt: skip
            urls.append(f"ws://127.0.0.1:{self._wiring.gateway_ports[gateway]}/")
            hellos.append(msgspec.json.encode(Hello(seal(ticket, self._wiring.ticket_secret))).decode())
        return Sockets(urls, hellos, stamped)

    async def open_round(self, table: int) -> int:
        """Return the round that a table takes bets for.

        Raises
        ------
        OperationalError
            If there is none within :data:`OPEN_S_MAX`.
        """
        deadline_s = time.monotonic() + OPEN_S_MAX
        while time.monotonic() < deadline_s:
            try:
                msg = await self.bus.request(f"dealer.{table}.state", b"", timeout=1.0)
            except nats.errors.Error:
                continue
            state = msgspec.json.decode(msg.data, type=TableEnvelope) if msg.data else None
            if state is not None and state.event.phase == Phase.BETS_OPEN:
                return state.event.round
            await asyncio.sleep(0.05)
        raise OperationalError(f"table {table} opened no round within {OPEN_S_MAX} s")

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU of each kind of process so far, threads and children included, in seconds."""
        total: dict[str, float] = {}
        for name in self.stack.node_names:
            kind = name.partition("-")[0]
            total[kind] = total.get(kind, 0.0) + cost_of(*family_of(self.stack.pid(name))).cpu_ns / NS_PER_S
        return total
