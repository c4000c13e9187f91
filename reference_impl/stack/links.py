"""Connections that can be broken: a proxy between each role and each server, in the supervisor's own process.

A link passes bytes on at once unless told otherwise: late, not at all, or no longer. What is under way is bounded: a
sender whose bytes are not taken is no longer read, as TCP does. A black hole loses nothing, since TCP would send again
what was lost: what was sent meanwhile arrives when it ends, and whoever connects waits until then.
"""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass

from reference_impl.domain.units import KIB

UNDER_WAY_BYTES_MAX = 4096 * KIB
BACKLOG = 1024
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Condition:
    """How a link is: all zero is whole.

    Parameters
    ----------
    latency_ms, jitter_ms : int
        How late each byte is, and by how much more at most. Bytes never overtake each other.
    blackhole : bool
        Nothing passes.
    """

    latency_ms: int = 0
    jitter_ms: int = 0
    blackhole: bool = False


class Link:
    """One role's way to one server.

    Parameters
    ----------
    role, server : str
        Whose way to what.
    upstream : tuple of (str, int)
        The server's address.
    """

    def __init__(self, role: str, server: str, upstream: tuple[str, int]) -> None:
        self.role = role
        self.server = server
        self.port = 0
        self.condition = Condition()
        self.chance = random.Random(f"{role} {server}")
        self._upstream = upstream
        self._listening: asyncio.Server | None = None
        self._ends: set[End] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self._connecting: set[asyncio.Task[None]] = set()

    async def open(self, host: str = "127.0.0.1") -> None:
        """Listen on a free port of an address."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._accepted, host, 0, backlog=BACKLOG)
        self.port = self._listening.sockets[0].getsockname()[1]

    def close(self) -> None:
        """End every connection and listen no more."""
        if self._listening is not None:
            self._listening.close()
        for task in self._connecting:
            task.cancel()
        self.cut()

    def set(self, condition: Condition) -> None:
        """Change how the link is, for connections that stand and for those to come."""
        was, self.condition = self.condition, condition
        if condition.blackhole and not was.blackhole:
            self._whole.clear()
            for end in self._ends:
                end.hold()
        elif was.blackhole and not condition.blackhole:
            self._whole.set()
            for end in list(self._ends):
                end.release()

    def cut(self) -> int:
        """Reset every connection; return how many there were."""
        ends = list(self._ends)
        for end in ends:
            end.reset()
        return len(ends) // 2

    def _accepted(self) -> "End":
        near, far = End(self), End(self)
        near.other, far.other = far, near
        task = asyncio.get_running_loop().create_task(self._connect(near, far))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return near

    async def _connect(self, near: "End", far: "End") -> None:
        await self._whole.wait()
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, *self._upstream)
        except OSError:
            near.reset()

    def is_open(self, end: "End") -> None:
        """Note that a connection stands."""
        self._ends.add(end)
        if self.condition.blackhole:
            end.hold()

    def is_closed(self, end: "End") -> None:
        """Note that it is gone."""
        self._ends.discard(end)


class End(asyncio.Protocol):
    """One of the two connections that make a link; what it reads goes to the other one."""

    other: "End"

    def __init__(self, link: Link) -> None:
        self._link = link
        self.transport: asyncio.Transport | None = None
        self._under_way_bytes = 0
        self._latest_s = 0.0
        self._held = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write; a connection whose other half is gone ends at once."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server and create_connection give
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.gone or self.other.gone:
            self.reset()
            return
        self._link.is_open(self)
        self.read_or_wait()
        self.other.read_or_wait()

    def data_received(self, data: bytes) -> None:
        """Pass it on, now or later."""
        condition = self._link.condition
        loop = asyncio.get_running_loop()
        if not (condition.latency_ms or condition.jitter_ms or self._latest_s > loop.time()):
            self.other.pass_on(data)
            return
        self._under_way_bytes += len(data)
        late_s = (condition.latency_ms + condition.jitter_ms * self._link.chance.random()) / 1000
        self._latest_s = max(loop.time() + late_s, self._latest_s)
        loop.call_at(self._latest_s, self._arrive, data)
        self.read_or_wait()

    def connection_lost(self, _error: Exception | None) -> None:
        """End the other half once everything under way has arrived."""
        self.gone = True
        self._link.is_closed(self)
        asyncio.get_running_loop().call_at(self._latest_s, self.other.close)

    def pause_writing(self) -> None:
        """Whoever is at this end reads too slowly: read no more from the other one."""
        self.other.wait()

    def resume_writing(self) -> None:
        """Read on: it caught up."""
        self.other.read_or_wait()

    def pass_on(self, data: bytes) -> None:
        """Write what the other half read."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def hold(self) -> None:
        """Take and give nothing until :meth:`release`."""
        self._held = True
        self.wait()

    def release(self) -> None:
        """Go on."""
        self._held = False
        self.read_or_wait()

    def close(self) -> None:
        """End the connection after what was written."""
        self.gone = True
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Break the connection off."""
        self.gone = True
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def _arrive(self, data: bytes) -> None:
        self._under_way_bytes -= len(data)
        self.other.pass_on(data)
        self.read_or_wait()

    def wait(self) -> None:
        """Read nothing for now."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def read_or_wait(self) -> None:
        """Read if there is somewhere for it to go."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._held or self.other.transport is None or self._under_way_bytes > UNDER_WAY_BYTES_MAX:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


class Links:
    """Every role's ways to the servers."""

    def __init__(self) -> None:
        self._links: list[Link] = []

    async def lead(self, role: str, server: str, upstream: tuple[str, int], host: str) -> int:
        """Open a role's way to a server, at an address of ours that it reaches; return the port."""
        link = Link(role, server, upstream)
        await link.open(host)
        self._links.append(link)
        return link.port

    def of(self, target: str) -> list[Link]:
        """Return a role's ways, or all ways to a server."""
        return [link for link in self._links if target in (link.role, link.server)]

    def close(self) -> None:
        """End all of them."""
        for link in self._links:
            link.close()
        self._links.clear()
