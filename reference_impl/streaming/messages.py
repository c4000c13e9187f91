"""What a studio sends to an origin, as msgpack in WebSocket messages: what the stream is, then parts and frames."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from reference_impl.domain.hls import MediaTiming

MESSAGE_BYTES_MAX = 4 * 1024 * 1024


class RenditionInfo(Struct, frozen=True):
    """A rendition: how it is named, what a player must know of it, and its init section. Sound has no size."""

    name: str
    width: int
    height: int
    bandwidth_bps: int
    codec: str
    init: bytes
    kind: Literal["video", "sound"] = "video"


class StreamInfo(Struct, tag="stream", frozen=True):
    """The first message of a connection. ``session`` names this run of the studio. Sound comes after all video."""

    table: int
    session: int
    timing: MediaTiming
    renditions: tuple[RenditionInfo, ...]

    @property
    def pictures(self) -> tuple[RenditionInfo, ...]:
        """The renditions that show something."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "video")


class PartPush(Struct, tag="part", frozen=True):
    """A part in all renditions at once, so that their playlists never differ by more than nothing."""

    msn: int
    part: int
    independent: bool
    frames: int
    captured_unix_ns: int
    data: tuple[bytes, ...]


class FramePush(Struct, tag="frame", frozen=True):
    """One frame in all video renditions, as a fragment of its own, for interactive viewers."""

    slot: int
    key: bool
    data: tuple[bytes, ...]


IngestMessage: TypeAlias = StreamInfo | PartPush | FramePush

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(IngestMessage).decode
