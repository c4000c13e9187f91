"""The peer of ``bench broadcast``: sockets of the `websockets` library, and its own broadcast.

``python -m loadtest.bench.websockets_server PORT`` sends each line of its input to every socket. It runs on uvloop and
without compression, as ours does.
"""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

LINE_BYTES_MAX = 1 << 20


async def _serve(port: int) -> None:
    sockets: set[ServerConnection] = set()

    async def seat(socket: ServerConnection) -> None:
        sockets.add(socket)
        try:
            await socket.wait_closed()
        finally:
            sockets.discard(socket)

    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with serve(seat, "127.0.0.1", port, compression=None, backlog=1024):
        while line := await lines.readline():
            broadcast(sockets, line.decode().strip())


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
