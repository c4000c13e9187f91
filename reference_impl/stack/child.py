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
from importlib import import_module
from pathlib import Path

import uvloop

from reference_impl import bus as bus_module
from reference_impl.domain.records import NODES
from reference_impl.stack.config import LAB, Wiring
from reference_impl.stack.exposition import Exposition, process_families
from reference_impl.stack.node import Node, Role
from reference_impl.stack.telemetry import SelfSampler

log = logging.getLogger(__name__)


async def run_node(name: str, wiring: Wiring, ready: Callable[[], None]) -> None:
    """Run a process's roles until SIGTERM, or until one of them fails."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    node = Node(name, wiring, await bus_module.connect(wiring.nats_url, name))
    roles: list[Role] = import_module(_builder(name, wiring)).build(node)
    waiting = len(roles)

    def one_ready() -> None:
        nonlocal waiting
        waiting -= 1
        if waiting == 0:
            gc.collect()
            gc.freeze()
            ready()

    sampler = SelfSampler(name, node.load, node.records(NODES).append, node.flush)
    page = Exposition(lambda: process_families(node.load(), sampler.lag_ns_max) + node.families())
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(role.run(one_ready)) for role in roles]
    tasks += [asyncio.create_task(sampler.run()), asyncio.create_task(page.run(wiring.metrics_ports[name]))]
    stopping: asyncio.Task[object] = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    node.flush()
    for task in done - {stopping}:
        task.result()


def _builder(name: str, wiring: Wiring) -> str:
    lab = wiring.config.lab
    return lab.module if lab and name == LAB else f"reference_impl.stack.roles.{name.partition('-')[0]}"


def main() -> None:
    """Run the process that the arguments name."""
    name, wiring_path, ready_fd = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name} %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # the bus says itself what was lost
    logging.getLogger("picows").setLevel(logging.WARNING)  # a line for every connection is none for anybody

    def ready() -> None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)

    uvloop.run(run_node(name, Wiring.load(wiring_path), ready))


if __name__ == "__main__":
    main()
