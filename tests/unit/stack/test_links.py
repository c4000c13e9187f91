"""Links pass everything on, late or not at all if told so, and lose nothing but what is cut."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from reference_impl.stack.links import Condition, Link, Links


@asynccontextmanager
async def echoing() -> AsyncIterator[Link]:
    """A link to a server that gives back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError, asyncio.CancelledError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    links = Links()
    await links.lead("role", "server", server.sockets[0].getsockname(), "127.0.0.1")
    (link,) = links.of("role")
    yield link
    links.close()
    server.close()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    """Send, and return how many seconds it took to come back whole."""
    began_s = time.monotonic()
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began_s


async def test_everything_passes_in_order_however_large() -> None:
    async with echoing() as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        await said(reader, writer, bytes(range(256)) * 40_000)
        writer.close()
        assert await reader.read() == b""


async def test_every_byte_is_late_both_ways_and_none_overtakes() -> None:
    async with echoing() as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        link.set(Condition(latency_ms=50, jitter_ms=20))
        assert 0.1 <= await said(reader, writer, bytes(range(256)) * 1000) < 1.0
        link.set(Condition())
        assert await said(reader, writer, b"x") < 0.1
        writer.close()


async def test_a_black_hole_keeps_everything_and_whoever_connects_waits() -> None:
    async with echoing() as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        await said(reader, writer, b"before")
        link.set(Condition(blackhole=True))
        writer.write(b"during")
        late_reader, late_writer = await asyncio.open_connection("127.0.0.1", link.port)
        late_writer.write(b"late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(6), 0.1)
        link.set(Condition())
        assert await asyncio.wait_for(reader.readexactly(6), 1.0) == b"during"
        assert await asyncio.wait_for(late_reader.readexactly(4), 1.0) == b"late"
        writer.close()
        late_writer.close()


async def test_a_cut_connection_is_reset_and_a_new_one_works() -> None:
    async with echoing() as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        await said(reader, writer, b"before")
        assert link.cut() == 1
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        await said(reader, writer, b"after")
        writer.close()


async def test_a_server_that_is_not_there_resets_whoever_connects() -> None:
    link = Link("role", "server", ("127.0.0.1", 1))
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 1.0)
    writer.close()
    link.close()
