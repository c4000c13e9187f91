"""The tests' own player takes a server that dies in the middle of an answer for what it is: a broken connection."""

import asyncio
from types import SimpleNamespace

import pytest
from table_client import call, connect


@pytest.fixture
async def dies_after():
    """Return a server's port; it says these bytes and is gone."""
    servers = []

    async def start(said):
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 52\r\n\r\n", b"HTTP/1.1 500 No\r\ncontent-length: 52\r\n\r\n", b"HT"],
    ids=["nothing", "only-the-head", "only-the-head-of-an-error", "half-a-line"],
)
async def test_an_http_answer_that_breaks_off_is_a_broken_connection(dies_after, said):
    stack = SimpleNamespace(api_url=f"http://127.0.0.1:{await dies_after(said)}")
    with pytest.raises(ConnectionError):
        await call(stack, "/v1/placement", {})


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Swi"], ids=["nothing", "half-a-line"])
async def test_a_handshake_that_breaks_off_is_a_broken_connection(dies_after, said):
    with pytest.raises(ConnectionError):
        await connect(f"ws://127.0.0.1:{await dies_after(said)}/")
