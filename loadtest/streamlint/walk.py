"""A recorded walk over a live stream: requests and answers with their times, and what they say when read together.

The record is plain data, so that it can be kept, edited and judged again; the rules never touch a network. Reading it
is the same for every rule and stands here once: playlists in the order of their arrival with delta updates completed,
parts and segments by their number, init sections by their address.

Invariants
----------
* A walk is never changed by a rule; what is derived from it is computed once.
* An answer that cannot be read stays in the record: the rule that asks for it says so, the others pass over it.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from urllib.parse import urljoin

import msgspec

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_media import Chunk, MediaInit, read_chunks, read_init
from reference_impl.domain.hls_playlist import (
    MasterPlaylist,
    MediaPlaylist,
    Segment,
    apply_delta,
    parse_master_playlist,
    parse_media_playlist,
)
from reference_impl.domain.units import NS_PER_S


class Ask(StrEnum):
    """Why a request was made."""

    MASTER = "master"
    PLAIN = "plain playlist"
    RELOAD = "blocking reload"
    DELTA = "blocking delta update"
    RELOAD_SEGMENT = "blocking reload of a segment"
    RELOAD_NEXT = "blocking reload of the part after a segment's last"
    HINT = "hinted part"
    SEGMENT = "segment"
    INIT = "init section"
    DROPPED_PART = "part that left the playlist"
    DROPPED_SEGMENT = "segment that left the playlist"
    OLD_SEGMENT = "reload of an old segment"
    PART_WITHOUT_SEGMENT = "part without segment"
    FAR_SEGMENT = "segment too far ahead"
    FAR_PART = "part too far ahead"
    UNKNOWN_FILE = "unknown file"
    GZIP = "gzipped playlist"
    STEERED = "playlist with steering parameters"
    STEERING = "steering manifest"


RELOADS = frozenset({Ask.RELOAD, Ask.DELTA, Ask.RELOAD_SEGMENT, Ask.RELOAD_NEXT})
PLAYLISTS = RELOADS | {Ask.PLAIN, Ask.OLD_SEGMENT, Ask.STEERED}


class Fetch(msgspec.Struct, frozen=True):
    """A request and its answer. Times are CLOCK_MONOTONIC ns; header names are in lower case.

    ``status`` 0 means that there was no answer, and ``body`` says why. ``track`` is -1 for the multivariant playlist.
    ``wanted`` is the segment and part that was asked for, -1 where the request names none. ``late_ns`` says for how
    much of the time until the answer's end the walker itself was held up.
    """

    ask: Ask
    track: int
    url: str
    asked_ns: int
    first_byte_ns: int
    end_ns: int
    end_unix_ns: int
    status: int
    headers: dict[str, str]
    body: bytes
    wanted: tuple[int, int] = (-1, -1)
    late_ns: int = 0

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def took_s(self) -> float:
        """Seconds from the request to the answer's end."""
        return (self.end_ns - self.asked_ns) / NS_PER_S

    @property
    def waited_s(self) -> float:
        """Seconds that the answer took, without those in which the walker itself was held up."""
        return self.took_s - self.late_ns / NS_PER_S

    @property
    def age_s_max(self) -> int | None:
        """What Cache-Control allows a cache; 0 if it forbids keeping, None without the header."""
        words = [word.strip().partition("=") for word in self.headers.get("cache-control", "").lower().split(",")]
        names = {name for name, _, _ in words}
        if names & {"no-store", "no-cache", "private"}:
            return 0
        ages = {name: value for name, _, value in words if value.isdigit()}
        age = ages.get("s-maxage", ages.get("max-age"))
        return None if age is None else int(age)


class Track(msgspec.Struct, frozen=True):
    """A rendition that was walked."""

    name: str
    url: str
    kind: str = "video"


class Reading:
    """A playlist that was read. ``whole`` is None while a delta update could not be completed."""

    def __init__(self, fetch: Fetch, said: MediaPlaylist, whole: MediaPlaylist | None, problem: str = "") -> None:
        self.fetch = fetch
        self.said = said
        self.whole = whole
        self.problem = problem

    @property
    def newest(self) -> tuple[int, int]:
        """The newest part that it lists."""
        return newest_part(self.said)


