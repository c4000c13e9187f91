"""Waiting for a server of a bench to listen."""

import asyncio
import socket
import time

from reference_impl.domain.errors import OperationalError

START_S_MAX = 20.0


async def listening(port: int) -> None:
    """Return once somebody listens on a loopback port.

    Raises
    ------
    OperationalError
        If nobody does within :data:`START_S_MAX`.
    """
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline_s:
            raise OperationalError(f"nobody listened on port {port} within {START_S_MAX} s")
        await asyncio.sleep(0.05)
