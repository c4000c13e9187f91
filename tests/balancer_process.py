"""A balancer on its own: ``python balancer_process.py NATS_URL NAME``; says ``holds EPOCH`` and ``waits`` on stdout."""

import asyncio
import sys

from reference_impl import bus
from reference_impl.balancer.balancer import Balancer
from reference_impl.balancer.reports import Reports


async def main(url: str, name: str) -> None:
    client = await bus.connect(url, name)
    balancer = Balancer(client, Reports(client), name, lambda _plan: None)
    running = asyncio.create_task(balancer.run(lambda: None))
    held = False
    while not running.done():
        if balancer.lease.held != held:
            held = not held
            sys.stdout.write(f"holds {balancer.lease.epoch}\n" if held else "waits\n")
            sys.stdout.flush()
        await asyncio.sleep(0.01)
    await running


asyncio.run(main(*sys.argv[1:]))
