"""Many sockets in one process that costs little: ``python -m loadtest.bench.clients``, told what to do on its input.

The first line names the sockets (:class:`Sockets`); each line after it is a :class:`BetLeg` or a :class:`PushLeg`, and
is answered by a line when its measured time begins, a line when that is over, and its figures (:class:`BetsDone`,
:class:`PushesDone`). Bets are frames of the players' protocol with a mask of zeros, so that the payload goes out as it
is; what comes back is searched for answers only. Between legs the sockets are read a few times a second, so that nobody
counts as slow: real players have processors of their own, and ours would wake up for each of thousands of messages.
"""

import gc
import random
import select
import socket
import sys
import time
from array import array
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import numpy as np
from msgspec import Struct, json

from loadtest.users.stamps import ask_for_stamps, receive_stamped
from loadtest.users.websocket import Opcode, encode_frame
from reference_impl.domain.errors import OperationalError, RemoteProtocolError
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

READ_BYTES = 64 * 1024
BURST_BETS_MAX = 64
"""Bets that are sent between two looks at what came back."""
DRAIN_S_MAX = 10.0
CONNECT_S_MAX = 10.0
TICK_S = 0.001
IDLE_READ_S = 0.2

NO_MASK = bytes(4)
_ANSWER = b'{"t":"answer","id":"'
_ID_FROM = len(_ANSWER) + 16
_STATUS_FROM = len(_ANSWER) + 32 + len(b'","status":')


class Sockets(Struct, frozen=True):
    """Where to connect: an address for each socket, and the first frame to send there (empty: none)."""

    urls: list[str]
    hellos: list[str]
    stamped: bool = False


class BetLeg(Struct, frozen=True, tag=True):
    """Bet for some time: so many outstanding over all sockets, or, if that is 0, at a rate whatever the answers do."""

    outstanding: int
    bets_per_s: float
    warm_s: float
    measure_s: float
    table: int
    round: int
    selections: int
    nonce: str


class PushLeg(Struct, frozen=True, tag=True):
    """Wait for pushes that contain a mark, on every socket, a number of times."""

    mark: str
    times: int
    wait_s_max: float


Leg: TypeAlias = BetLeg | PushLeg


class BetsDone(Struct, frozen=True):
    """What became of a leg's bets, those within the measured time; latencies count from when a bet was due."""

    accepted_per_s: float
    rejected: int
    unanswered: int
    p50_ms: float
    p99_ms: float
    late_p99_ms: float
    cpu_share: float


class PushesDone(Struct, frozen=True):
    """When each push reached the last of the sockets, and the median one: Unix ns by the kernel's stamps."""

    last_unix_ns: list[int]
    median_unix_ns: list[int]
    missing: int


class _Window(NamedTuple):
    from_ns: int
    until_ns: int


class Client:
    """One socket."""

    def __init__(self, url: str, hello: str, *, stamped: bool) -> None:
        address = urlsplit(url)
        self.rest = b""
        self.sock = socket.create_connection((address.hostname, address.port), CONNECT_S_MAX)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        path = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._more(url)
        if not head.startswith(b"HTTP/1.1 101"):
            raise OperationalError(f"{url}: {head.split(maxsplit=2)[1].decode()} instead of a WebSocket")
        if hello:
            self.sock.sendall(encode_frame(Opcode.TEXT, hello.encode(), NO_MASK))
        self.rest = head.partition(b"\r\n\r\n")[2]
        while hello and b'"t":"welcome"' not in self.rest:
            self.rest += self._more(url)
        if stamped:
            ask_for_stamps(self.sock)
        self.sock.setblocking(False)

    def _more(self, url: str) -> bytes:
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise OperationalError(f"{url}: closed during the greeting: {self.rest[-120:]!r}")
        return data

    def messages(self, data: bytes) -> list[bytes]:
        """Take what was read; return whole text messages, and answer pings."""
        buffer = self.rest + data if self.rest else data
        found: list[bytes] = []
        at, size = 0, len(buffer)
        while size - at >= 2:
            first, length, head = buffer[at], buffer[at + 1], 2
            if length >= 126:
                head = 4 if length == 126 else 10
                length = int.from_bytes(buffer[at + 2 : at + head], "big")
            if size - at < head + length:
                break
            payload = buffer[at + head : at + head + length]
            at += head + length
            if first == 0x81:
                found.append(payload)
            elif first == 0x89:
                self.sock.send(encode_frame(Opcode.PONG, payload, NO_MASK))
            elif first == 0x88:
                raise OperationalError(f"the server closed a socket: {payload[2:].decode(errors='replace')}")
        self.rest = buffer[at:]
        return found


