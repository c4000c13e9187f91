"""Walking a live stream: following every rendition as a player does, and asking what a player must never ask.

Each rendition is followed by its hints: the hinted part and the playlist that will list it are asked for together,
whole playlists and delta updates in turn, both now and then. Beside that run the probes: too far ahead, too old,
unknown, a part without its segment. What a playlist tags as a gap is not asked for.

A walker that is held up stamps answers late. It notes when its own loop was, so that no server is blamed for it.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from urllib.parse import urljoin

import numpy as np
from msgspec import structs

from loadtest.streamlint.client import Answer, Client, check_address
from loadtest.streamlint.walk import Ask, Fetch, Track, Walk
from reference_impl.domain.errors import RemoteProtocolError, RetryableError
from reference_impl.domain.hls import ADVANCE_LIMIT_S
from reference_impl.domain.hls_playlist import (
    MasterPlaylist,
    MediaPlaylist,
    apply_delta,
    parse_master_playlist,
    parse_media_playlist,
)
from reference_impl.domain.units import NS_PER_MS
from reference_impl.pulse import TICK_S, rings

ANSWER_S_MAX = 60.0
PAUSE_S = 0.2
"""Before a rendition is asked again after an answer that leads no further."""
TRACKS_MAX = 16
DROPPED_MAX = 2
STEERING_ASKS = 3
FAR_SEGMENTS = 10
HELD_UP_NS_MIN = 2 * NS_PER_MS
"""A timer that rings less late than this says nothing."""
BOTH_EVERY = 4
"""Every so many steps the whole playlist and the delta update of one part are both asked for, to compare them."""


async def walk(url: str, seconds: float) -> Walk:
    """Walk a stream.

    Parameters
    ----------
    url : str
        The multivariant playlist, or a media playlist.
    seconds : float
        How long it is followed.

    Raises
    ------
    ConfigError
        If the address is none.
    RetryableError
        If the first playlist does not come.
    RemoteProtocolError
        If it is no playlist, or names no rendition.
    """
    check_address(url)
    client = Client(ANSWER_S_MAX)
    try:
        return await _Walker(url, client).walk(seconds)
    finally:
        client.close()


class _Walker:
    """One walk: what was fetched so far."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client
        self._fetches: list[Fetch] = []
        self._tracks: tuple[Track, ...] = ()
        self._held_up: list[tuple[int, int]] = []

    async def walk(self, seconds: float) -> Walk:
        watch = asyncio.create_task(self._watch_itself())
        try:
            await self._follow(seconds)
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        fetches = sorted(self._fetches, key=lambda fetch: fetch.end_ns)
        return Walk(self._url, self._tracks, tuple(with_lateness(fetches, self._held_up)))

    async def _follow(self, seconds: float) -> None:
        first = await self.get(Ask.MASTER, -1, self._url)
        if first.status != 200:
            reason = first.text[:80].strip() if first.status == 0 else f"status {first.status}"
            raise RetryableError(f"no playlist at {self._url}: {reason}")
        if "#EXT-X-TARGETDURATION" in first.text:
            self._fetches.clear()
            master = MasterPlaylist(())
            self._tracks = (Track("media", self._url),)
        else:
            master = parse_master_playlist(first.text)
            self._tracks = _tracks(self._url, master)
        if not self._tracks:
            raise RemoteProtocolError(f"{self._url} names no rendition")
        until_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for index in range(len(self._tracks)):
                group.create_task(_Follower(self, index, until_s).run())
            if master.steering is not None:
                group.create_task(self._steering(urljoin(self._url, master.steering.server_uri)))

    async def _watch_itself(self) -> None:
        """Note when this loop was held up, until cancelled."""
        async for late_ns in rings(TICK_S):
            if late_ns >= HELD_UP_NS_MIN:
                now_ns = time.monotonic_ns()
                self._held_up.append((now_ns - late_ns, now_ns))

    def address(self, track: int, uri: str = "") -> str:
        """Return the address of a rendition's playlist, or of what it names."""
        return urljoin(self._tracks[track].url, uri)

    async def get(
        self,
        ask: Ask,
        track: int,
        url: str,
        wanted: tuple[int, int] = (-1, -1),
        headers: dict[str, str] | None = None,
    ) -> Fetch:
        """Ask, record, return."""
        answer: Answer = await self._client.get(url, headers)
        fetch = Fetch(ask, track, url, *answer, wanted)
        self._fetches.append(fetch)
        return fetch

    async def _steering(self, url: str) -> None:
        for _ in range(STEERING_ASKS):
            await self.get(Ask.STEERING, -1, url)


