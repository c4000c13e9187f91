"""GET on a kept connection, against a server that answers by script."""

import contextlib
import socket
import threading
import time

import pytest

from loadtest.clock import HostClock
from loadtest.users.fetcher import BODY_BYTES_MAX, Fetcher, TooSlowError
from reference_impl.domain.errors import LocalProtocolError, RemoteProtocolError
from reference_impl.domain.records import CacheState

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nAge: 7\r\nX-Cache: coalesced\r\n\r\nhello"


class Server:
    """Accepts one connection after the other; answers each request with the next chunks, or hangs up."""

    def __init__(self, *answers: list[bytes] | None) -> None:
        self.asked: list[bytes] = []
        self.connections = 0
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(ConnectionError):
                self.connections += 1
                self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        while True:
            request = sock.recv(65536)
            if not request:
                return
            self.asked.append(request)
            chunks = self._answers.pop(0) if self._answers else []
            if chunks is None:
                return
            for chunk in chunks:
                sock.sendall(chunk)
                time.sleep(0.02)


@pytest.fixture
def serve():
    made = []

    def start(*answers):
        server = Server(*answers)
        fetcher = Fetcher(server.url, 1.0, HostClock())
        made.extend([fetcher, server])
        return server, fetcher

    yield start
    for thing in made:
        thing.close()


def test_answers_of_one_connection_are_read_whatever_the_boundaries_of_reads(serve) -> None:
    server, fetcher = serve([OK], [OK[:20], OK[20:50], OK[50:-2], OK[-2:]])
    for _ in range(2):
        sent_ns = fetcher.send("/a?b=c")
        answer = fetcher.read(1.0)
        assert (answer.status, answer.body, answer.cache, answer.age_s) == (200, b"hello", CacheState.COALESCED, 7)
        assert sent_ns - 1_000_000 <= answer.first_byte_ns <= answer.end_ns <= time.monotonic_ns() + 1_000_000
    assert answer.end_ns - answer.first_byte_ns > 10_000_000
    assert server.connections == 1
    assert server.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


def test_errors_have_status_and_reason(serve) -> None:
    _, fetcher = serve([b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"])
    fetcher.send("/")
    answer = fetcher.read(1.0)
    assert (answer.status, answer.body, answer.cache) == (404, b"gone", CacheState.UNKNOWN)


def test_server_that_hangs_up_or_is_silent_is_an_error_of_the_connection(serve) -> None:
    _, fetcher = serve(None, [])
    fetcher.send("/")
    with pytest.raises(ConnectionError):
        fetcher.read(1.0)
    fetcher.close()
    fetcher.send("/")
    with pytest.raises(TimeoutError):
        fetcher.read(0.1)


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
        OK + b"surplus",
    ],
)
def test_answer_that_cannot_be_understood_is_refused(serve, raw) -> None:
    _, fetcher = serve([raw])
    fetcher.send("/")
    with pytest.raises(RemoteProtocolError):
        fetcher.read(1.0)


def test_other_addresses_than_http_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="ftp"):
        Fetcher("ftp://127.0.0.1/", 1.0, HostClock())


def test_answer_that_takes_too_long_is_given_up_with_what_there_is_and_the_next_one_is_whole(serve) -> None:
    slow = [b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", *[b"x" * 10] * 10]
    server, fetcher = serve(slow, [OK])
    fetcher.send("/slow")
    with pytest.raises(TooSlowError, match=r"bytes in 0\.\d\d s") as given_up:
        fetcher.read(1.0, 0.06)
    assert 10 <= len(given_up.value.answer.body) < 500
    fetcher.send("/next")
    assert fetcher.read(1.0, 0.1).body == b"hello"
    assert server.connections == 2


def test_silence_is_a_dead_connection_and_not_a_slow_answer(serve) -> None:
    _, fetcher = serve([b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"])
    fetcher.send("/")
    with pytest.raises(TimeoutError):
        fetcher.read(0.1, 5.0)
