"""A process of the system: ``python -m reference_impl.stack.child NODE WIRING READY_FD``.

It builds the roles that the plan gives to its name, runs them, tells its parent when all of them are ready, and ends
when it is asked to or when its parent is gone.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import uvloop
from nats.aio.client import Client

from reference_impl import bus as bus_module
from reference_impl.accounts.players import Players
from reference_impl.api.app import Api
from reference_impl.audit.trail import Audit
from reference_impl.bets.dealer import Dealer, DealerConfig
from reference_impl.bets.gateway import Gateway, GatewayConfig
from reference_impl.domain.records import NODES, PHASES, STAGES, Layout
from reference_impl.stack.config import Wiring
from reference_impl.stack.recording import RecordFile
from reference_impl.stack.telemetry import Load, sample_self
from reference_impl.wallet.relay import Relay
from reference_impl.wallet.service import Wallet

log = logging.getLogger(__name__)


class Role(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Run; call `ready` once it serves."""


class Process:
    """The roles of one process and the record files that they write.

    Parameters
    ----------
    node : str
        The process's name in the plan.
    wiring : Wiring
        Addresses and secrets.
    """

    def __init__(self, node: str, wiring: Wiring) -> None:
        self._node = node
        self._wiring = wiring
        self._files: list[RecordFile] = []
        self._load: Callable[[], Load] = lambda: (0, 0, 0, 0)

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        bus = await bus_module.connect(self._wiring.nats_url, self._node)
        roles = self._roles(bus)
        waiting = len(roles)

        def one_ready() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                gc.collect()
                gc.freeze()
                ready()

        append = self._record(NODES)
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(role.run(one_ready)) for role in roles]
        tasks.append(asyncio.create_task(sample_self(self._node, self._load, append, self._flush)))
        stopping: asyncio.Task[object] = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flush()
        for task in done - {stopping}:
            task.result()

    def _roles(self, bus: Client) -> list[Role]:
        wiring, config = self._wiring, self._wiring.config
        kind, _, number = self._node.partition("-")
        match kind:
            case "wallet":
                wallet = Wallet(int(number), wiring.dsns[int(number)], bus)
                self._load = lambda: wallet.load
                return [wallet]
            case "gateway":
                gateway = Gateway(self._gateway_config(int(number)), bus, self._record(STAGES))
                self._load = lambda: gateway.load
                return [gateway]
            case "dealer":
                tables = tuple(range(1, config.tables + 1))
                return [Dealer(DealerConfig(tables, config.shards, config.timing), bus, self._record(PHASES))]
            case "services":
                players = Players(wiring.dsns[0], wiring.token_secret, config.password_cost)
                relays = [Relay(shard, dsn, bus) for shard, dsn in enumerate(wiring.dsns)]
                audit = Audit(Path(wiring.audit_dir), config.shards, bus)
                api = Api(
                    wiring.api_port,
                    config.shards,
                    config.tables,
                    wiring.ticket_secret,
                    wiring.admin_token,
                    players,
                    bus,
                )
                return [*relays, audit, api]
        raise ValueError(f"no role is called {self._node!r}")

    def _gateway_config(self, number: int) -> GatewayConfig:
        wiring, config = self._wiring, self._wiring.config
        return GatewayConfig(
            self._node, number, wiring.gateway_ports[number], config.shards, config.tables, config.limits,
            wiring.ticket_secret,
        )  # fmt: skip

    def _record(self, layout: Layout) -> Callable[..., None]:
        file = RecordFile(Path(self._wiring.record_dir) / f"{layout.name}-{self._node}.bin", layout)
        self._files.append(file)
        return file.append

    def _flush(self) -> None:
        for file in self._files:
            file.flush()


def main() -> None:
    """Run the process that the arguments name."""
    node, wiring_path, ready_fd = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {node} %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # the bus says itself what was lost
    logging.getLogger("picows").setLevel(logging.WARNING)  # a line for every connection is none for anybody

    def ready() -> None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)

    uvloop.run(Process(node, Wiring.load(wiring_path)).run(ready))


if __name__ == "__main__":
    main()
