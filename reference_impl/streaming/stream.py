"""One table's stream in an origin: its timeline, its bytes, and the requests that wait for the next part.

Every wait is one shared future per wish, however many ask; a published part wakes those that it satisfies, and a timer
ends the others with 503, since an unchanged playlist would upset players.
"""

import asyncio
import hashlib
import math
import re
from collections.abc import Callable

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls import Verdict, blocking_verdict, playlist_age_s_max
from reference_impl.streaming.directives import Directives, parse_directives
from reference_impl.streaming.http import Pending, Response, cache_control, refuse, respond
from reference_impl.streaming.messages import PartPush, StreamInfo
from reference_impl.streaming.playlist import MASTER_PLAYLIST, MEDIA_PLAYLIST, Timeline, render_master, render_media

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MEDIA_TYPE = "video/mp4"
MEDIA_AGE_S_MAX = 3600
MISSING_AGE_S_MAX = 1
INITS_MAX = 16

_MEDIA_NAME = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?\.m4s")


class Stream:
    """A stream as an origin holds it.

    Parameters
    ----------
    info : StreamInfo
        What the studio says that the stream is.
    window_segments : int
        Segments in a playlist; bytes are kept twice as long.
    """

    def __init__(self, info: StreamInfo, window_segments: int) -> None:
        self.info = info
        self.timeline = Timeline(info.timing, window_segments)
        self._kept_segments = 2 * window_segments
        self._names = [rendition.name for rendition in info.renditions]
        self._parts: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._inits: dict[str, bytes] = {}
        self._init_names: tuple[str, ...] = ()
        self._rendered: dict[tuple[int, bool, bool], Response] = {}
        self._waits: dict[tuple[int, Directives | str], _Wait] = {}
        self.adopt(info)

    def continues(self, info: StreamInfo) -> bool:
        """Tell whether another run of the studio can go on in this timeline."""
        same_names = [rendition.name for rendition in info.renditions] == self._names
        return same_names and info.timing == self.info.timing

    def adopt(self, info: StreamInfo) -> None:
        """Take over from a studio that began again; a changed init section gets a new name."""
        self.info = info
        self._init_names = tuple(_init_name(rendition.init) for rendition in info.renditions)
        for name, rendition in zip(self._init_names, info.renditions, strict=True):
            self._inits[name] = rendition.init
        while len(self._inits) > INITS_MAX:
            del self._inits[next(iter(self._inits))]

    def publish(self, push: PartPush) -> bool:
        """Add a part and wake those who wait; False if it came too late to count."""
        if not self.timeline.add(
            push.msn, push.part, self.info.session, self._init_names, independent=push.independent
        ):
            return False
        self._parts[push.msn, push.part] = push.data
        for old in [where for where in self._parts if where[0] < push.msn - self._kept_segments]:
            del self._parts[old]
        self._rendered.clear()
        for key, wait in list(self._waits.items()):
            self._try(key, wait)
        return True

    def silent_for_s(self, now_unix_s: float) -> float:
        """Return how long ago the newest part was over; infinite before the first."""
        newest = self.timeline.newest
        if newest is None:
            return math.inf
        timing = self.info.timing
        over_slot = timing.first_slot(newest[0]) + (newest[1] + 1) * timing.part_frames
        return now_unix_s - over_slot / timing.fps

    def close(self) -> None:
        """End every wait: the stream is gone."""
        for key in list(self._waits):
            self._end(key, refuse(503, "the stream began anew"))

    def answer(self, rendition_name: str, file_name: str, query: str) -> Response | Pending:
        """Return the answer to a request for a file of a rendition."""
        if rendition_name not in self._names:
            return _missing(f"no rendition {rendition_name!r}")
        rendition = self._names.index(rendition_name)
        if file_name == MEDIA_PLAYLIST:
            return self._playlist(rendition, query)
        if file_name in self._inits:
            return respond(200, self._inits[file_name], MEDIA_TYPE, cache_control(MEDIA_AGE_S_MAX))
        named = _MEDIA_NAME.fullmatch(file_name)
        if not named:
            return _missing(f"no file {file_name!r}")
        if named[2] is None:
            return self._segment(rendition, int(named[1]))
        return self._part(rendition, int(named[1]), int(named[2]))

    def master(self, file_name: str) -> Response:
        """Return the multivariant playlist."""
        if file_name != MASTER_PLAYLIST:
            return _missing(f"no file {file_name!r}")
        text = render_master(self.info.renditions, self.info.timing.fps)
        return respond(200, text.encode(), PLAYLIST_TYPE, cache_control(self.info.timing.target_duration_s))

    def _playlist(self, rendition: int, query: str) -> Response | Pending:
        try:
            wish = parse_directives(query)
        except RemoteProtocolError as error:
            duration_s = self.info.timing.target_duration_s
            return refuse(400, str(error), playlist_age_s_max(duration_s, blocking=True, ok=False))
        verdict = self._verdict(wish)
        if verdict is Verdict.TOO_FAR:
            reason = f"segment {wish.msn} part {wish.part} is too far ahead of {self.timeline.newest}"
            return refuse(400, reason)  # kept by a cache, it would meet those who ask in time
        if verdict is Verdict.READY:
            newest = self.timeline.newest
            # who asks for what is long there gets the current playlist, which grows old like any plain one
            lasting = wish.blocking and newest is not None and wish.msn >= newest[0] - 1
            return self._render(rendition, wish, lasting=lasting)
        return self._wait((rendition, wish), lambda: self._playlist_if_ready(rendition, wish))

    def _verdict(self, wish: Directives) -> Verdict:
        newest = self.timeline.newest
        if newest is None:
            return Verdict.WAIT
        if not wish.blocking:
            return Verdict.READY
        timing = self.info.timing
        return blocking_verdict(*newest, wish.msn, wish.part, timing.parts_per_segment, timing.part_s)

    def _playlist_if_ready(self, rendition: int, wish: Directives) -> Response | None:
        ready = self._verdict(wish) is Verdict.READY
        return self._render(rendition, wish, lasting=wish.blocking) if ready else None

    def _render(self, rendition: int, wish: Directives, *, lasting: bool) -> Response:
        key = (rendition, wish.skip, lasting)
        if key not in self._rendered:
            sound = self.info.renditions[rendition].kind == "sound"
            text = render_media(self.timeline, self._names, rendition, skip=wish.skip, sound=sound)
            age_s = playlist_age_s_max(self.info.timing.target_duration_s, blocking=lasting, ok=True)
            self._rendered[key] = respond(200, text.encode(), PLAYLIST_TYPE, cache_control(age_s))
        return self._rendered[key]

    def _segment(self, rendition: int, msn: int) -> Response:
        parts = [self._parts.get((msn, part)) for part in range(self.info.timing.parts_per_segment)]
        whole = [part[rendition] for part in parts if part is not None]
        if len(whole) < len(parts):
            return self._absent((msn, len(parts) - 1), f"segment {msn} is not here, or not whole")
        return _media(b"".join(whole))

    def _part(self, rendition: int, msn: int, part: int) -> Response | Pending:
        data = self._parts.get((msn, part))
        if data is not None:
            return _media(data[rendition])
        if (msn, part) != self.timeline.hinted:
            return self._absent((msn, part), f"part {msn}.{part} is not here and not the next one")
        return self._wait((rendition, f"{msn}.{part}"), lambda: self._part_if_decided(rendition, msn, part))

    def _part_if_decided(self, rendition: int, msn: int, part: int) -> Response | None:
        data = self._parts.get((msn, part))
        if data is not None:
            return _media(data[rendition])
        return None if (msn, part) == self.timeline.hinted else _missing(f"part {msn}.{part} never came")

    def _wait(self, key: tuple[int, Directives | str], attempt: Callable[[], Response | None]) -> Pending:
        if key not in self._waits:
            self._waits[key] = _Wait(attempt, self.info.timing.blocked_s_max, lambda: self._end(key, self._timed_out()))
        return Pending(self._waits[key].future, lambda future: future.result())

    def _try(self, key: tuple[int, Directives | str], wait: "_Wait") -> None:
        response = wait.attempt()
        if response is not None:
            self._end(key, response)

    def _end(self, key: tuple[int, Directives | str], response: Response) -> None:
        wait = self._waits.pop(key)
        wait.timer.cancel()
        wait.future.set_result(response)

    def _timed_out(self) -> Response:
        return refuse(503, f"nothing new within {self.info.timing.blocked_s_max} s")

    def _absent(self, last_part: tuple[int, int], reason: str) -> Response:
        """Refuse media; what may still come is not kept by a cache, or it would be missing when it is there."""
        newest = self.timeline.newest
        return _missing(reason) if newest is not None and last_part <= newest else refuse(404, reason)


class _Wait:
    """A wish that could not be met yet, and the timer that ends it."""

    def __init__(
        self, attempt: Callable[[], Response | None], wait_s_max: float, on_timeout: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.attempt = attempt
        self.future: asyncio.Future[Response] = loop.create_future()
        self.timer = loop.call_later(wait_s_max, on_timeout)


def _init_name(init: bytes) -> str:
    return f"init-{hashlib.sha256(init).hexdigest()[:12]}.mp4"


def _media(data: bytes) -> Response:
    return respond(200, data, MEDIA_TYPE, cache_control(MEDIA_AGE_S_MAX))


def _missing(reason: str) -> Response:
    return refuse(404, reason, MISSING_AGE_S_MAX)