class _Follower:
    """One rendition's part of the walk."""

    def __init__(self, walker: _Walker, track: int, until_s: float) -> None:
        self._walker = walker
        self._track = track
        self._until_s = until_s
        self._playlist = MediaPlaylist()
        self._inits: set[str] = set()
        self._segments: set[int] = set()
        self._dropped_parts: list[tuple[tuple[int, int], str]] = []
        self._dropped_segments: list[tuple[int, str]] = []
        self._asked_dropped = 0
        self._asked_once: set[Ask] = set()

    async def run(self) -> None:
        """Follow until the time is over."""
        if not await self._begin():
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe())
            step = 0
            first_msn = self._playlist.segments[-1].msn
            while time.monotonic() < self._until_s:
                group.create_task(self._objects(first_msn))
                if not await self._step(step, group):
                    await asyncio.sleep(PAUSE_S)
                step += 1

    async def _begin(self) -> bool:
        """Load the first playlist; a stream that is just going on air is asked again for a while."""
        while time.monotonic() < self._until_s:
            plain = await self._get(Ask.PLAIN, self._walker.address(self._track))
            if plain.status == 200 and self._take(plain) and self._playlist.segments:
                return True
            await asyncio.sleep(PAUSE_S)
        return False

    async def _step(self, step: int, group: asyncio.TaskGroup) -> bool:
        """Ask for the next part and the playlist that lists it; return whether that led further."""
        if not self._playlist.can_block_reload:
            return await self._plain()
        msn, part = wanted = _next(self._playlist)
        hint = self._playlist.preload_hint_uri
        if hint:
            group.create_task(self._get(Ask.HINT, self._walker.address(self._track, hint), wanted))
        asks = [Ask.DELTA if step % 2 and self._playlist.can_skip_until_s else Ask.RELOAD]
        if step % BOTH_EVERY == 0 and self._playlist.can_skip_until_s:
            asks = [Ask.RELOAD, Ask.DELTA]
        await self._waits_for_segment(msn, part, group)
        answers = await asyncio.gather(*(self._get(ask, self._reload(ask, msn, part), wanted) for ask in asks))
        before = _next(self._playlist)
        for answer in answers:
            if answer.status == 200 and not self._take(answer):
                self._playlist = MediaPlaylist()
                return await self._begin()
        return _next(self._playlist) > before

    async def _plain(self) -> bool:
        """Ask for a playlist that cannot be waited for; return whether it is newer."""
        before = _next(self._playlist)
        plain = await self._get(Ask.PLAIN, self._walker.address(self._track))
        return plain.status == 200 and self._take(plain) and _next(self._playlist) > before

    async def _waits_for_segment(self, msn: int, part: int, group: asyncio.TaskGroup) -> None:
        """Once: wait for a whole segment, and for a part after its last."""
        lengths = [len(segment.parts) for segment in self._playlist.segments if segment.uri and segment.parts]
        if part != 1 or not lengths:
            return
        for ask, wanted in ((Ask.RELOAD_SEGMENT, (msn, -1)), (Ask.RELOAD_NEXT, (msn, lengths[-1]))):
            if ask not in self._asked_once:
                self._asked_once.add(ask)
                group.create_task(self._get(ask, self._reload(ask, *wanted), wanted))

    async def _objects(self, first_msn: int) -> None:
        """Fetch new init sections, segments whose parts were all asked for, and what left the playlist."""
        for segment in self._playlist.segments:
            if segment.init_uri and segment.init_uri not in self._inits:
                self._inits.add(segment.init_uri)
                await self._get(Ask.INIT, self._walker.address(self._track, segment.init_uri), (segment.msn, -1))
            if segment.uri and not segment.gap and segment.msn > first_msn and segment.msn not in self._segments:
                self._segments.add(segment.msn)
                await self._get(Ask.SEGMENT, self._walker.address(self._track, segment.uri), (segment.msn, -1))
        while self._dropped_parts and self._asked_dropped < 2 * DROPPED_MAX:
            self._asked_dropped += 1
            where, uri = self._dropped_parts.pop()
            await self._get(Ask.DROPPED_PART, self._walker.address(self._track, uri), where)
        while self._dropped_segments and self._asked_dropped < 2 * DROPPED_MAX:
            self._asked_dropped += 1
            msn, uri = self._dropped_segments.pop()
            await self._get(Ask.DROPPED_SEGMENT, self._walker.address(self._track, uri), (msn, -1))

    async def _probe(self) -> None:
        """Ask what must be refused, and what must be answered at once."""
        known = self._playlist
        here = self._walker.address(self._track)
        asks = [
            (Ask.GZIP, here, (-1, -1)),
            (Ask.UNKNOWN_FILE, self._walker.address(self._track, "no-such-file.m4s"), (-1, -1)),
            (Ask.STEERED, _with_query(here, "_HLS_pathway=elsewhere&_HLS_throughput=1000000"), (-1, -1)),
        ]
        if known.can_block_reload and known.segments[0].uri:
            old = known.media_sequence
            asks.append((Ask.OLD_SEGMENT, self._reload(Ask.OLD_SEGMENT, old, -1), (old, -1)))
        if known.can_block_reload:
            asks.append((Ask.PART_WITHOUT_SEGMENT, _with_query(here, "_HLS_part=1"), (-1, 1)))
        for ask, url, wanted in asks:
            headers = {"Accept-Encoding": "gzip"} if ask is Ask.GZIP else None
            await self._walker.get(ask, self._track, url, wanted, headers)
        if known.can_block_reload:
            await self._probe_far(Ask.FAR_SEGMENT, FAR_SEGMENTS, 0)
        if known.can_block_reload and known.part_target_s:
            await self._probe_far(Ask.FAR_PART, 0, math.ceil(ADVANCE_LIMIT_S / known.part_target_s) + FAR_SEGMENTS)

    async def _probe_far(self, ask: Ask, segments: int, parts: int) -> None:
        """Ask for what is too far ahead of the newest playlist: a slow walk's first one is long overtaken."""
        msn, part = _next(self._playlist)
        wanted = (msn + segments, part + parts if parts else -1)
        await self._get(ask, self._reload(ask, *wanted), wanted)

    def _take(self, answer: Fetch) -> bool:
        """Go on from a playlist if it can be read and is newer; note what is no longer in it."""
        try:
            fresh = apply_delta(self._playlist, parse_media_playlist(answer.text))
        except RemoteProtocolError:
            return False
        if self._playlist.segments and fresh.segments and _next(fresh) > _next(self._playlist):
            self._note_dropped(fresh)
        if fresh.segments and (not self._playlist.segments or _next(fresh) > _next(self._playlist)):
            self._playlist = fresh
        return True

    def _note_dropped(self, fresh: MediaPlaylist) -> None:
        listed = {segment.msn: segment for segment in fresh.segments}
        for segment in self._playlist.segments:
            now = listed.get(segment.msn)
            if now is None and segment.uri and not segment.gap:
                self._dropped_segments = [(segment.msn, segment.uri)]
            if segment.parts and (now is None or not now.parts) and not segment.parts[0].gap:
                self._dropped_parts = [((segment.msn, 0), segment.parts[0].uri)]

    def _reload(self, ask: Ask, msn: int, part: int) -> str:
        query = f"_HLS_msn={msn}" + (f"&_HLS_part={part}" if part >= 0 else "")
        return _with_query(self._walker.address(self._track), query + ("&_HLS_skip=YES" if ask is Ask.DELTA else ""))

    async def _get(self, ask: Ask, url: str, wanted: tuple[int, int] = (-1, -1)) -> Fetch:
        return await self._walker.get(ask, self._track, url, wanted)


