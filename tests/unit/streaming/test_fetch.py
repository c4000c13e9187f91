import asyncio
import contextlib

import pytest

from reference_impl.domain.errors import RemoteProtocolError, RetryableError
from reference_impl.streaming.fetch import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name:  v\r\n\r\nhi"


@contextlib.asynccontextmanager
async def server(*scripts):
    """Serve one script a connection: each item answers one request; None closes the connection."""
    waiting, accepted = list(scripts), []

    async def serve(reader, writer):
        accepted.append(writer)
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            for answer in waiting.pop(0):
                await reader.readuntil(b"\r\n\r\n")
                if answer is None:
                    return
                writer.write(answer)
            await reader.read()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = Upstream("127.0.0.1", listener.sockets[0].getsockname()[1])
    try:
        yield upstream, accepted
    finally:
        upstream.close()
        listener.close()
        await asyncio.sleep(0.01)


async def test_connection_is_kept_for_the_next_request():
    async with server([OK, OK]) as (upstream, accepted):
        replies = [await upstream.get("/a", 5) for _ in range(2)]
    assert [(r.status, r.body, r.headers["x-name"]) for r in replies] == [(200, b"hi", "v")] * 2
    assert len(accepted) == 1


async def test_kept_connection_that_died_is_replaced_unnoticed():
    async with server([OK, None], [OK]) as (upstream, accepted):
        assert [(await upstream.get("/a", 5)).body for _ in range(2)] == [b"hi", b"hi"]
    assert len(accepted) == 2


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"],
)
async def test_unreadable_answer_is_the_upstreams_fault(answer):
    async with server([answer]) as (upstream, _):
        with pytest.raises(RemoteProtocolError, match="answer"):
            await upstream.get("/a", 5)


async def test_silence_ends_at_the_time_limit_and_may_be_retried():
    async with server([b""]) as (upstream, _):
        with pytest.raises(RetryableError, match="/a"):
            await upstream.get("/a", 0.05)


async def test_closed_port_may_be_retried():
    async with server() as (upstream, _):
        pass
    with pytest.raises(RetryableError, match="no answer"):
        await upstream.get("/a", 1)