class Walk(msgspec.Struct, frozen=True, dict=True):
    """Everything that was asked of a stream and answered, in the order of the answers."""

    url: str
    tracks: tuple[Track, ...]
    fetches: tuple[Fetch, ...]

    def asked(self, *asks: Ask) -> Iterator[Fetch]:
        """Return the requests made for one of these reasons."""
        return (fetch for fetch in self.fetches if fetch.ask in asks)

    @cached_property
    def master(self) -> MasterPlaylist | None:
        """The multivariant playlist, if it can be read."""
        for fetch in self.asked(Ask.MASTER):
            try:
                return parse_master_playlist(fetch.text)
            except RemoteProtocolError:
                return None
        return None

    @cached_property
    def readings(self) -> tuple[tuple[Reading, ...], ...]:
        """Playlists that were answered with 200 and can be read, one tuple a track."""
        return tuple(tuple(self._read(track)) for track in range(len(self.tracks)))

    @property
    def every_reading(self) -> Iterator[Reading]:
        """All readings, track by track."""
        return (reading for readings in self.readings for reading in readings)

    @cached_property
    def segments(self) -> tuple[dict[int, Segment], ...]:
        """Segments by number as they were last listed with their parts, one mapping a track."""
        found: tuple[dict[int, Segment], ...] = tuple({} for _ in self.tracks)
        for track, readings in enumerate(self.readings):
            for reading in readings:
                for segment in (reading.whole or reading.said).segments:
                    if segment.parts or segment.msn not in found[track]:
                        found[track][segment.msn] = segment
        return found

    @cached_property
    def inits(self) -> dict[str, MediaInit]:
        """Init sections by address, those that can be read."""
        found = {}
        for fetch in self.asked(Ask.INIT):
            if fetch.status == 200:
                try:
                    found[fetch.url] = read_init(fetch.body)
                except RemoteProtocolError:
                    continue
        return found

    @cached_property
    def parts(self) -> tuple[dict[tuple[int, int], tuple[Fetch, tuple[Chunk, ...]]], ...]:
        """Parts that came and can be read, by segment and part, one mapping a track."""
        return tuple(dict(self._chunks(track, Ask.HINT)) for track in range(len(self.tracks)))

    @cached_property
    def whole_segments(self) -> tuple[dict[int, tuple[Fetch, tuple[Chunk, ...]]], ...]:
        """Segments that came and can be read, by number, one mapping a track."""
        return tuple(
            {msn: found for (msn, _), found in self._chunks(track, Ask.SEGMENT)} for track in range(len(self.tracks))
        )

    def init_of(self, track: int, msn: int) -> MediaInit | None:
        """Return the init section of a segment."""
        segment = self.segments[track].get(msn) or self.segments[track].get(msn - 1)
        return self.inits.get(urljoin(self.tracks[track].url, segment.init_uri)) if segment else None

    def _read(self, track: int) -> Iterator[Reading]:
        before: MediaPlaylist | None = None
        for fetch in self.fetches:
            if fetch.track != track or fetch.ask not in PLAYLISTS or fetch.status != 200:
                continue
            try:
                said = parse_media_playlist(fetch.text)
            except RemoteProtocolError:
                continue
            reading = _completed(fetch, said, before)
            yield reading
            if reading.whole is not None and (before is None or newest_part(reading.whole) >= newest_part(before)):
                before = reading.whole

    def _chunks(self, track: int, ask: Ask) -> Iterator[tuple[tuple[int, int], tuple[Fetch, tuple[Chunk, ...]]]]:
        for fetch in self.asked(ask):
            init = self.init_of(track, fetch.wanted[0]) if fetch.track == track and fetch.status == 200 else None
            if init is None:
                continue
            try:
                yield fetch.wanted, (fetch, read_chunks(fetch.body, init))
            except RemoteProtocolError:
                continue


def newest_part(playlist: MediaPlaylist) -> tuple[int, int]:
    """Return the segment and the part that were published last; a whole segment without parts counts as its last."""
    if not playlist.segments:
        return (-1, -1)
    last = playlist.segments[-1]
    return last.msn, (len(last.parts) - 1 if last.parts else 1 << 30)


def _completed(fetch: Fetch, said: MediaPlaylist, before: MediaPlaylist | None) -> Reading:
    if not said.skipped:
        return Reading(fetch, said, said)
    try:
        return Reading(fetch, said, apply_delta(before or MediaPlaylist(), said))
    except RemoteProtocolError as error:
        return Reading(fetch, said, None, str(error))
