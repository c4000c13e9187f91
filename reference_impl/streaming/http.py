"""A small HTTP/1.1 server for playlists and media: GET, HEAD and OPTIONS, keep-alive, nothing to upload.

A handler answers at once with a :class:`Response`, or with a :class:`Pending` that becomes one when a shared future is
done: many connections may wait for one future without a task or a queue of their own. Requests of a connection are
served in order, one at a time; while one waits, the rest of the socket's bytes wait in the kernel.

Bounds
------
`HEAD_BYTES_MAX` for a request's head, `connections_max` for the server, `IDLE_S_MAX` for a silent connection.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias, cast

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.precedence import BACKLOG, Precedence, listening

HEAD_BYTES_MAX = 8192
LINES_KEPT_BYTES_MAX = 1024
"""Longer header lines are read anew with each request."""
SERVED = frozenset({"GET", "HEAD"})
QUICK_NOT = frozenset({"connection", "range", "if-none-match"})
"""A request with one of these is read whole."""
IDLE_S_MAX = 75.0
SWEEP_S = 15.0

CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Expose-Headers: Age, Content-Range, Date, ETag, X-Cache\r\n"
    b"Timing-Allow-Origin: *\r\n"
)  # fmt: skip
PREFLIGHT = (
    b"Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: Range, If-None-Match\r\n"
    b"Access-Control-Max-Age: 86400\r\n"
)  # fmt: skip


class Request(NamedTuple):
    """A request's head. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection to stay."""
        return self.headers.get("connection", "").lower() != "close"


class Response(NamedTuple):
    """An answer: ``head`` is the status line and header lines, each ended by CR LF, without the empty line."""

    status: int
    head: bytes
    body: bytes


class Pending(NamedTuple):
    """An answer that waits for a future; ``finish`` makes the response of its result. Failure closes the connection."""

    future: "asyncio.Future[Any]"
    finish: Callable[["asyncio.Future[Any]"], Response]


Handler: TypeAlias = Callable[[Request], Response | Pending]
Quick: TypeAlias = Callable[[bytes, bool], bytes | None]
"""Takes a request line and whether its sender reads gzip; returns the whole answer if it is at hand."""


def respond(status: int, body: bytes = b"", content_type: str = "", headers: bytes = b"") -> Response:
    """Return a response with its framing headers and CORS; ``headers`` are further header lines."""
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: {len(body)}\r\n{kind}"
    return Response(status, head.encode("latin-1") + CORS + headers, body)


def refuse(status: int, reason: str, age_s_max: float = 0.0) -> Response:
    """Return an error that says why, and how long a cache may keep it."""
    return respond(status, f"{reason}\n".encode(), "text/plain; charset=utf-8", cache_control(age_s_max))


def cache_control(age_s_max: float) -> bytes:
    """Return the Cache-Control line of an object that stays true for this long."""
    return b"Cache-Control: max-age=%d\r\n" % age_s_max if age_s_max >= 1 else b"Cache-Control: no-store\r\n"


def _unserved(method: str) -> Response:
    if method == "OPTIONS":
        return respond(204, headers=PREFLIGHT)
    return refuse(405, f"method {method[:16]!r} is not one of GET, HEAD, OPTIONS")


def parse_head(head: bytes) -> Request:
    """Return a request's head.

    Parameters
    ----------
    head : bytes
        Everything before the empty line.

    Raises
    ------
    RemoteProtocolError
        If it is no HTTP/1.1 head, or announces a body.
    """
    first, _, lines = head.partition(b"\r\n")
    return _request(first, _headers(lines))


def _request(line: bytes, headers: dict[str, str]) -> Request:
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or words[1][:1] != "/":
        raise RemoteProtocolError(
            f"request line {line[:80].decode('latin-1')!r} is not of the form 'GET /path HTTP/1.1'"
        )
    path, _, query = words[1].partition("?")
    return Request(words[0], path, query, headers)


def _headers(lines: bytes) -> dict[str, str]:
    headers = {}
    for line in lines.decode("latin-1").split("\r\n") if lines else ():
        name, colon, value = line.partition(":")
        if not colon:
            raise RemoteProtocolError(f"header line {line[:80]!r} has no colon")
        headers[name.lower()] = value.strip()
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise RemoteProtocolError("a request with a body is not served here")
    return headers


