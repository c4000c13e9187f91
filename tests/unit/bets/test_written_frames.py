"""What is written to sockets is what any WebSocket client reads."""

import msgspec
import pytest

from loadtest.users.websocket import FrameDecoder, Opcode
from reference_impl.bets.frames import frame_of
from reference_impl.domain.protocol import Problem


@pytest.mark.parametrize("size", [0, 1, 90, 98, 99, 100, 124, 125, 126, 1000, 65_500, 65_536, 100_000])
def test_frames_of_every_length_are_read_as_they_were_meant(size: int) -> None:
    message = Problem("x" * size)
    (frame,) = FrameDecoder().feed(frame_of(message))
    assert frame.opcode is Opcode.TEXT
    assert msgspec.json.decode(frame.payload, type=Problem) == message


def test_frames_written_together_are_read_one_by_one() -> None:
    messages = [Problem("a" * size) for size in (3, 300, 70_000, 0)]
    frames = FrameDecoder().feed(b"".join(map(frame_of, messages)))
    assert [msgspec.json.decode(frame.payload, type=Problem) for frame in frames] == messages
