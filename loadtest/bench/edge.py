"""What a hit costs an edge, and how long 200 blocked viewers wait after their part is there.

Ours checks a playback token on every request; the peers check nothing. Each serves the same objects from the same
origin to the same keep-alive clients with one worker; legs alternate. The cost is CPU time of the server's processes as
the kernel counts it, so clients and other work do not enter. Wake-up is from the origin's write to the kernel's receipt
of each client's answer.
"""

import asyncio
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.edge_peers import Peer, free_port, installed
from loadtest.bench.result import Result, percentile, summarise
from loadtest.progress import Progress
from loadtest.users.stamps import ask_for_stamps, receive_stamped
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.domain.units import NS_PER_MS

LARGE_BYTES, SMALL_BYTES = 64 * 1024, 2 * 1024
CONNECTIONS = 40
HITS_LARGE, HITS_SMALL = 4000, 8000
BLOCKED = 200
BLOCK_S = 0.3
WAKE_UPS = 3
"""Wake-ups in a leg; every one of them counts."""
START_S_MAX = 10.0
ANSWER_S_MAX = 15.0
SECRET = b"bench-edge-secret-of-32-bytes-xx"


class Server(NamedTuple):
    """A server under test: where it is, its process, and what comes before a path."""

    name: str
    port: int
    pid: int
    prefix: str


class Leg(NamedTuple):
    """One server's turn: CPU ms for 1000 hits of each size, milliseconds to wake each blocked client, origin's hits."""

    large_ms: float
    small_ms: float
    woken_ms: list[float]
    origin_requests: int


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs.

    Raises
    ------
    ConfigError
        If no peer is installed.
    """
    peers = installed()
    if not peers:
        raise ConfigError("bench edge needs a peer: run `make setup`, or name one by LIVETABLE_ENVOY, LIVETABLE_NGINX")
    legs: dict[str, list[Leg]] = {}
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(_origin())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-edge-")))
        servers = [stack.enter_context(_ours(origin.port))]
        servers += [stack.enter_context(_theirs(peer, folder, origin.port)) for peer in peers]
        for leg in range(n):
            for server in servers:
                legs.setdefault(server.name, []).append(await _leg(server, origin, leg))
                progress.say(f"{leg + 1}/{n} {server.name}: {legs[server.name][-1].large_ms:.1f} ms CPU for 1000 hits")
    return _result(legs)


def _result(legs: dict[str, list[Leg]]) -> Result:
    ours, *others = legs
    best = min(others, key=lambda name: sorted(leg.large_ms for leg in legs[name])[len(legs[name]) // 2])
    return summarise(
        "edge",
        f"ms CPU for 1000 hits of {LARGE_BYTES // 1024} KB",
        [leg.large_ms for leg in legs[ours]],
        [leg.large_ms for leg in legs[best]],
        best,
        {name: _figures(turns) for name, turns in legs.items()},
        lower_is_better=True,
    )


def _figures(turns: Sequence[Leg]) -> dict[str, object]:
    woken = [ms for leg in turns for ms in leg.woken_ms]
    return {
        "cpu_ms_1000_hits_64k": [round(leg.large_ms, 2) for leg in turns],
        "cpu_ms_1000_hits_2k": [round(leg.small_ms, 2) for leg in turns],
        "wake_up_ms": {"p50": percentile(woken, 0.5), "p95": percentile(woken, 0.95), "max": round(max(woken), 3)},
        "blocked_clients": BLOCKED,
        "wake_ups": len(woken) // BLOCKED,
        "origin_requests_per_blocked_object": max(leg.origin_requests for leg in turns),
    }


async def _leg(server: Server, origin: "_Origin", number: int) -> Leg:
    large_ms = await asyncio.to_thread(_cost_ms, server, f"/live/1/hi/{LARGE_BYTES}.{number}.m4s", HITS_LARGE)
    small_ms = await asyncio.to_thread(_cost_ms, server, f"/live/1/hi/{SMALL_BYTES}.{number}.m4s", HITS_SMALL)
    woken: list[float] = []
    asked = 0
    for turn in range(WAKE_UPS):
        # a name of this server's own: the instant of the origin's write is kept by it
        path = f"/live/1/hi/{LARGE_BYTES}.{number}.{turn}.{server.port}.blocked.m4s"
        woken += await asyncio.to_thread(_wake_ms, server, path, origin)
        asked = max(asked, origin.asked.count(path))
    return Leg(large_ms, small_ms, woken, asked)


def _cost_ms(server: Server, path: str, hits: int) -> float:
    """Return the CPU time of 1000 hits after the object is in the cache."""
    with _clients(server, CONNECTIONS) as clients:
        _exchange(clients[:1], server.prefix + path, 3)
        before_ns = cpu_ns(server.pid)
        _exchange(clients, server.prefix + path, hits // CONNECTIONS)
        return (cpu_ns(server.pid) - before_ns) / NS_PER_MS / hits * 1000


def _wake_ms(server: Server, path: str, origin: "_Origin") -> list[float]:
    with _clients(server, BLOCKED) as clients:
        for client in clients:
            client.sendall(_request(server.prefix + path))
        arrived = _first_bytes(clients)
    written_unix_ns = origin.written_unix_ns[path]
    return [(unix_ns - written_unix_ns) / NS_PER_MS for unix_ns in arrived]


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode()


@contextmanager
def _clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    clients = [socket.create_connection(("127.0.0.1", server.port), START_S_MAX) for _ in range(count)]
    try:
        for client in clients:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(ANSWER_S_MAX)
            ask_for_stamps(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def _exchange(clients: Sequence[socket.socket], path: str, times: int) -> None:
    """Ask on every connection at once and read every answer whole, so many times."""
    request = _request(path)
    for _ in range(times):
        for client in clients:
            client.sendall(request)
        for client in clients:
            _read_answer(client)


def _read_answer(client: socket.socket) -> None:
    data = client.recv(1 << 17)
    while b"\r\n\r\n" not in data:
        data += _more(client)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise OperationalError(f"an edge answered {head[:60]!r}")
    left_bytes = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) - len(body)
    while left_bytes > 0:
        left_bytes -= len(_more(client))


def _more(client: socket.socket) -> bytes:
    data = client.recv(1 << 17)
    if not data:
        raise OperationalError("an edge closed a connection in the middle of an answer")
    return data


def _first_bytes(clients: Sequence[socket.socket]) -> list[int]:
    """Return when each client's answer reached the kernel, Unix ns."""
    arrived: list[int] = []
    by_number = {client.fileno(): client for client in clients}
    with selectors.DefaultSelector() as ready:
        for client in clients:
            ready.register(client, selectors.EVENT_READ)
        while len(arrived) < len(clients):
            found = ready.select(ANSWER_S_MAX)
            if not found:
                raise OperationalError(f"{len(clients) - len(arrived)} blocked clients got no answer")
            for key, _ in found:
                ready.unregister(key.fileobj)
                arrived.append(receive_stamped(by_number[key.fd], 1 << 16)[1])
    return arrived


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and its children, ns."""
    total = sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return total + sum(cpu_ns(int(child)) for child in children)


class _Origin:
    """Answers any path of a size; one that says so only after a while."""

    def __init__(self) -> None:
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        self.written_unix_ns: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests."""
        if (task := asyncio.current_task()) is not None:
            self.serving.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                self.asked.append(path)
                if "blocked" in path:
                    await asyncio.sleep(BLOCK_S)
                size_bytes = int(path.rpartition("/")[2].partition(".")[0])
                lines = f"HTTP/1.1 200 OK\r\nContent-Length: {size_bytes}\r\nContent-Type: video/mp4\r\n"
                self.written_unix_ns.setdefault(path, time.time_ns())
                writer.write(f"{lines}Cache-Control: max-age=3600\r\n{_date()}\r\n".encode() + bytes(size_bytes))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # a cancelled one ends the bench; asyncio's streams would print it
        finally:
            writer.close()


