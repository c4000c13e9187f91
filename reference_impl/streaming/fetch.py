"""A small HTTP/1.1 client for one upstream server: GET over kept connections.

A kept connection may have died unnoticed; a request that fails on one before any byte of the answer is sent once more
on a new one. GET changes nothing, so that is safe.
"""

import asyncio
from typing import NamedTuple

from reference_impl.domain.errors import RemoteProtocolError, RetryableError

BODY_BYTES_MAX = 16 * 1024 * 1024
IDLE_CONNECTIONS_MAX = 64
CONNECT_S_MAX = 2.0


class Reply(NamedTuple):
    """An upstream's answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Link(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Upstream:
    """Fetches from one server.

    Parameters
    ----------
    host, port : str, int
        The server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Link] = []

    async def get(self, target: str, timeout_s: float) -> Reply:
        """Return the answer to a GET of ``target`` (path and query).

        Raises
        ------
        RetryableError
            If there was no answer in time.
        RemoteProtocolError
            If the answer cannot be read.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._get(target)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            text = f"{type(error).__name__} {error}".strip()
            raise RetryableError(f"no answer from {self._host}:{self._port} to {target}: {text}") from error
        except asyncio.LimitOverrunError as error:
            raise RemoteProtocolError(f"answer to {target} has an endless head") from error

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().writer.close()

    async def _get(self, target: str) -> Reply:
        if self._idle:
            link = self._idle.pop()
            try:
                return await self._exchange(link, target)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
        async with asyncio.timeout(CONNECT_S_MAX):
            link = _Link(*await asyncio.open_connection(self._host, self._port, limit=1 << 20))
        return await self._exchange(link, target)

    async def _exchange(self, link: _Link, target: str) -> Reply:
        whole = False
        try:
            link.writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode("latin-1"))
            reply = await _read(link.reader)
            whole = True
        finally:
            keep = whole and len(self._idle) < IDLE_CONNECTIONS_MAX and reply.headers.get("connection") != "close"
            if not keep:
                link.writer.close()
        if keep:
            self._idle.append(link)
        return reply


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        status, size_bytes = int(first.split(" ")[1]), int(headers["content-length"])
    except (IndexError, KeyError, ValueError) as error:
        raise RemoteProtocolError(f"answer {first!r} has no readable status or length") from error
    if size_bytes > BODY_BYTES_MAX:
        raise RemoteProtocolError(f"answer of {size_bytes} bytes exceeds {BODY_BYTES_MAX}")
    return Reply(status, headers, await reader.readexactly(size_bytes))
