"""HTTP GET for a walk: anyone's server, http or https, with the instants of an answer's first and last byte.

Requests wait for seconds on purpose, so each takes a thread and a kept connection; nothing here is measured for speed.
"""

import asyncio
import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, LifoQueue
from typing import NamedTuple
from urllib.parse import urlsplit

from reference_impl.domain.errors import ConfigError

REQUESTS_MAX = 64
BODY_BYTES_MAX = 64 * 1024 * 1024
_PIECE_BYTES = 256 * 1024


class Answer(NamedTuple):
    """An answer with its times, CLOCK_MONOTONIC ns; ``status`` 0 means none, and ``body`` says why."""

    asked_ns: int
    first_byte_ns: int
    end_ns: int
    end_unix_ns: int
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Asks any server; at most `REQUESTS_MAX` requests are under way.

    Parameters
    ----------
    timeout_s : float
        The longest silence before a request counts as unanswered.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(REQUESTS_MAX, thread_name_prefix="lint")
        self._idle: dict[tuple[str, str], LifoQueue[http.client.HTTPConnection]] = {}

    async def get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        """Return the answer to a GET; a failure is an answer with status 0."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._get, url, headers or {})

    def close(self) -> None:
        """Close the kept connections; requests under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for kept in self._idle.values():
            while not kept.empty():
                kept.get_nowait().close()

    def _get(self, url: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        kept = self._idle.setdefault((parts.scheme, parts.netloc), LifoQueue())
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        asked_ns = time.monotonic_ns()
        try:
            while True:
                try:
                    connection, fresh = kept.get_nowait(), False
                except Empty:
                    connection, fresh = _connection(parts.scheme, parts.netloc, self._timeout_s), True
                try:
                    answer = _exchange(connection, target, headers, asked_ns)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    if fresh:
                        raise
                    continue  # a kept connection may have died unnoticed
                kept.put(connection)
                return answer
        except (OSError, http.client.HTTPException) as error:
            now_ns = time.monotonic_ns()
            reason = f"{type(error).__name__}: {error}".encode()
            return Answer(asked_ns, now_ns, now_ns, time.time_ns(), 0, {}, reason)


def check_address(url: str) -> None:
    """Refuse what is no address of a web server.

    Raises
    ------
    ConfigError
        If it is not.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"'{url}' is no http:// or https:// address")


def _connection(scheme: str, netloc: str, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(netloc, timeout=timeout_s)


def _exchange(connection: http.client.HTTPConnection, target: str, headers: dict[str, str], asked_ns: int) -> Answer:
    connection.request("GET", target, headers={"Accept-Encoding": "identity", **headers})
    with connection.getresponse() as response:
        first = response.read(1)
        first_byte_ns = time.monotonic_ns()
        pieces, size_bytes = [first], len(first)
        while piece := response.read(_PIECE_BYTES):
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes > BODY_BYTES_MAX:
                connection.close()
                break
        end_ns, end_unix_ns = time.monotonic_ns(), time.time_ns()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(asked_ns, first_byte_ns, end_ns, end_unix_ns, response.status, fields, b"".join(pieces))
