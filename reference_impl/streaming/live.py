"""The interactive tier: fragments of one frame each over a WebSocket, straight into a player's MediaSource.

A viewer gets a text message that describes the rendition, the init section, and then fragments, from an independent
frame on. A viewer that cannot keep up misses frames, never gets them late: once its socket is full it is sent nothing
until the socket has drained and an independent frame comes.
"""

import socket
from collections import defaultdict
from typing import TypeAlias

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from reference_impl.streaming.messages import FramePush, StreamInfo

SEND_BUFFER_BYTES = 128 * 1024
"""The kernel's share of a viewer's backlog: without a bound it would hide seconds of video."""

Channel: TypeAlias = tuple[int, str]


class Opening(msgspec.Struct, tag="stream", tag_field="t", frozen=True):
    """The text message before an init section."""

    table: int
    rendition: str
    codec: str
    width: int
    height: int
    fps: int


class Viewer(WSListener):
    """One interactive viewer of one channel."""

    def __init__(self, hub: "LiveHub", channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self.frames_missed = 0
        self._hub = hub
        self._transport: WSTransport | None = None
        self._full = False
        self._lost = True

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Join the channel; what it is comes at once, frames from the next independent one."""
        self._transport = transport
        carrier = transport.underlying_transport
        carrier.set_write_buffer_limits(high=self._hub.backlog_bytes_max)
        carrier.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._hub.join(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Viewers have nothing to say; a close is answered."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the listener's signature
        """Leave the channel."""
        self._transport = None
        self._hub.leave(self)

    def pause_writing(self) -> None:
        """Stop sending: the backlog has reached its bound."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on from the next independent frame."""
        self._full = False

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.disconnect()

    def open(self, text: bytes, init: bytes) -> None:
        """Send what the channel is; frames of before mean nothing to the new init section."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, text)
            self._transport.send(WSMsgType.BINARY, init)
            self._lost = True

    def show(self, data: bytes, *, key: bool) -> None:
        """Send a frame, if it can be decoded and there is room."""
        self._lost = self._full or (self._lost and not key)
        if self._lost:
            self.frames_missed += 1
        elif self._transport is not None:
            self._transport.send(WSMsgType.BINARY, data)


class LiveHub:
    """All interactive viewers of an origin, by channel.

    Parameters
    ----------
    backlog_bytes_max : int
        Unsent bytes at which a viewer begins to miss frames.
    """

    def __init__(self, backlog_bytes_max: int) -> None:
        self.backlog_bytes_max = backlog_bytes_max
        self.viewers = 0
        self.egress_bytes = 0
        self._channels: dict[Channel, set[Viewer]] = defaultdict(set)
        self._openings: dict[Channel, tuple[bytes, bytes]] = {}

    def has(self, channel: Channel) -> bool:
        """Tell whether there is such a channel."""
        return channel in self._openings

    def start(self, info: StreamInfo) -> None:
        """Open or change a table's channels."""
        for rendition in info.pictures:
            channel = (info.table, rendition.name)
            opening = Opening(
                info.table, rendition.name, rendition.codec, rendition.width, rendition.height, info.timing.fps
            )
            self._openings[channel] = (msgspec.json.encode(opening), rendition.init)
            for viewer in self._channels[channel]:
                viewer.open(*self._openings[channel])

    def publish(self, info: StreamInfo, push: FramePush) -> None:
        """Send a frame to the table's viewers."""
        for rendition, data in zip(info.pictures, push.data, strict=True):
            for viewer in self._channels[info.table, rendition.name]:
                viewer.show(data, key=push.key)
            self.egress_bytes += len(data) * len(self._channels[info.table, rendition.name])

    def join(self, viewer: Viewer) -> None:
        """Add a viewer to its channel."""
        self.viewers += 1
        self._channels[viewer.channel].add(viewer)
        viewer.open(*self._openings[viewer.channel])

    def close(self) -> None:
        """End every viewer's connection."""
        for viewers in self._channels.values():
            for viewer in list(viewers):
                viewer.close()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self.viewers -= 1
        self._channels[viewer.channel].discard(viewer)
