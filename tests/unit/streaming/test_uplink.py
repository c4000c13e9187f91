import asyncio

import pytest
from picows import WSMsgType

from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming import messages
from reference_impl.streaming.messages import FramePush, PartPush, StreamInfo
from reference_impl.streaming.uplink import PARTS_QUEUED_MAX, Uplink, _Wire


class FakeTransport:
    """Keeps what was sent."""

    def __init__(self):
        self.sent = []

    def send(self, kind, data):
        assert kind is WSMsgType.BINARY
        self.sent.append(messages.decode(data))


@pytest.fixture
def uplink():
    return Uplink("ws://127.0.0.1:1/ingest", "key", StreamInfo(1, 1, MediaTiming(), ()))


def part(number):
    return PartPush(*divmod(number, 6), number % 6 == 0, 8, 0, (b"p",))


def frame(slot):
    return FramePush(slot, slot % 4 == 0, (b"f",))


def connect(uplink):
    uplink._transport, uplink._wire = FakeTransport(), _Wire(uplink)
    uplink.drain()
    return uplink._transport


def test_parts_wait_for_the_origin_and_the_oldest_are_dropped_beyond_the_bound(uplink):
    for number in range(PARTS_QUEUED_MAX + 3):
        uplink.send(part(number))
    sent = connect(uplink).sent
    assert [push.msn * 6 + push.part for push in sent] == list(range(3, PARTS_QUEUED_MAX + 3))
    assert uplink.parts_dropped == 3


def test_full_socket_holds_parts_back_and_sends_them_when_it_drains(uplink):
    transport = connect(uplink)
    uplink._wire.pause_writing()
    uplink.send(part(0))
    assert transport.sent == []
    uplink._wire.resume_writing()
    assert transport.sent == [part(0)]


def test_frames_dropped_meanwhile_resume_with_an_independent_one(uplink):
    for slot in range(2):
        uplink.send(frame(slot))
    transport = connect(uplink)
    for slot in range(2, 6):
        uplink.send(frame(slot))
    uplink._wire.pause_writing()
    uplink.send(frame(6))
    uplink._wire.resume_writing()
    for slot in range(7, 10):
        uplink.send(frame(slot))
    assert [push.slot for push in transport.sent] == [4, 5, 8, 9]
    assert uplink.frames_dropped == 6


async def test_parts_wait_on_while_the_origin_ends_before_it_has_answered():
    hung_up = asyncio.Event()

    async def hang_up(_reader, writer):
        writer.transport.abort()
        hung_up.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    uplink = Uplink(f"ws://127.0.0.1:{port}/ingest", "key", StreamInfo(1, 1, MediaTiming(), ()))
    uplink.send(part(0))
    with pytest.raises(ConnectionResetError):
        await uplink._connect()
    assert hung_up.is_set()
    assert (uplink.queued, uplink.connections, uplink.egress_bytes) == (1, 0, 0)
    server.close()
    await server.wait_closed()