class Swarm:
    """All sockets of the process."""

    def __init__(self, told: Sockets) -> None:
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        for url, hello in zip(told.urls, told.hellos, strict=True):
            client = Client(url, hello, stamped=told.stamped)
            self._clients[client.sock.fileno()] = client
            self._poll.register(client.sock.fileno(), select.EPOLLIN)

    def idle(self) -> str:
        """Read the sockets until the next line of input; return that line."""
        self._poll.register(0, select.EPOLLIN)
        while True:
            time.sleep(IDLE_READ_S)
            for fd, _ in self._poll.poll():
                if fd == 0:
                    self._poll.unregister(0)
                    return sys.stdin.readline()
                client = self._clients[fd]
                client.messages(self._read(client))

    def bet(self, leg: BetLeg) -> BetsDone:
        """Carry a leg out."""
        return _Betting(leg, self._poll, self._clients).run()

    def watch(self, leg: PushLeg) -> PushesDone:
        """Note when marked pushes arrive."""
        mark, due = leg.mark.encode(), leg.times * len(self._clients)
        arrived: dict[int, list[int]] = {fd: [] for fd in self._clients}
        deadline_s = time.monotonic() + leg.wait_s_max
        _say({"began": time.monotonic_ns()})
        while due and (left_s := deadline_s - time.monotonic()) > 0:
            for fd, _ in self._poll.poll(left_s):
                client = self._clients[fd]
                data, stamp_ns = receive_stamped(client.sock, READ_BYTES)
                marked = sum(mark in message for message in client.messages(data))
                arrived[fd] += [stamp_ns] * marked
                due -= marked
        _say({"ended": time.monotonic_ns()})
        whole = np.array([stamps[: leg.times] for stamps in arrived.values() if len(stamps) >= leg.times])
        columns = whole if len(whole) else np.zeros((1, leg.times), dtype=np.int64)
        return PushesDone(columns.max(axis=0).tolist(), np.median(columns, axis=0).astype(np.int64).tolist(), due)

    @staticmethod
    def _read(client: Client) -> bytes:
        data = client.sock.recv(READ_BYTES)
        if not data:
            raise OperationalError("the server closed a socket without a word")
        return data


