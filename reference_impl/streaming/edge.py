"""The edge: serves viewers from memory, and asks upstream once for an object however many wait for it.

A viewer's path is ``/<playback token>/live/<table>/…``; the token is checked on every request and is no part of the
cache key. Neither are query parameters other than delivery directives. A hit is answered within the read callback of
its connection; a miss is one task, shared by everyone who asks meanwhile. Without a playback secret an edge is a
shield: it serves other edges on ``/live/…`` and asks for no token.
"""

import asyncio
import gzip
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import NamedTuple

from reference_impl.domain.errors import LabError, RemoteProtocolError
from reference_impl.domain.playback import Playback, admits, unseal_playback
from reference_impl.precedence import Precedence
from reference_impl.streaming.cache import Body, Cache, Entry
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.directives import parse_directives
from reference_impl.streaming.fetch import Reply, Upstream
from reference_impl.streaming.http import HttpServer, Pending, Request, Response, cache_control, refuse, respond
from reference_impl.streaming.ranges import ranged
from reference_impl.streaming.steering import STEERING_MANIFEST, Pathways

FETCH_S_MAX = 10.0
"""Longer than an origin holds a request: it, not the edge, ends a wait with 503."""
TOKENS_MAX = 65_536
READY_BYTES_MAX = 32 << 20
"""Bodies that are kept a second time, behind their heads, for the rest of a second."""
GET = b"GET /"
GZIP_LEVEL = 1
PLAYLIST_SUFFIX = ".m3u8"
TIMED_EVERY = 16
"""So many answers from memory pass for each one that is timed."""
TIMED_MAX = 4_096
"""Times that wait for the next report."""


@dataclass(slots=True)
class Counters:
    """What an edge has done since its start."""

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    refused: int = 0
    upstream_errors: int = 0


class _Ready(NamedTuple):
    """An answer as it is sent to those who ask within a second, for which table, and whether it is of two encodings."""

    wire: bytes
    until_s: float
    table: int
    varies: bool
    zipped: bool


