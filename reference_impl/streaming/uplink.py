"""The studio's connection to its origin: it comes back by itself, and it never makes the camera wait.

While the origin is away or slow, whole parts queue up to `PARTS_QUEUED_MAX` and the oldest are dropped beyond; frames
for interactive viewers are dropped at once, and resume with an independent one. Whatever never arrives becomes a gap.
"""

import asyncio
import logging
from collections import deque

from picows import WSError, WSListener, WSMsgType, WSTransport, ws_connect

from reference_impl.streaming import messages
from reference_impl.streaming.messages import FramePush, PartPush, StreamInfo

PARTS_QUEUED_MAX = 12
RETRY_S = 0.2
PING_S = 2.0

log = logging.getLogger(__name__)


class _Wire(WSListener):
    """The open connection; full while the socket's buffer is."""

    def __init__(self, uplink: "Uplink") -> None:
        super().__init__()
        self.full = False
        self._uplink = uplink

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._uplink.drain()


class Uplink:
    """Pushes one stream.

    Parameters
    ----------
    url : str
        The origin's ``ws://host:port/ingest``.
    ingest_key : str
        What the origin asks studios for.
    info : StreamInfo
        The first message of every connection.
    """

    def __init__(self, url: str, ingest_key: str, info: StreamInfo) -> None:
        self.parts_dropped = 0
        self.frames_dropped = 0
        self.connections = 0
        self.egress_bytes = 0
        self._url = url
        self._headers = {"Authorization": f"Bearer {ingest_key}"}
        self._info = info
        self._queue: deque[bytes] = deque()
        self._transport: WSTransport | None = None
        self._wire: _Wire | None = None
        self._lost = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._transport is not None

    @property
    def queued(self) -> int:
        """Parts that wait for the connection."""
        return len(self._queue)

    async def run(self) -> None:
        """Keep connected until cancelled."""
        said = ""
        while True:
            try:
                await self._connect()
                said = ""
            except (OSError, WSError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {error}"
                if reason != said:
                    log.warning("table %d: no origin at %s (%s)", self._info.table, self._url, reason)
                said = reason
            await asyncio.sleep(RETRY_S)

    def send(self, push: PartPush | FramePush) -> None:
        """Send now, or queue, or drop; never wait."""
        if isinstance(push, PartPush):
            self._queue.append(messages.encode(push))
            while len(self._queue) > PARTS_QUEUED_MAX:
                self._queue.popleft()
                self.parts_dropped += 1
            self.drain()
            return
        self._lost = not self._open or (self._lost and not push.key)
        if self._lost:
            self.frames_dropped += 1
        else:
            self._put(messages.encode(push))

    def drain(self) -> None:
        """Send what is queued while there is room."""
        while self._open and self._queue:
            self._put(self._queue.popleft())

    def _put(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, message)
            self.egress_bytes += len(message)

    @property
    def _open(self) -> bool:
        return self._wire is not None and not self._wire.full

    async def _connect(self) -> None:
        wire = _Wire(self)
        transport, _ = await ws_connect(
            lambda: wire,
            self._url,
            extra_headers=self._headers,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_S,
            auto_ping_reply_timeout=PING_S,
        )
        if transport.is_disconnected:  # so picows says that the origin ended before it had answered
            raise ConnectionResetError("it ended before it had answered")
        self.connections += 1
        self._transport, self._wire = transport, wire
        transport.send(WSMsgType.BINARY, messages.encode(self._info))
        self.drain()
        try:
            await transport.wait_disconnected()
        finally:
            self._transport = self._wire = None
            transport.disconnect()
