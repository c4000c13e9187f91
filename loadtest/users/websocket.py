"""A WebSocket client on plain sockets: the cheapest one that a Locust process can run hundreds of.

:class:`FrameDecoder` and :func:`encode_frame` know the frames of RFC 6455 and no socket. :class:`WebSocket` adds the
socket: blocking calls, which gevent turns into waits of one greenlet. Extensions are never offered, so none is in use.

Each read carries the kernel's arrival stamp: with thousands of sockets in one process the application's own stamp
says more about the process than about the system under test. A read that returns several frames bears the stamp of
its last segment.
"""

import base64
import contextlib
import hashlib
import os
import select
import socket
import struct
from _socket import socket as KernelSocket  # noqa: N812 - the public name is gevent's once gevent has patched it
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from loadtest.users.stamps import ask_for_stamps, receive_stamped
from reference_impl.domain.errors import LocalProtocolError, RemoteProtocolError

MESSAGE_BYTES_MAX = 1 << 20
HEAD_BYTES_MAX = 16 * 1024
UNSENT_BYTES_MAX = 64 * 1024
"""What a server that does not read may leave with us; beyond that the connection counts as lost."""

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_READ_BYTES = 64 * 1024
_CONTROL_BYTES_MAX = 125


class Opcode(IntEnum):
    """Frame types of RFC 6455, section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_WHOLE = frozenset(0x80 | opcode for opcode in (Opcode.TEXT, Opcode.BINARY))


class Frame(NamedTuple):
    """A whole message, or a control frame."""

    opcode: Opcode
    payload: bytes

    @property
    def close_code(self) -> int:
        """The code of a close frame; 1005 if it carries none (RFC 6455, section 7.1.5)."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else 1005


def _whole_message(data: bytes) -> bytes | None:
    """Return the message if the bytes are exactly one short, unfragmented frame, which most reads bring."""
    size = len(data)
    if size < 2 or data[0] not in _WHOLE:
        return None
    if data[1] == size - 2 < 126:
        return data[2:]
    if data[1] == 126 and size >= 4 and data[2] << 8 | data[3] == size - 4:
        return data[4:]
    return None


def encode_frame(opcode: Opcode, payload: bytes, mask: bytes) -> bytes:
    """Return one final, masked client frame.

    Parameters
    ----------
    opcode : Opcode
        What it is.
    payload : bytes
        Its contents; at most 125 bytes in a control frame.
    mask : bytes
        Four bytes.

    Raises
    ------
    LocalProtocolError
        If a control frame is too long.
    """
    size = len(payload)
    if opcode >= Opcode.CLOSE and size > _CONTROL_BYTES_MAX:
        raise LocalProtocolError(f"control frame of {size} bytes, limit {_CONTROL_BYTES_MAX}")
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Return the payload with the four-byte mask applied; applying it twice gives the payload back."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