class Edge:
    """Caches and serves one upstream.

    Parameters
    ----------
    config : EdgeConfig
        Listener, upstream, bounds.
    """

    def __init__(self, config: EdgeConfig) -> None:
        self.config = config
        self.counters = Counters()
        self.cache = Cache(config.cache_bytes_max)
        self.pathways = Pathways(config.name)
        self.http = HttpServer(self.answer, config.connections_max, Precedence.VIDEO, self.quick)
        self._upstream = Upstream(config.upstream_host, config.upstream_port)
        self._flights: dict[str, asyncio.Task[Entry]] = {}
        self._tokens: dict[str, Playback] = {}
        self._date = (0, b"")
        self._took_ms: deque[float] = deque(maxlen=TIMED_MAX)
        self._heads: dict[tuple[str, bool], tuple[Entry, Response]] = {}
        self._heads_of_s = 0
        self._ready: dict[bytes, _Ready] = {}
        self._ready_bytes = 0

    @property
    def port(self) -> int:
        """The listener's port."""
        return self.http.port

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Connections, objects being fetched, requests and bytes sent."""
        return len(self.http.connections), len(self._flights), self.http.requests, self.http.egress_bytes

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; `ready` is called once the listener is up."""
        try:
            await self.http.run(self.config.host, self.config.port, ready)
        finally:
            for flight in self._flights.values():
                flight.cancel()
            self._upstream.close()

    def answer(self, request: Request) -> Response | Pending:
        """Answer an HTTP request."""
        target = self._admit(request.path)
        if isinstance(target, Response):
            self.counters.refused += 1
            return target
        if target.endswith(f"/{STEERING_MANIFEST}"):
            return self._steer(request)
        try:
            key = _key(target, request.query)
        except RemoteProtocolError as error:
            self.counters.refused += 1
            return refuse(400, str(error))
        now_s = time.monotonic()
        entry = self.cache.get(key, now_s)
        if entry is None:
            return self._join(request, key)
        self.counters.hits += 1
        hit = self._hit(request, key, entry, now_s)
        if self.counters.hits % TIMED_EVERY == 0:
            self._took_ms.append(1000 * (time.monotonic() - now_s))
        return hit

    def take_p99_ms(self) -> float:
        """Return how long answers from memory took since the last call, p99 of a sample; 0 if there was none."""
        took_ms = sorted(self._took_ms)
        self._took_ms.clear()
        return round(took_ms[int(0.99 * len(took_ms))], 3) if took_ms else 0.0

    def quick(self, line: bytes, zips: bool) -> bytes | None:  # noqa: FBT001 - as the server calls it
        """Return the whole answer to a request line that another viewer sent before in this second, or None.

        The token before ``/live/`` is the viewer's own and is checked like any other; what follows is everybody's.
        """
        before, _, rest = line.partition(b"/live/")
        ready = self._ready.get(rest)
        if ready is None or time.monotonic() >= ready.until_s or (ready.varies and zips != ready.zipped):
            return None
        playback = self._tokens.get(before[len(GET) :].decode("latin-1")) if before.startswith(GET) else None
        if playback is None or not admits(playback, ready.table, time.time()):
            return None
        self.counters.hits += 1
        return ready.wire

    def _steer(self, request: Request) -> Response:
        """Return where this viewer is to go; never refused for being asked too often, or players would give up."""
        viewer = request.path[1:].partition("/")[0]
        connections = len(self.http.connections)
        said = self.pathways.manifest(viewer, request.query, connections, time.monotonic())
        return respond(200, said, "application/json", b"Cache-Control: no-store\r\n")

    def _admit(self, path: str) -> str | Response:
        """Return the path without its token, or the refusal."""
        token, slash, rest = path[1:].partition("/")
        if not self.config.playback_secret:
            token, slash, rest = "", "/", path[1:]
        live, _, below = rest.partition("/")
        table, named, _ = below.partition("/")
        if not (slash and named and live == "live" and table.isascii() and table.isdigit()):
            return refuse(404, f"nothing at {path[-80:]!r}")
        if self.config.playback_secret and not self._good(token, int(table)):
            return refuse(403, f"no valid playback token for table {table}")
        return f"/{rest}"

    def _good(self, token: str, table: int) -> bool:
        playback = self._tokens.get(token)
        if playback is None:
            playback = unseal_playback(token, self.config.playback_secret)
            if playback is None:
                return False
            if len(self._tokens) >= TOKENS_MAX:
                self._tokens.clear()
            self._tokens[token] = playback
        return admits(playback, table, time.time())

    def _join(self, request: Request, key: str) -> Response | Pending:
        flight = self._flights.get(key)
        state = b"coalesced"
        if flight is None:
            if len(self._flights) >= self.config.fetches_max:
                self.counters.refused += 1
                return refuse(503, f"{len(self._flights)} objects are being fetched already")
            self.counters.misses += 1
            state = b"miss"
            flight = self._flights[key] = asyncio.create_task(self._fetch(key))
        else:
            self.counters.coalesced += 1
        return Pending(flight, lambda done: self._respond(request, done.result(), state))

    async def _fetch(self, key: str) -> Entry:
        """Fetch an object for everyone; failures become answers that are not kept."""
        try:
            entry = _entry(await self._upstream.get(key, FETCH_S_MAX), time.monotonic())
        except LabError as error:
            self.counters.upstream_errors += 1
            failure = refuse(502, str(error))
            return Entry(502, Body(failure.head, failure.body), None, "", 0, 0.0, 0.0)
        finally:
            del self._flights[key]
        if entry.expires_s > entry.stored_s:
            self.cache.put(key, entry)
        return entry

    def _hit(self, request: Request, key: str, entry: Entry, now_s: float) -> Response:
        """Return a cached answer; its head stays the same for a second, in which many may ask for it."""
        headers = request.headers
        if "range" in headers or "if-none-match" in headers:
            return self._respond(request, entry, b"hit")
        said = key, entry.gzipped is not None and "gzip" in headers.get("accept-encoding", "")
        second = int(now_s)
        if second != self._heads_of_s:
            self._heads.clear()
            self._ready.clear()
            self._heads_of_s, self._ready_bytes = second, 0
        known = self._heads.get(said)
        if known is None or known[0] is not entry:
            known = self._heads[said] = (entry, self._respond(request, entry, b"hit"))
        elif request.method == "GET":
            self._make_ready(request, *known)
        return known[1]

    def _make_ready(self, request: Request, entry: Entry, response: Response) -> None:
        """Keep an answer whole, as it is sent, for whoever else asks for it in this second."""
        rest = f"{request.path}?{request.query}".rstrip("?").partition("/live/")[2]
        line = f"{rest} HTTP/1.1".encode("latin-1")
        if line not in self._ready and self._ready_bytes < READY_BYTES_MAX:
            self._ready_bytes += len(response.body)
            self._ready[line] = _Ready(
                response.head + b"\r\n" + response.body,
                min(self._heads_of_s + 1.0, entry.expires_s),
                int(rest.partition("/")[0]),
                entry.gzipped is not None,
                b"Content-Encoding: gzip" in response.head,
            )

    def _respond(self, request: Request, entry: Entry, state: bytes) -> Response:
        age_s = entry.age_s + max(0, int(time.monotonic() - entry.stored_s)) if entry.stored_s else 0
        variable = b"Age: %d\r\nX-Cache: %b\r\n%b" % (age_s, state, self._date_line())
        if entry.etag and request.headers.get("if-none-match") == entry.etag:
            return respond(304, headers=variable + f"ETag: {entry.etag}\r\n".encode())
        zipped = entry.gzipped is not None and "gzip" in request.headers.get("accept-encoding", "")
        chosen = entry.gzipped if zipped and entry.gzipped else entry.plain
        return ranged(request, Response(entry.status, chosen.head + variable, chosen.body))

    def _date_line(self) -> bytes:
        now_unix_s = int(time.time())
        if self._date[0] != now_unix_s:
            self._date = (now_unix_s, f"Date: {formatdate(now_unix_s, usegmt=True)}\r\n".encode())
        return self._date[1]


