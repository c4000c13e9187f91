"""Reading HLS playlists: what a headless viewer, a test or a linter learns from the text.

``parse_media_playlist`` refuses what breaks the format and keeps what is there to judge; it does not judge the rules.
A delta update is completed by ``apply_delta`` from the playlist before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.units import NS_PER_MS

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)(?:,|$)')


@dataclass(frozen=True, slots=True)
class Part:
    """An EXT-X-PART."""

    uri: str
    duration_s: float
    independent: bool
    gap: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment; without a URI it is still growing."""

    msn: int
    uri: str = ""
    duration_s: float = 0.0
    program_unix_ns: int | None = None
    init_uri: str = ""
    gap: bool = False
    discontinuity: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """An EXT-X-RENDITION-REPORT: how far another rendition is."""

    uri: str
    last_msn: int
    last_part: int


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A media playlist; durations in seconds, 0 when absent."""

    version: int = 1
    target_duration_s: int = 0
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    can_block_reload: bool = False
    can_skip_until_s: float = 0.0
    hold_back_s: float = 0.0
    part_hold_back_s: float = 0.0
    part_target_s: float = 0.0
    skipped: int = 0
    segments: tuple[Segment, ...] = ()
    preload_hint_uri: str = ""
    reports: tuple[RenditionReport, ...] = ()

    @property
    def newest(self) -> tuple[int, int]:
        """The newest segment and part; part -1 when the newest segment lists none; ``(-1, -1)`` when empty."""
        if not self.segments:
            return (-1, -1)
        return self.segments[-1].msn, len(self.segments[-1].parts) - 1


@dataclass(frozen=True, slots=True)
class Variant:
    """An EXT-X-STREAM-INF; ``audio`` names its group of audio renditions, ``pathway`` where it is served from.

    Without a picture, or without RESOLUTION, both sides are 0; `codecs` is empty where it is not said.
    """

    uri: str
    bandwidth_bps: int
    width: int
    height: int
    codecs: str
    audio: str = ""
    pathway: str = "."


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """An EXT-X-MEDIA of audio that has a playlist of its own."""

    uri: str
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class SteeringTag:
    """An EXT-X-CONTENT-STEERING: where viewers ask which pathway to take, and the one to begin with."""

    server_uri: str
    pathway: str


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    """A multivariant playlist, in its order."""

    variants: tuple[Variant, ...]
    audio: tuple[AudioRendition, ...] = ()
    steering: SteeringTag | None = None


@dataclass(slots=True)
class _Reading:
    """What has been read so far; `segment` gathers tags until the URI that they belong to."""

    playlist: MediaPlaylist = field(default_factory=MediaPlaylist)
    segments: list[Segment] = field(default_factory=list)
    reports: list[RenditionReport] = field(default_factory=list)
    segment: Segment | None = None
    init_uri: str = ""

    @property
    def next_msn(self) -> int:
        return self.playlist.media_sequence + self.playlist.skipped + len(self.segments)

    def open(self) -> Segment:
        if self.segment is None:
            self.segment = Segment(self.next_msn, init_uri=self.init_uri)
        return self.segment

    def close(self, uri: str) -> None:
        self.segments.append(replace(self.open(), uri=uri))
        self.segment = None


def attributes(text: str) -> dict[str, str]:
    """Return a tag's attribute list; quotes are removed."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def parse_media_playlist(text: str) -> MediaPlaylist:
    """Return what a media playlist says.

    Raises
    ------
    RemoteProtocolError
        If it is no playlist, or a tag cannot be read; the message holds the line.
    """
    reading = _Reading()
    for line in _lines(text):
        try:
            _read(reading, line)
        except (KeyError, ValueError) as error:
            raise RemoteProtocolError(f"playlist line {line!r} cannot be read: {error}") from error
    if reading.segment is not None:
        reading.segments.append(reading.segment)
    return replace(reading.playlist, segments=tuple(reading.segments), reports=tuple(reading.reports))


def apply_delta(before: MediaPlaylist, delta: MediaPlaylist) -> MediaPlaylist:
    """Return the whole playlist that a delta update stands for.

    Raises
    ------
    RemoteProtocolError
        If the skipped segments are not all in the playlist before it: ask for a whole one.
    """
    if not delta.skipped:
        return delta
    known = {segment.msn: segment for segment in before.segments if segment.uri}
    wanted = range(delta.media_sequence, delta.media_sequence + delta.skipped)
    missing = [msn for msn in wanted if msn not in known]
    if missing:
        raise RemoteProtocolError(f"delta update skips segment {missing[0]}, which the playlist before it lacks")
    kept = tuple(known[msn] for msn in wanted)
    init_uri = kept[-1].init_uri
    fresh = tuple(s if s.init_uri else replace(s, init_uri=init_uri) for s in delta.segments)
    return replace(delta, skipped=0, segments=kept + fresh)