class FrameDecoder:
    """Turns a server's byte stream into messages, whatever the boundaries of its reads and fragments."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts = bytearray()
        self._opcode: Opcode | None = None

    @property
    def between_messages(self) -> bool:
        """Whether the next byte begins a message."""
        return not self._buffer and self._opcode is None

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the messages and control frames that they complete.

        Raises
        ------
        RemoteProtocolError
            If the server masks, uses reserved bits or opcodes, breaks the order of fragments, or exceeds
            :data:`MESSAGE_BYTES_MAX`.
        """
        self._buffer += data
        frames = []
        while (raw := self._next_frame()) is not None:
            frame = self._assemble(*raw)
            if frame is not None:
                frames.append(frame)
        return frames

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70:
            raise RemoteProtocolError(f"reserved bits in frame head {buffer[0]:#04x}")
        if buffer[1] & 0x80:
            raise RemoteProtocolError("a server's frame is masked")
        size, start = buffer[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if size > MESSAGE_BYTES_MAX:
            raise RemoteProtocolError(f"frame of {size} bytes, limit {MESSAGE_BYTES_MAX}")
        if len(buffer) < start + size:
            return None
        payload = bytes(buffer[start : start + size])
        final, opcode = bool(buffer[0] & 0x80), buffer[0] & 0x0F
        del buffer[: start + size]
        return final, opcode, payload

    def _assemble(self, final: bool, code: int, payload: bytes) -> Frame | None:  # noqa: FBT001 - a bit of the frame
        try:
            opcode = Opcode(code)
        except ValueError:
            raise RemoteProtocolError(f"unknown opcode {code}") from None
        if opcode >= Opcode.CLOSE:
            if not final or len(payload) > _CONTROL_BYTES_MAX:
                raise RemoteProtocolError(f"control frame of {len(payload)} bytes, final {final}")
            return Frame(opcode, payload)
        if (opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise RemoteProtocolError(f"{opcode.name} frame out of order")
        if opcode is not Opcode.CONTINUATION:
            self._opcode = opcode
        self._parts += payload
        if len(self._parts) > MESSAGE_BYTES_MAX:
            raise RemoteProtocolError(f"message of {len(self._parts)} bytes, limit {MESSAGE_BYTES_MAX}")
        if not final or self._opcode is None:
            return None
        message = Frame(self._opcode, bytes(self._parts))
        self._parts.clear()
        self._opcode = None
        return message


class Read(NamedTuple):
    """What one read brought, and when the kernel had it (CLOCK_REALTIME ns, 0 if not stamped)."""

    messages: list[bytes]
    kernel_unix_ns: int


class ConnectionLostError(ConnectionError):
    """The connection is over; ``code`` is the server's close code, or 1006 if it said none."""

    def __init__(self, code: int) -> None:
        super().__init__(f"connection ended with code {code}")
        self.code = code


class WebSocket:
    """An open client connection. The mask is drawn once per connection.

    Parameters
    ----------
    sock : KernelSocket
        A connected TCP socket after the handshake, not blocking. It is the kernel's plain one: a patched socket would
        look for a loop with each call.
    surplus : bytes
        What was read beyond the handshake.
    """

    def __init__(self, sock: KernelSocket, surplus: bytes = b"") -> None:
        self._sock = sock
        self._mask = os.urandom(4)
        self._decoder = FrameDecoder()
        self._surplus = surplus
        self._unsent = bytearray()
        self._end_code: int | None = None

    @classmethod
    def open(cls, url: str, timeout_s: float) -> "WebSocket":
        """Connect and shake hands.

        Raises
        ------
        OSError
            If the server cannot be reached in time.
        RemoteProtocolError
            If it does not accept the upgrade.
        """
        parts = urlsplit(url)
        if parts.scheme != "ws" or parts.hostname is None:
            raise LocalProtocolError(f"'{url}' is no ws:// address")
        sock = socket.create_connection((parts.hostname, parts.port or 80), timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask_for_stamps(sock)
            surplus = _shake_hands(sock, parts.netloc, parts.path or "/")
        except BaseException:
            sock.close()
            raise
        plain = KernelSocket(fileno=sock.detach())
        plain.setblocking(False)
        return cls(plain, surplus)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def send_text(self, payload: bytes) -> None:
        """Send a text message; raise ConnectionLostError if the connection is over."""
        self._send(Opcode.TEXT, payload)

    def receive(self, timeout_s: float) -> Read:
        """Return the messages that the next bytes complete; none if nothing comes in time.

        Raises
        ------
        ConnectionLostError
            If the connection is over. Messages that came with its end are not lost: the next call raises.
        RemoteProtocolError
            If the server breaks the protocol.
        """
        if self._end_code is not None:
            raise ConnectionLostError(self._end_code)
        if self._unsent:
            del self._unsent[: self._hand_over(self._unsent)]
        if self._surplus:
            data, self._surplus, stamp = self._surplus, b"", 0
        else:
            try:
                data, stamp = receive_stamped(self._sock, _READ_BYTES)
            except BlockingIOError:
                if timeout_s > 0 and self._readable_within(timeout_s):
                    return self.receive(0.0)
                return Read([], 0)
            except OSError:
                raise ConnectionLostError(1006) from None
            if not data:
                raise ConnectionLostError(1006)
        if self._decoder.between_messages and (message := _whole_message(data)) is not None:
            return Read([message], stamp)
        return Read(self._messages(self._decoder.feed(data)), stamp)

    def _readable_within(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def close(self, code: int = 1000) -> None:
        """Say goodbye, without waiting for the reply, and close the socket."""
        with contextlib.suppress(OSError):
            self._send(Opcode.CLOSE, code.to_bytes(2, "big"))
        self._sock.close()

    def _messages(self, frames: list[Frame]) -> list[bytes]:
        messages = []
        for frame in frames:
            if frame.opcode is Opcode.CLOSE:
                self._end_code = frame.close_code
                break
            if frame.opcode is Opcode.PING:
                self._send(Opcode.PONG, frame.payload)
            elif frame.opcode is not Opcode.PONG:
                messages.append(frame.payload)
        if self._end_code is not None and not messages:
            raise ConnectionLostError(self._end_code)
        return messages

    def _send(self, opcode: Opcode, payload: bytes) -> None:
        frame = encode_frame(opcode, payload, self._mask)
        sent = 0 if self._unsent else self._hand_over(frame)
        if sent < len(frame):
            self._unsent += frame[sent:]
            if len(self._unsent) > UNSENT_BYTES_MAX:
                raise ConnectionLostError(1006)

    def _hand_over(self, data: bytes | bytearray) -> int:
        """Return how many bytes the kernel takes now; a server that does not read makes nobody wait."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            raise ConnectionLostError(1006) from None


def _shake_hands(sock: socket.socket, host: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    sock.sendall(request.encode())
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > HEAD_BYTES_MAX:
            raise RemoteProtocolError(f"handshake reply longer than {HEAD_BYTES_MAX} bytes")
        chunk = sock.recv(_READ_BYTES)
        if not chunk:
            raise ConnectionLostError(1006)
        data += chunk
    head, _, surplus = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not lines[0].startswith(b"HTTP/1.1 101"):
        raise RemoteProtocolError(f"upgrade refused: {lines[0][:80].decode(errors='replace')}")
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest())
    headers = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
    if headers.get(b"sec-websocket-accept", b"").strip() != accept.lower():
        raise RemoteProtocolError("upgrade accepted with a wrong Sec-WebSocket-Accept")
    return surplus
