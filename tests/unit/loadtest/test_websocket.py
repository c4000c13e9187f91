"""Frames of the load generator's WebSocket client, and the client against a scripted server."""

import base64
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.users.stamps import ask_for_stamps, receive_stamped
from loadtest.users.websocket import (
    MESSAGE_BYTES_MAX,
    ConnectionLostError,
    FrameDecoder,
    Opcode,
    WebSocket,
    apply_mask,
    encode_frame,
)
from reference_impl.domain.errors import LocalProtocolError, RemoteProtocolError


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = (0x80 if final else 0) | opcode
    if len(payload) < 126:
        return bytes((head, len(payload))) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", head, 126, len(payload)) + payload
    return struct.pack("!BBQ", head, 127, len(payload)) + payload


def unmask(frame: bytes) -> bytes:
    """Turn a client frame into the server frame with the same contents."""
    size, start = frame[1] & 0x7F, 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:start], "big")
    mask, payload = frame[start : start + 4], frame[start + 4 :]
    assert len(payload) == size
    return server_frame(frame[0] & 0x0F, apply_mask(payload, mask))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frame_of_each_length_form_survives_encoding_and_decoding(size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    frame = encode_frame(Opcode.TEXT, payload, b"\x01\x02\x03\x04")
    assert frame[1] & 0x80, "client frames are masked"
    assert FrameDecoder().feed(unmask(frame)) == [(Opcode.TEXT, payload)]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_is_bytewise_xor_and_undoes_itself(payload: bytes, mask: bytes) -> None:
    assert apply_mask(payload, mask) == bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    assert apply_mask(apply_mask(payload, mask), mask) == payload


@given(
    st.lists(st.lists(st.binary(max_size=140), min_size=1, max_size=4), max_size=5),
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_messages_survive_any_fragments_and_read_boundaries(messages: list[list[bytes]], cuts: list[int]) -> None:
    stream = b""
    for parts in messages:
        for i, part in enumerate(parts):
            stream += server_frame(Opcode.CONTINUATION if i else Opcode.TEXT, part, final=i == len(parts) - 1)
            stream += server_frame(Opcode.PING, b"between fragments")
    decoder, seen, at, turn = FrameDecoder(), [], 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        seen += decoder.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert [frame.payload for frame in seen if frame.opcode is Opcode.TEXT] == [b"".join(parts) for parts in messages]
    assert sum(frame.opcode is Opcode.PING for frame in seen) == sum(map(len, messages))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xc1\x00", "reserved bits"),
        (b"\x81\x80\0\0\0\0", "masked"),
        (b"\x83\x00", "unknown opcode 3"),
        (b"\x80\x00", "out of order"),
        (b"\x01\x00\x01\x00", "out of order"),
        (b"\x09\x00", "control frame"),
        (b"\x89\x7e\x00\x7e" + bytes(126), "control frame of 126 bytes"),
        (b"\x82\x7f" + (MESSAGE_BYTES_MAX + 1).to_bytes(8, "big"), "limit 1048576"),
    ],
)
def test_breach_of_the_protocol_is_the_servers_fault(data: bytes, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        FrameDecoder().feed(data)


def test_too_long_control_frame_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="126 bytes, limit 125"):
        encode_frame(Opcode.PING, bytes(126), bytes(4))


def serve_once(talk: Callable[[socket.socket], None], accept: bytes | None = None) -> tuple[str, threading.Thread]:
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listener, listener.accept()[0] as peer:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += peer.recv(4096)
            key = next(line for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
            digest = hashlib.sha1(
                key.split(b": ")[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False
            ).digest()
            peer.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
                + (accept or base64.b64encode(digest))
                + b"\r\n\r\n"
            )
            talk(peer)

    thread = threading.Thread(target=run)
    thread.start()
    return f"ws://127.0.0.1:{listener.getsockname()[1]}/", thread


@pytest.fixture
def stamping_kernel() -> Iterator[None]:
    """A kernel that stamps: it begins some time after the first socket asks, and goes on while one has asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(5.0)
        ask_for_stamps(asking)
        for _ in range(500):
            asking.sendto(b"?", asking.getsockname())
            if receive_stamped(asking, 16)[1]:
                break
            time.sleep(0.01)
        yield


@pytest.mark.alone
@pytest.mark.usefixtures("stamping_kernel")
def test_client_answers_ping_reads_messages_with_a_kernel_stamp_and_sees_the_close_code() -> None:
    pongs: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        peer.sendall(server_frame(Opcode.PING, b"are you there"))
        pongs.append(peer.recv(4096))
        peer.sendall(server_frame(Opcode.TEXT, b"news") + server_frame(Opcode.CLOSE, (4409).to_bytes(2, "big")))
        peer.recv(4096)

    url, thread = serve_once(talk)
    client = WebSocket.open(url, 5.0)
    reads = [client.receive(5.0)]
    while not reads[-1].messages:
        reads.append(client.receive(5.0))
    assert reads[-1].messages == [b"news"]
    assert reads[-1].kernel_unix_ns > 1_600_000_000 * 10**9
    with pytest.raises(ConnectionLostError) as lost:
        client.receive(5.0)
    assert lost.value.code == 4409
    client.close()
    thread.join()
    assert pongs[0][:1] == b"\x8a"
    assert unmask(pongs[0]) == server_frame(Opcode.PONG, b"are you there")


def test_frame_that_comes_with_the_handshake_is_not_lost_and_silence_is_no_error() -> None:
    hold = threading.Event()
    url, thread = serve_once(lambda peer: (peer.sendall(server_frame(Opcode.TEXT, b"early")), hold.wait(5.0))[0])
    client = WebSocket.open(url, 5.0)
    assert client.receive(5.0).messages == [b"early"]
    assert client.receive(0.01).messages == []
    hold.set()
    with pytest.raises(ConnectionLostError) as lost:
        client.receive(5.0)
    assert lost.value.code == 1006
    client.close()
    thread.join()


def test_wrong_accept_key_is_refused() -> None:
    url, thread = serve_once(lambda _: None, accept=b"bm90IHJpZ2h0")
    with pytest.raises(RemoteProtocolError, match="wrong Sec-WebSocket-Accept"):
        WebSocket.open(url, 5.0)
    thread.join()