def parse_master_playlist(text: str) -> MasterPlaylist:
    """Return what a multivariant playlist says.

    Raises
    ------
    RemoteProtocolError
        If it is no playlist, or a tag cannot be read; the message holds the line.
    """
    variants: list[Variant] = []
    audio: list[AudioRendition] = []
    steering: SteeringTag | None = None
    info: dict[str, str] = {}
    for line in _lines(text):
        tag, _, value = line.partition(":")
        try:
            if tag == "#EXT-X-STREAM-INF":
                info = attributes(value)
            elif tag == "#EXT-X-MEDIA":
                audio += _audio(attributes(value))
            elif tag == "#EXT-X-CONTENT-STEERING":
                found = attributes(value)
                steering = SteeringTag(found["SERVER-URI"], found.get("PATHWAY-ID", "."))
            elif not line.startswith("#"):
                variants.append(_variant(line, info))
        except (KeyError, ValueError) as error:
            raise RemoteProtocolError(f"multivariant playlist line {line!r} cannot be read: {error!r}") from error
    return MasterPlaylist(tuple(variants), tuple(audio), steering)


def _variant(uri: str, info: dict[str, str]) -> Variant:
    width, height = (int(side) for side in info.get("RESOLUTION", "0x0").split("x"))
    return Variant(
        uri,
        int(info["BANDWIDTH"]),
        width,
        height,
        info.get("CODECS", ""),
        info.get("AUDIO", ""),
        info.get("PATHWAY-ID", "."),
    )


def _audio(info: dict[str, str]) -> list[AudioRendition]:
    if info["TYPE"] != "AUDIO" or "URI" not in info:
        return []
    return [AudioRendition(info["URI"], info["GROUP-ID"], info["NAME"])]


def _lines(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.splitlines())
    if next(lines, "") != "#EXTM3U":
        raise RemoteProtocolError(f"not a playlist: it starts with {text[:20]!r}")
    return (line for line in lines if line)


def _read(reading: _Reading, line: str) -> None:
    if not line.startswith("#"):
        reading.close(line)
        return
    tag, _, value = line.partition(":")
    if tag in _HEADER_TAGS:
        reading.playlist = replace(reading.playlist, **_header(tag, value))
    elif tag == "#EXT-X-MAP":
        reading.init_uri = attributes(value)["URI"]
        reading.segment = replace(reading.open(), init_uri=reading.init_uri)
    elif tag == "#EXT-X-RENDITION-REPORT":
        report = attributes(value)
        reading.reports.append(
            RenditionReport(report["URI"], int(report["LAST-MSN"]), int(report.get("LAST-PART", -1)))
        )
    elif tag in _SEGMENT_TAGS:
        reading.segment = _with_tag(reading.open(), tag, value)


_HEADER_TAGS = frozenset({
    "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-SKIP", "#EXT-X-PRELOAD-HINT",
})  # fmt: skip

_INTEGER_FIELD = {
    "#EXT-X-VERSION": "version",
    "#EXT-X-TARGETDURATION": "target_duration_s",
    "#EXT-X-MEDIA-SEQUENCE": "media_sequence",
    "#EXT-X-DISCONTINUITY-SEQUENCE": "discontinuity_sequence",
}

_SEGMENT_TAGS = frozenset({
    "#EXTINF", "#EXT-X-PART", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-GAP", "#EXT-X-DISCONTINUITY",
})  # fmt: skip


def _header(tag: str, value: str) -> dict[str, Any]:
    if tag in _INTEGER_FIELD:
        return {_INTEGER_FIELD[tag]: int(value)}
    found = attributes(value)
    if tag == "#EXT-X-PART-INF":
        return {"part_target_s": float(found["PART-TARGET"])}
    if tag == "#EXT-X-SKIP":
        return {"skipped": int(found["SKIPPED-SEGMENTS"])}
    if tag == "#EXT-X-PRELOAD-HINT":
        return {"preload_hint_uri": found["URI"]} if found["TYPE"] == "PART" else {}
    return {
        "can_block_reload": found.get("CAN-BLOCK-RELOAD") == "YES",
        "can_skip_until_s": float(found.get("CAN-SKIP-UNTIL", 0)),
        "hold_back_s": float(found.get("HOLD-BACK", 0)),
        "part_hold_back_s": float(found.get("PART-HOLD-BACK", 0)),
    }


def _with_tag(segment: Segment, tag: str, value: str) -> Segment:
    if tag == "#EXTINF":
        return replace(segment, duration_s=float(value.partition(",")[0]))
    if tag == "#EXT-X-GAP":
        return replace(segment, gap=True)
    if tag == "#EXT-X-DISCONTINUITY":
        return replace(segment, discontinuity=True)
    if tag == "#EXT-X-PROGRAM-DATE-TIME":
        return replace(segment, program_unix_ns=_unix_ns(value))
    found = attributes(value)
    part = Part(
        uri=found["URI"],
        duration_s=float(found["DURATION"]),
        independent=found.get("INDEPENDENT") == "YES",
        gap=found.get("GAP") == "YES",
    )
    return replace(segment, parts=(*segment.parts, part))


def _unix_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) * NS_PER_MS