def with_lateness(fetches: Sequence[Fetch], held_up: Sequence[tuple[int, int]]) -> list[Fetch]:
    """Enter into each fetch for how much of its time the walker was held up.

    Parameters
    ----------
    fetches : sequence of Fetch
        What was asked.
    held_up : sequence of (int, int)
        From when to when it was, CLOCK_MONOTONIC ns; in order, and none overlaps another.
    """
    if not held_up:
        return list(fetches)
    instants = np.array(held_up).ravel()
    lengths = np.diff(instants, prepend=instants[0])
    lengths[::2] = 0
    until = np.cumsum(lengths)
    spans = np.array([(fetch.asked_ns, fetch.end_ns) for fetch in fetches]).reshape(-1, 2)
    late_ns = np.diff(np.interp(spans, instants, until), axis=1).ravel().round().astype(int).tolist()
    return [structs.replace(fetch, late_ns=late) for fetch, late in zip(fetches, late_ns, strict=True)]


def _tracks(url: str, master: MasterPlaylist) -> tuple[Track, ...]:
    found = {urljoin(url, variant.uri): Track(variant.uri, urljoin(url, variant.uri)) for variant in master.variants}
    for audio in master.audio:
        found.setdefault(urljoin(url, audio.uri), Track(audio.uri, urljoin(url, audio.uri), "audio"))
    return tuple(found.values())[:TRACKS_MAX]


def _next(playlist: MediaPlaylist) -> tuple[int, int]:
    if not playlist.segments:
        return (-1, -1)
    last = playlist.segments[-1]
    return (last.msn + 1, 0) if last.uri else (last.msn, len(last.parts))


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"
