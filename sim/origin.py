"""The origin in simulated time: each table's parts, and requests that wait for the next one.

Parts are numbered through: the `n`-th part of the media timeline is part ``n % parts_per_segment`` of segment
``n // parts_per_segment``. Simulated time 0 is that timeline's zero. What is ready, what waits and what is too far
ahead says :func:`reference_impl.domain.hls.blocking_verdict`, which the real origin asks too.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import simpy

from reference_impl.domain.hls import MediaTiming, Verdict, blocking_verdict, playlist_age_s_max
from reference_impl.domain.records import FetchKind
from reference_impl.domain.units import NS_PER_S
from sim.parameters import Video
from sim.server import Server, after

WINDOW_SEGMENTS = 12
"""Segments in a playlist; parts are kept twice as long."""

MEDIA_KEEP_NS = 3600 * NS_PER_S
MISSING_KEEP_NS = NS_PER_S


class Wish(NamedTuple):
    """What is asked for; a playlist with a `number` waits for that part, ``-1`` takes what is there."""

    table: int
    rendition: int
    kind: FetchKind
    number: int = -1


class Listing(NamedTuple):
    """What a media playlist tells: its first and its newest part, which parts never came; and when it was written."""

    oldest: int
    newest: int
    gaps: AbstractSet[int]
    written_ns: int


class Answer(NamedTuple):
    """An answer, and how long a cache may keep it."""

    status: int
    size_bytes: int = 0
    keep_ns: int = 0
    listing: Listing | None = None


Reply: TypeAlias = Callable[[Answer | None, int], None]
"""Takes an answer and when it is written; None if the connection broke."""


@dataclass(slots=True)
class _Stream:
    """One table's timeline; -1 before the first part. The gaps of a listing are shared: what is past stays so."""

    oldest: int = -1
    newest: int = -1
    gaps: set[int] = field(default_factory=set)
    sizes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def add(self, number: int, sizes: tuple[int, ...], parts_per_segment: int) -> None:
        """Publish a part; what is missing before it, back to its segment's first part, becomes a gap."""
        if self.newest < 0 or number // parts_per_segment - self.newest // parts_per_segment > WINDOW_SEGMENTS:
            self.oldest = number - number % parts_per_segment
            self.newest = self.oldest - 1
            self.gaps = set()
        self.gaps.update(range(self.newest + 1, number))
        self.newest = number
        self.oldest = max(self.oldest, (number // parts_per_segment - WINDOW_SEGMENTS) * parts_per_segment)
        self.sizes[number] = sizes
        self.sizes.pop(number - 2 * WINDOW_SEGMENTS * parts_per_segment, None)


class Origin:
    """The one origin.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    timing : MediaTiming
        How streams are cut.
    video : Video
        Sizes and costs.
    """

    name = "origin"

    def __init__(self, env: simpy.Environment, timing: MediaTiming, video: Video) -> None:
        self.up = True
        self.requests = 0
        self.parts = 0
        self.egress_bytes = 0
        self.server = Server(env)
        self._env = env
        self._timing = timing
        self._video = video
        self._streams: dict[int, _Stream] = {}
        self._waits: list[tuple[Wish, Reply]] = []

    @property
    def waiting(self) -> int:
        """Requests that wait for a part."""
        return len(self._waits)

    def publish(self, table: int, number: int, sizes: tuple[int, ...]) -> None:
        """Take a part (its size in each rendition) and wake those who waited for it."""
        stream = self._streams.setdefault(table, _Stream())
        if number <= stream.newest:
            return
        self.parts += 1
        stream.add(number, sizes, self._timing.parts_per_segment)
        waits, self._waits = self._waits, []
        for wait in waits:
            answer = self._answer(wait[0]) if wait[0].table == table else None
            if answer is None:
                self._waits.append(wait)
            else:
                self._reply(wait[1], answer)

    def ask(self, wish: Wish, reply: Reply) -> None:
        """Answer, now or when the part is there."""
        if not self.up:
            reply(None, int(self._env.now))
            return
        self.requests += 1
        answer = self._answer(wish)
        if answer is not None:
            self._reply(reply, answer)
            return
        wait = (wish, reply)
        self._waits.append(wait)
        after(self._env, self._timing.blocked_s_max * NS_PER_S, self._give_up, wait)

    def kill(self) -> None:
        """Die: connections break, timelines are forgotten."""
        self.up = False
        self.server.stop()
        self._streams = {}
        waits, self._waits = self._waits, []
        for _, reply in waits:
            reply(None, int(self._env.now))

    def restart(self) -> None:
        """Serve again; the studios bring what they have kept."""
        self.up = True

    def _reply(self, reply: Reply, answer: Answer) -> None:
        self.egress_bytes += answer.size_bytes
        reply(answer, self.server.submit(self._video.origin_request_ns)[1])

    def _give_up(self, wait: tuple[Wish, Reply]) -> None:
        if wait in self._waits:
            self._waits.remove(wait)
            self._reply(wait[1], Answer(HTTPStatus.SERVICE_UNAVAILABLE))

    def _answer(self, wish: Wish) -> Answer | None:
        """Return the answer, or None as long as it has to wait."""
        stream = self._streams.get(wish.table)
        if stream is None:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE)
        if wish.kind is FetchKind.PLAYLIST:
            return self._playlist(stream, wish.number)
        if wish.kind is FetchKind.PART:
            return _part(stream, wish)
        keep_ns = self._timing.target_duration_s * NS_PER_S if wish.kind is FetchKind.MASTER else MEDIA_KEEP_NS
        return Answer(HTTPStatus.OK, self._video.setup_bytes, keep_ns)

    def _playlist(self, stream: _Stream, number: int) -> Answer | None:
        timing, per_segment = self._timing, self._timing.parts_per_segment
        if number >= 0:
            known, wanted = divmod(stream.newest, per_segment), divmod(number, per_segment)
            verdict = blocking_verdict(*known, *wanted, per_segment, timing.part_s)
            if verdict is Verdict.TOO_FAR:
                return Answer(HTTPStatus.BAD_REQUEST)
            if verdict is Verdict.WAIT:
                return None
        keep_s = playlist_age_s_max(timing.target_duration_s, blocking=number >= 0, ok=True)
        listing = Listing(stream.oldest, stream.newest, stream.gaps, int(self._env.now))
        return Answer(HTTPStatus.OK, self._video.playlist_bytes, round(keep_s * NS_PER_S), listing)


def _part(stream: _Stream, wish: Wish) -> Answer | None:
    if (sizes := stream.sizes.get(wish.number)) is not None:
        return Answer(HTTPStatus.OK, sizes[wish.rendition], MEDIA_KEEP_NS)
    if wish.number == stream.newest + 1:
        return None
    return Answer(HTTPStatus.NOT_FOUND, 0, MISSING_KEEP_NS if wish.number <= stream.newest else 0)