def _date() -> str:
    return time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime())


@asynccontextmanager
async def _origin() -> AsyncIterator[_Origin]:
    origin = _Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for task in origin.serving:
            task.cancel()
        await asyncio.gather(*origin.serving, return_exceptions=True)


@contextmanager
def _ours(origin_port: int) -> Iterator[Server]:
    command = [sys.executable, "-m", "reference_impl.stack.edge_alone", "edge-0", "127.0.0.1", str(origin_port)]
    environment = {**os.environ, "LIVETABLE_PLAYBACK_SECRET": SECRET.hex()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip().isdigit():
            raise OperationalError(f"the edge did not start: {line!r}")
        token = seal_playback(Playback(1, 1, int(time.time()) + 3600), SECRET)
        yield Server("ours", int(line), process.pid, f"/{token}")
    finally:
        _end(process)


@contextmanager
def _theirs(peer: Peer, folder: Path, origin_port: int) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(peer.command(peer.binary, folder, port, origin_port))
    try:
        _await_port(peer.name, port, process)
        yield Server(peer.name, port, process.pid, "")
    finally:
        _end(process)


def _await_port(name: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    until_s = time.monotonic() + START_S_MAX
    while time.monotonic() < until_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise OperationalError(f"{name} did not serve within {START_S_MAX} s")


def _end(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(START_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