class _Betting:
    """One leg of bets: what was sent, when it was due, and what was answered."""

    def __init__(self, leg: BetLeg, poll: select.epoll, clients: dict[int, Client]) -> None:
        self._leg = leg
        self._poll = poll
        self._clients = clients
        self._order = list(clients.values())
        self._draw = random.Random(leg.nonce)
        self._due_ns, self._sent_ns = array("q"), array("q")
        self._answered_ns, self._status = array("q"), array("q")
        start = f'{{"t":"bet","id":"{leg.nonce}'.encode()
        end = f'","table":{leg.table},"round":{leg.round},"window":0,'.encode()
        self._head = start + b"%016x" + end + b'"selection":%d,"amount_minor":%d}'
        self._next_ns = 0

    def run(self) -> BetsDone:
        """Warm up, measure, wait for the last answers."""
        leg = self._leg
        started_ns = time.monotonic_ns()
        from_ns = started_ns + round(leg.warm_s * NS_PER_S)
        window = _Window(from_ns, from_ns + round(leg.measure_s * NS_PER_S))
        self._next_ns = started_ns
        for _ in range(leg.outstanding):
            self._send(time.monotonic_ns())
        self._until(window.from_ns)
        _say({"began": time.monotonic_ns()})
        cpu_ns = time.process_time_ns()
        self._until(window.until_ns)
        cpu_ns = time.process_time_ns() - cpu_ns
        _say({"ended": time.monotonic_ns()})
        self._drain()
        return self._done(window, cpu_ns)

    def _until(self, at_ns: int) -> None:
        closed = self._leg.outstanding > 0
        while (now_ns := time.monotonic_ns()) < at_ns:
            wait_s = TICK_S if closed else self._offer(now_ns)
            for fd, _ in self._poll.poll(wait_s):
                answered = self._take(fd)
                for _ in range(answered if closed else 0):
                    self._send(time.monotonic_ns())

    def _offer(self, now_ns: int) -> float:
        gap_ns = NS_PER_S / self._leg.bets_per_s
        for _ in range(BURST_BETS_MAX):
            if self._next_ns > now_ns:
                return TICK_S
            self._send(self._next_ns)
            self._next_ns += round(self._draw.expovariate(1.0) * gap_ns)
        return 0.0

    def _drain(self) -> None:
        deadline_ns = time.monotonic_ns() + round(DRAIN_S_MAX * NS_PER_S)
        while self._answered_ns.count(0) and time.monotonic_ns() < deadline_ns:
            for fd, _ in self._poll.poll(TICK_S):
                self._take(fd)

    def _send(self, due_ns: int) -> None:
        draw = self._draw.random()
        place = int(draw * self._leg.selections)
        payload = self._head % (len(self._due_ns), place, 100 + 50 * (place & 3))
        frame = _text(payload)
        self._due_ns.append(due_ns)
        self._sent_ns.append(time.monotonic_ns())
        self._answered_ns.append(0)
        self._status.append(0)
        if self._order[int(self._draw.random() * len(self._order))].sock.send(frame) != len(frame):
            raise OperationalError("a socket took only part of a bet: the server does not read")

    def _take(self, fd: int) -> int:
        client = self._clients[fd]
        found = client.messages(client.sock.recv(READ_BYTES))
        now_ns, answered = time.monotonic_ns(), 0
        for message in found:
            if not message.startswith(_ANSWER):
                continue
            number = int(message[_ID_FROM : _ID_FROM + 16], 16)
            if self._answered_ns[number]:
                raise RemoteProtocolError(f"bet {number} was answered twice")
            self._answered_ns[number] = now_ns
            self._status[number] = int(message[_STATUS_FROM : message.index(b",", _STATUS_FROM)])
            answered += 1
        return answered

    def _done(self, window: _Window, cpu_ns: int) -> BetsDone:
        due, sent = np.array(self._due_ns), np.array(self._sent_ns)
        answered, status = np.array(self._answered_ns), np.array(self._status)
        within = (answered >= window.from_ns) & (answered < window.until_ns)
        asked = (due >= window.from_ns) & (due < window.until_ns)
        known = asked & (answered > 0)
        latency_ms = (answered[known] - due[known]) / NS_PER_MS
        seconds = (window.until_ns - window.from_ns) / NS_PER_S
        return BetsDone(
            accepted_per_s=float((status[within] == 1).sum() / seconds),
            rejected=int((status[known] != 1).sum()),
            unanswered=int((answered == 0).sum()),
            p50_ms=float(np.percentile(latency_ms, 50)),
            p99_ms=float(np.percentile(latency_ms, 99)),
            late_p99_ms=float(np.percentile((sent - due)[asked], 99) / NS_PER_MS),
            cpu_share=cpu_ns / (window.until_ns - window.from_ns),
        )


def _text(payload: bytes) -> bytes:
    """Return a text frame whose mask changes nothing; :func:`encode_frame` would take longer to find that out."""
    size = len(payload)
    head = b"\x81%c" % (0x80 | size) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + NO_MASK + payload


def _say(what: object) -> None:
    sys.stdout.buffer.write(json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Connect, then do what the input says until it ends."""
    try:
        swarm = Swarm(json.decode(sys.stdin.readline(), type=Sockets))
        _say({"connected": True})
        gc.collect()
        gc.disable()
        while line := swarm.idle():
            leg = json.decode(line, type=Leg)
            _say(swarm.bet(leg) if isinstance(leg, BetLeg) else swarm.watch(leg))
    except (OSError, OperationalError, RemoteProtocolError) as error:
        _say({"failed": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