def _key(target: str, query: str) -> str:
    """Return what names an object upstream: the path, and delivery directives in one order."""
    if not query or not target.endswith(PLAYLIST_SUFFIX):
        return target
    directives = parse_directives(query).canonical()
    return f"{target}?{directives}" if directives else target


def _entry(reply: Reply, now_s: float) -> Entry:
    """Return an upstream's answer as it will be served."""
    age_s = int(reply.headers.get("age", "0"))
    fresh_s = max(0, _max_age_s(reply.headers.get("cache-control", "")) - age_s)
    kind = reply.headers.get("content-type", "")
    keep = cache_control(_max_age_s(reply.headers.get("cache-control", "")))
    if reply.status != 200 or "mpegurl" not in kind:
        plain = respond(reply.status, reply.body, kind, keep)
        return Entry(reply.status, Body(plain.head, plain.body), None, "", age_s, now_s, now_s + fresh_s)
    etag = f'"{hashlib.sha256(reply.body).hexdigest()[:16]}"'
    lines = keep + f"ETag: {etag}\r\nVary: Accept-Encoding\r\n".encode()
    plain = respond(200, reply.body, kind, lines)
    zipped = respond(200, gzip.compress(reply.body, GZIP_LEVEL), kind, lines + b"Content-Encoding: gzip\r\n")
    return Entry(200, Body(plain.head, plain.body), Body(zipped.head, zipped.body), etag, age_s, now_s, now_s + fresh_s)


def _max_age_s(cache_control_value: str) -> int:
    for word in cache_control_value.split(","):
        name, _, value = word.strip().partition("=")
        if name == "max-age" and value.isdigit():
            return int(value)
    return 0
