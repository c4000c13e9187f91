"""The origin: takes parts from studios, serves playlists and media with blocking reload, feeds interactive viewers.

Two listeners: HTTP for edges (``/live/<table>/master.m3u8``, ``/live/<table>/<rendition>/<file>``), and WebSocket for
studios (``/ingest``, by key) and interactive viewers (``/<playback token>/live/<table>/<rendition>``). The newest
connection of a table's studio is the one that counts; an older one is closed when it speaks.
"""

import hmac
import logging
import time
from collections.abc import Callable

import msgspec
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.playback import admits, unseal_playback
from reference_impl.precedence import BACKLOG, Precedence, listening
from reference_impl.streaming import messages
from reference_impl.streaming.config import OriginConfig
from reference_impl.streaming.http import HttpServer, Pending, Request, Response, refuse
from reference_impl.streaming.live import LiveHub, Viewer
from reference_impl.streaming.messages import FramePush, PartPush, StreamInfo
from reference_impl.streaming.sink import Sink
from reference_impl.streaming.stream import MISSING_AGE_S_MAX, Stream

RETURN_S = 3.0
"""So long after its start an origin does not say that a table is unknown: its studio may be on its way back."""

log = logging.getLogger(__name__)


class Origin:
    """Holds the streams of many tables.

    Parameters
    ----------
    config : OriginConfig
        Listeners, keys, bounds.
    sink : Sink, optional
        Takes a record of layout ``PARTS`` for each part that arrives.
    """

    def __init__(self, config: OriginConfig, sink: Sink | None = None) -> None:
        self.config = config
        self.hub = LiveHub(config.live_backlog_bytes_max)
        self.live_port = 0
        self.http = HttpServer(self.answer, config.connections_max)
        self._sink = sink
        self._started_s = time.monotonic()
        self._streams: dict[int, Stream] = {}
        self._speaker: dict[int, _Ingest] = {}
        self.studios: set[_Ingest] = set()

    @property
    def port(self) -> int:
        """The HTTP listener's port."""
        return self.http.port

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Connections of edges, studios and interactive viewers, no queue, requests, bytes sent."""
        connections = len(self.http.connections) + len(self.studios) + self.hub.viewers
        return connections, 0, self.http.requests, self.http.egress_bytes + self.hub.egress_bytes

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; `ready` is called once both listeners are up."""
        server = await ws_create_server(
            self._upgrade,
            sock=listening(self.config.host, self.config.live_port, Precedence.VIDEO),
            backlog=BACKLOG,
            max_frame_size=messages.MESSAGE_BYTES_MAX,
        )
        self.live_port = server.sockets[0].getsockname()[1]
        try:
            await self.http.run(self.config.host, self.config.port, ready)
        finally:
            server.close()
            self.hub.close()
            for studio in list(self.studios):
                studio.close()
            for stream in self._streams.values():
                stream.close()

    def answer(self, request: Request) -> Response | Pending:
        """Answer an HTTP request."""
        match request.path.split("/"):
            case ["", "live", table, file_name] if stream := self._find(table):
                return stream.master(file_name)
            case ["", "live", table, rendition, file_name] if stream := self._find(table):
                return stream.answer(rendition, file_name, request.query)
        if time.monotonic() < self._started_s + RETURN_S:
            return refuse(503, f"nothing at {request.path[:80]!r} yet")
        return refuse(404, f"nothing at {request.path[:80]!r}", MISSING_AGE_S_MAX)

    def begin(self, speaker: "_Ingest", info: StreamInfo) -> None:
        """Let a studio's connection speak for its table from now on.

        Raises
        ------
        RemoteProtocolError
            If viewers still hold a playlist with another PART-TARGET: under one address it never changes.
        """
        stream = self._streams.get(info.table)
        if stream is not None and stream.info.timing != info.timing:
            self._check_over(stream, info)
        if stream is not None and stream.continues(info):
            stream.adopt(info)
        else:
            if stream is not None:
                stream.close()
            self._streams[info.table] = Stream(info, self.config.window_segments)
        self._speaker[info.table] = speaker
        self.hub.start(info)
        log.info("table %d is on air, session %d", info.table, info.session)

    def _check_over(self, stream: Stream, info: StreamInfo) -> None:
        window_s = self.config.window_segments * stream.info.timing.segment_s
        if stream.silent_for_s(time.time()) < window_s:
            parts = f"parts of {stream.info.timing.part_s:g} s, not {info.timing.part_s:g} s"
            raise RemoteProtocolError(
                f"table {info.table} is on air with {parts}, until it is silent for {window_s:g} s"
            )

    def take(self, speaker: "_Ingest", info: StreamInfo, push: PartPush | FramePush) -> None:
        """Take a part or a frame from the table's present speaker.

        Raises
        ------
        RemoteProtocolError
            If another connection speaks for the table now, or a rendition is missing.
        """
        if self._speaker.get(info.table) is not speaker:
            raise RemoteProtocolError(f"another studio speaks for table {info.table} now")
        announced = info.pictures if isinstance(push, FramePush) else info.renditions
        if len(push.data) != len(announced):
            raise RemoteProtocolError(f"{len(push.data)} renditions pushed of {len(announced)} announced")
        if isinstance(push, FramePush):
            self.hub.publish(info, push)
        elif self._streams[info.table].publish(push):
            self._record(info.table, push)

    def _record(self, table: int, push: PartPush) -> None:
        if self._sink is not None:
            size_bytes = sum(map(len, push.data))
            self._sink.append(time.monotonic_ns(), time.time_ns(), table, push.part, push.msn,
                              push.captured_unix_ns, push.frames, size_bytes)  # fmt: skip

    def _find(self, table: str) -> Stream | None:
        return self._streams.get(int(table)) if table.isascii() and table.isdigit() else None

    def _upgrade(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        match request.path.decode("latin-1").split("/"):
            case ["", "ingest"]:
                offered = request.headers.get("Authorization", "").encode()
                if hmac.compare_digest(offered, f"Bearer {self.config.ingest_key}".encode()):
                    return _Ingest(self)
                return _refused(403)
            case ["", token, "live", table, rendition] if table.isascii() and table.isdigit():
                return self._viewer(token, int(table), rendition)
        return _refused(404)

    def _viewer(self, token: str, table: int, rendition: str) -> WSListener | WSUpgradeResponseWithListener:
        playback = unseal_playback(token, self.config.playback_secret)
        if playback is None or not admits(playback, table, time.time()):
            return _refused(403)
        if not self.hub.has((table, rendition)):
            return _refused(404)
        if self.hub.viewers >= self.config.live_viewers_max:
            return _refused(503)
        return Viewer(self.hub, (table, rendition))


class _Ingest(WSListener):
    """A studio's connection: first what the stream is, then parts and frames."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin
        self._info: StreamInfo | None = None
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._origin.studios.add(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the listener's signature
        self._transport = None
        self._origin.studios.discard(self)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.BINARY:
            try:
                self._take(frame.get_payload_as_bytes())
            except (RemoteProtocolError, msgspec.MsgspecError) as error:
                log.warning("a studio's connection is closed: %s", error)
                transport.send_close(WSCloseCode.PROTOCOL_ERROR)
                transport.disconnect()
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _take(self, payload: bytes) -> None:
        message = messages.decode(payload)
        if isinstance(message, StreamInfo):
            self._info = message
            self._origin.begin(self, message)
        elif self._info is None:
            raise RemoteProtocolError("the first message of a studio must say what the stream is")
        else:
            self._origin.take(self, self._info, message)


def _refused(status: int) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status), None)
