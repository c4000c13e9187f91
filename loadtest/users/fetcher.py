"""HTTP GET on plain sockets, kept alive: the cheapest client that a Locust process can run hundreds of.

Sending and reading are apart, so that a viewer has a playlist and a part outstanding at the same time on two
connections and needs one greenlet for both. Arrivals bear the kernel's stamp: hundreds of viewers wake with the same
part, and the wait for their turn in this process says nothing about the edge. Only what an edge answers is understood:
a status line, headers with Content-Length, a body.
"""

import contextlib
import math
import re
import socket
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from loadtest.clock import HostClock
from loadtest.users.stamps import ask_for_stamps, receive_stamped
from reference_impl.domain.errors import LocalProtocolError, RemoteProtocolError
from reference_impl.domain.records import CacheState
from reference_impl.domain.units import NS_PER_S

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024

_READ_BYTES = 256 * 1024
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CACHE = re.compile(rb"\r\nx-cache: *(\w+)", re.IGNORECASE)
_AGE = re.compile(rb"\r\nage: *(\d{1,9})\r", re.IGNORECASE)
_STATES = {b"hit": CacheState.HIT, b"miss": CacheState.MISS, b"coalesced": CacheState.COALESCED}


class Answer(NamedTuple):
    """An answer, when its first and last bytes arrived, CLOCK_MONOTONIC ns, and how long caches had kept it, s."""

    status: int
    cache: CacheState
    body: bytes
    first_byte_ns: int
    end_ns: int
    age_s: int = 0


class TooSlowError(Exception):
    """An answer was given up in the middle.

    Parameters
    ----------
    answer : Answer
        What there was of it.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{len(answer.body)} bytes in {seconds_between(answer.first_byte_ns, answer.end_ns):.2f} s")
        self.answer = answer


class Fetcher:
    """One connection to one server, opened with the first request.

    Parameters
    ----------
    base_url : str
        The server's ``http://`` address.
    timeout_s : float
        The longest wait for connecting and sending.
    clock : HostClock
        Converts kernel stamps.
    """

    def __init__(self, base_url: str, timeout_s: float, clock: HostClock) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise LocalProtocolError(f"'{base_url}' is no http:// address")
        self._address = (parts.hostname, parts.port or 80)
        self._host = parts.netloc
        self._timeout_s = timeout_s
        self._clock = clock
        self._arrived_ns = 0
        self._socket: socket.socket | None = None

    def send(self, path: str) -> int:
        """Ask for a path; return when, CLOCK_MONOTONIC ns.

        Raises
        ------
        OSError
            If the server cannot be reached, or the connection is broken.
        """
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask_for_stamps(self._socket)
        now_ns = time.monotonic_ns()
        self._socket.settimeout(self._timeout_s)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        return now_ns

    def read(self, timeout_s: float, patience_s: float = math.inf) -> Answer:
        """Return the answer to the last request.

        Parameters
        ----------
        timeout_s : float
            The longest silence before the connection counts as dead.
        patience_s : float
            How long the answer may take from its first byte on.

        Raises
        ------
        OSError
            If the connection breaks or stays silent for too long.
        RemoteProtocolError
            If the answer cannot be understood.
        TooSlowError
            If it takes too long; the connection is closed then.
        """
        if self._socket is None:
            raise ConnectionError("nothing was asked")
        self._socket.settimeout(timeout_s)
        data = self._receive()
        first_byte_ns = self._arrived_ns
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_BYTES_MAX:
                raise RemoteProtocolError(f"answer's head is longer than {HEAD_BYTES_MAX} bytes")
            data += self._receive()
        status, length_bytes, cache, age_s = _read_head(data[: end + 2])
        chunks, missing_bytes = [data[end + 4 :]], length_bytes - (len(data) - end - 4)
        while missing_bytes > 0:
            left_s = patience_s - (time.monotonic_ns() - first_byte_ns) / NS_PER_S
            if left_s <= 0.0 or (more := self._receive_within(min(left_s, timeout_s), timeout_s)) is None:
                self.close()
                raise TooSlowError(Answer(status, cache, b"".join(chunks), first_byte_ns, time.monotonic_ns()))
            chunks.append(more)
            missing_bytes -= len(more)
        if missing_bytes < 0:
            raise RemoteProtocolError(f"{-missing_bytes} bytes after the answer's end")
        return Answer(status, cache, b"".join(chunks), first_byte_ns, self._arrived_ns, age_s)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _receive_within(self, wait_s: float, timeout_s: float) -> bytes | None:
        """Return what comes next, or None if nothing comes within less than the longest silence."""
        if self._socket is not None:
            self._socket.settimeout(wait_s)
        try:
            return self._receive()
        except TimeoutError:
            if wait_s < timeout_s:
                return None
            raise

    def _receive(self) -> bytes:
        if self._socket is None:
            raise ConnectionError("the connection is closed")
        data, unix_ns = receive_stamped(self._socket, _READ_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._arrived_ns = self._clock.to_monotonic(unix_ns) or time.monotonic_ns()
        return data


def seconds_between(start_ns: int, end_ns: int) -> float:
    """Return how long a transfer took, at least a microsecond: what came in one read took next to no time."""
    return max(end_ns - start_ns, 1000) / NS_PER_S


def _read_head(head: bytes) -> tuple[int, int, CacheState, int]:
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if status is None or length is None:
        raise RemoteProtocolError(f"answer's head {head[:80]!r} has no status or no Content-Length")
    length_bytes = int(length[1])
    if length_bytes > BODY_BYTES_MAX:
        raise RemoteProtocolError(f"answer of {length_bytes} bytes, limit {BODY_BYTES_MAX}")
    state, age = _CACHE.search(head), _AGE.search(head)
    cache = _STATES.get(state[1].lower() if state else b"", CacheState.UNKNOWN)
    return int(status[1]), length_bytes, cache, int(age[1]) if age else 0
