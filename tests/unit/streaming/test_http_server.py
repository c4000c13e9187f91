import asyncio

import pytest

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.streaming.http import HEAD_BYTES_MAX, HttpServer, Pending, cache_control, parse_head, respond


class Site:
    """A server whose handler waits for `gate` on /wait and answers with the path otherwise."""

    def __init__(self, connections_max=10):
        self.gate = asyncio.get_running_loop().create_future()
        self.server = HttpServer(self.answer, connections_max)

    def answer(self, request):
        if request.path == "/wait":
            return Pending(self.gate, lambda future: respond(200, future.result()))
        return respond(200, request.path.encode(), "text/plain")


@pytest.fixture
async def site():
    site, ready = Site(), asyncio.Event()
    task = asyncio.create_task(site.server.run("127.0.0.1", 0, ready.set))
    await ready.wait()
    yield site
    task.cancel()
    await asyncio.wait([task])


async def talk(site, *messages):
    """Send each message; return everything that came until the server closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    for message in messages:
        writer.write(message)
        await asyncio.sleep(0.01)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


async def test_pipelined_requests_are_answered_in_order_on_one_connection(site):
    text = await talk(site, b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n" + LAST)
    assert [text.index(b"\r\n\r\n/" + name) for name in (b"a", b"b", b"last")] == sorted(
        text.index(b"\r\n\r\n/" + name) for name in (b"a", b"b", b"last")
    )
    assert text.count(b"HTTP/1.1 200 OK") == 3


async def test_head_may_come_in_pieces(site):
    assert b"/last" in await talk(site, LAST[:7], LAST[7:20], LAST[20:])


async def test_later_requests_wait_behind_a_blocked_one(site):
    asyncio.get_running_loop().call_later(0.05, site.gate.set_result, b"opened")
    text = await talk(site, b"GET /wait HTTP/1.1\r\n\r\n" + LAST)
    assert text.index(b"opened") < text.index(b"/last")


async def test_failed_wait_closes_the_connection(site):
    asyncio.get_running_loop().call_later(0.05, site.gate.set_exception, ValueError("planted"))
    assert await talk(site, b"GET /wait HTTP/1.1\r\n\r\n") == b""


async def test_head_request_has_the_length_and_no_body(site):
    text = await talk(site, b"HEAD /abc HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 4\r\n" in text
    assert text.endswith(b"\r\n\r\n")


async def test_preflight_names_methods_and_exposed_headers(site):
    text = await talk(site, b"OPTIONS /abc HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert text.startswith(b"HTTP/1.1 204")
    assert b"Access-Control-Allow-Methods: GET" in text
    assert b"Access-Control-Expose-Headers: Age, Content-Range, Date" in text


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"POST /a HTTP/1.1\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\nbroken\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (HEAD_BYTES_MAX + 1), b"431"),
    ],
)
async def test_what_is_not_served_is_refused_and_the_connection_closed(site, message, status):
    assert (await talk(site, message)).startswith(b"HTTP/1.1 " + status)


async def test_connection_beyond_the_bound_is_closed_at_once(site):
    site.server.connections_max = 0
    try:
        text = await talk(site, LAST)
    except ConnectionError:
        text = b""
    assert text == b""


@pytest.mark.parametrize("head", [b"GET /a HTTP/1.0", b"GET a HTTP/1.1", b"GET /a b HTTP/1.1", b""])
def test_malformed_request_line_is_refused(head):
    with pytest.raises(RemoteProtocolError, match="request line"):
        parse_head(head)


def test_header_names_do_not_depend_on_case():
    assert parse_head(b"GET /a?b=c HTTP/1.1\r\nIF-None-Match:  x").headers == {"if-none-match": "x"}


@pytest.mark.parametrize(("age_s", "line"), [(12, b"max-age=12"), (1.0, b"max-age=1"), (0.5, b"no-store")])
def test_lifetime_below_a_second_is_not_stored(age_s, line):
    assert line in cache_control(age_s)


async def test_client_that_does_not_read_never_slows_another(site):
    site.server.handler = lambda request: respond(200, bytes(4_000_000) if request.path == "/big" else b"small")
    _, starved = await asyncio.open_connection("127.0.0.1", site.server.port, limit=1024)
    for _ in range(20):
        starved.write(b"GET /big HTTP/1.1\r\n\r\n")
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        for _ in range(50):
            assert b"small" in await asyncio.wait_for(talk(site, b"GET /s HTTP/1.1\r\nConnection: close\r\n\r\n"), 1)
    assert site.server.egress_bytes < 8_100_000, "what a client does not read is not produced for it"
    starved.transport.abort()


async def test_header_lines_that_change_between_requests_are_heeded(site):
    kept = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    text = await talk(site, kept, kept, b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert text.count(b"200 OK") == 3
    assert text.count(b"Connection: close") == 1


async def test_bad_header_line_after_good_ones_is_refused(site):
    text = await talk(site, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a HTTP/1.1\r\nno colon\r\n\r\n")
    assert [word in text for word in (b"200 OK", b"400 Bad Request")] == [True, True]


ZIPPED = b"Accept-Encoding: gzip\r\n"


@pytest.mark.parametrize(
    ("request_line", "headers", "quick"),
    [
        (b"GET /a", b"", True),
        (b"GET /a", ZIPPED, True),
        (b"GET /a", b"Range: bytes=0-1\r\n", False),
        (b"GET /a", b'If-None-Match: "x"\r\n', False),
        (b"GET /a", b"Connection: keep-alive\r\n", False),
        (b"GET /b", b"", False),
    ],
)
async def test_answer_at_hand_is_sent_where_the_request_line_tells_all(site, request_line, headers, quick):
    asked = []
    site.server.quick = lambda line, zips: asked.append(zips) or b"at hand" if line == b"GET /a HTTP/1.1" else None
    message = request_line + b" HTTP/1.1\r\nHost: h\r\n" + headers + b"\r\n"
    text = await talk(site, message, message, message, LAST)
    assert text.count(b"at hand") == len(asked) == quick  # its header lines have to be seen twice before
    assert text.count(b"200 OK") == 4 - quick
    assert asked == [headers == ZIPPED] * quick
    assert site.server.requests == 4