class HttpServer:
    """Serves one handler.

    Parameters
    ----------
    handler : Handler
        Answers GET; HEAD and OPTIONS are derived from it.
    connections_max : int
        Connections beyond are closed at once.
    precedence : Precedence, optional
        How networks are to treat its answers.
    quick : Quick, optional
        Asked before the handler for what needs no more than the request line: no range, no condition, no closing.
    """

    def __init__(
        self, handler: Handler, connections_max: int, precedence: Precedence | None = None, quick: Quick | None = None
    ) -> None:
        self._precedence = precedence
        self.handler = handler
        self.quick = quick
        self.connections_max = connections_max
        self.connections: set[_Connection] = set()
        self.requests = 0
        self.egress_bytes = 0
        self.port = 0

    async def run(self, host: str, port: int, ready: Callable[[], None]) -> None:
        """Listen until cancelled; ``port`` 0 takes a free one, which is in `self.port` once `ready` is called."""
        loop = asyncio.get_running_loop()
        listener = listening(host, port, self._precedence)
        server = await loop.create_server(lambda: _Connection(self), sock=listener, backlog=BACKLOG)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                self._sweep(loop.time() - IDLE_S_MAX)
        finally:
            server.close()
            for connection in list(self.connections):
                connection.close()

    def _sweep(self, before: float) -> None:
        for connection in [c for c in self.connections if c.active_at < before]:
            connection.close()


class _Connection(asyncio.Protocol):
    """One client. Header lines are read once for as long as they repeat, as a player's do from request to request."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answering = False
        self._full = False
        self._paused = False
        self._lines = b""
        self._headers: dict[str, str] = {}
        self._plain = self._zips = False
        self.active_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        if len(self._server.connections) >= self._server.connections_max:
            self._transport.abort()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._serve()

    def data_received(self, data: bytes) -> None:
        self.active_at = self._loop.time()
        self._buffer = self._buffer + data if self._buffer else data
        self._serve()
        if len(self._buffer) > HEAD_BYTES_MAX and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def close(self) -> None:
        """Close the connection after what is already written."""
        if self._transport is not None:
            self._transport.close()

    def _serve(self) -> None:
        while self._transport is not None and not self._answering and not self._full:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                self._want_more()
                return
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            line, _, lines = head.partition(b"\r\n")
            if self._plain and lines == self._lines and self._serve_quickly(line):
                continue
            try:
                request = self._parse(line, lines)
            except RemoteProtocolError as error:
                self._reject(refuse(400, str(error)))
                return
            self._answer(request)

    def _want_more(self) -> None:
        if len(self._buffer) > HEAD_BYTES_MAX:
            self._reject(refuse(431, f"the head exceeds {HEAD_BYTES_MAX} bytes"))
        elif self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _serve_quickly(self, line: bytes) -> bool:
        """Send an answer that is at hand; return whether there was one."""
        wire = self._server.quick(line, self._zips) if self._server.quick else None
        if wire is None or self._transport is None:
            return False
        self._server.requests += 1
        self._server.egress_bytes += len(wire)
        self._transport.write(wire)
        return True

    def _parse(self, line: bytes, lines: bytes) -> Request:
        if lines == self._lines:
            self._plain = QUICK_NOT.isdisjoint(self._headers)
            return _request(line, self._headers)
        headers = _headers(lines)
        if len(lines) <= LINES_KEPT_BYTES_MAX:
            self._lines, self._headers, self._plain = lines, headers, False
            self._zips = "gzip" in headers.get("accept-encoding", "")
        return _request(line, headers)

    def _answer(self, request: Request) -> None:
        self._server.requests += 1
        if request.method not in SERVED:
            self._write(request, _unserved(request.method))
            return
        answer = self._server.handler(request)
        if isinstance(answer, Response):
            self._write(request, answer)
            return
        self._answering = True
        finish = answer.finish
        answer.future.add_done_callback(lambda future: self._finish(request, future, finish))

    def _finish(
        self, request: Request, future: "asyncio.Future[Any]", finish: Callable[["asyncio.Future[Any]"], Response]
    ) -> None:
        self._answering = False
        self.active_at = self._loop.time()
        if future.cancelled() or future.exception() is not None:
            self.close()
            return
        self._write(request, finish(future))
        self._serve()

    def _write(self, request: Request, response: Response) -> None:
        if self._transport is None:
            return
        _, head, body = response
        if request.method == "HEAD":
            body = b""
        stays = request.keep_alive
        self._server.egress_bytes += len(head) + len(body)
        self._transport.writelines((head, b"\r\n" if stays else b"Connection: close\r\n\r\n", body))
        if not stays:
            self._transport.close()

    def _reject(self, response: Response) -> None:
        if self._transport is not None:
            self._transport.writelines((response.head, b"Connection: close\r\n\r\n", response.body))
            self._transport.close()
