"""A stream's playlists: which parts there are, and the text that says so. No clock, no input or output.

A :class:`Timeline` takes published parts in order and fills what never came with gaps, so that numbers and media times
stay those of the wall clock. Rendering is a function of the timeline: the same timeline gives the same bytes.

Invariants
----------
* Segments are consecutive; every segment but the newest is complete.
* PART-TARGET, TARGETDURATION and all hold-backs follow from the timing alone and never change.
* A segment with a missing part is itself a gap; its init section and discontinuity stand before its first part.
* A segment comes from one run of an encoder; another run is a discontinuity, even with the same parameters.

References
----------
draft-pantos-hls-rfc8216bis-22, section 4.4.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import MediaTiming, after
from reference_impl.domain.hls_steering import HOME
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.streaming.messages import RenditionInfo
from reference_impl.streaming.steering import STEERING_MANIFEST

MEDIA_PLAYLIST = "media.m3u8"
MASTER_PLAYLIST = "master.m3u8"
SOUND_GROUP = "sound"
PART_TAGS_DURATIONS = 3
"""Parts are listed until this many target durations from the end."""


@dataclass(slots=True)
class PartEntry:
    """A part in the playlist."""

    independent: bool = False
    gap: bool = False


@dataclass(slots=True)
class SegmentEntry:
    """A segment in the playlist. ``session`` names the encoder's run, ``init_names`` has one entry a rendition."""

    msn: int
    session: int
    init_names: tuple[str, ...]
    discontinuity: bool = False
    parts: list[PartEntry] = field(default_factory=list)

    @property
    def gap(self) -> bool:
        """Whether any part of it is missing."""
        return any(part.gap for part in self.parts)


class Timeline:
    """The published parts of a stream.

    Parameters
    ----------
    timing : MediaTiming
        Frames, parts, segments.
    window_segments : int
        Complete segments that a playlist lists at most.
    """

    def __init__(self, timing: MediaTiming, window_segments: int) -> None:
        self.timing = timing
        self.segments: deque[SegmentEntry] = deque()
        self.discontinuity_sequence = 0
        self._window = window_segments

    @property
    def newest(self) -> tuple[int, int] | None:
        """The newest published part, or None before the first."""
        return (self.segments[-1].msn, len(self.segments[-1].parts) - 1) if self.segments else None

    @property
    def hinted(self) -> tuple[int, int] | None:
        """The part that comes next, or None before the first."""
        return after(*self.newest, self.timing.parts_per_segment) if self.newest else None

    def add(self, msn: int, part: int, session: int, init_names: tuple[str, ...], *, independent: bool) -> bool:
        """Publish a part; whatever is missing before it becomes a gap.

        Returns
        -------
        bool
            False if the part is not newer than the newest one, or of another run than its segment's first parts:
            nothing changed.
        """
        if self.newest and (msn, part) <= self.newest:
            return False
        if self.segments and self.segments[-1].msn == msn and self.segments[-1].session != session:
            return False
        if self.segments and msn - self.segments[-1].msn > self._window:
            self.discontinuity_sequence += 1 + sum(segment.discontinuity for segment in self.segments)
            self.segments.clear()
        missing = self.hinted or (msn, 0)
        while missing != (msn, part):
            self._append(missing, session, init_names, PartEntry(gap=True))
            missing = after(*missing, self.timing.parts_per_segment)
        self._append((msn, part), session, init_names, PartEntry(independent=independent))
        return True

    def complete(self, segment: SegmentEntry) -> bool:
        """Tell whether a segment has all its parts."""
        return len(segment.parts) == self.timing.parts_per_segment

    def _append(self, where: tuple[int, int], session: int, init_names: tuple[str, ...], entry: PartEntry) -> None:
        msn, part = where
        if part == 0:
            changed = bool(self.segments) and self.segments[-1].session != session
            self.segments.append(SegmentEntry(msn, session, init_names, discontinuity=changed))
            while len(self.segments) > self._window + 1:
                self.discontinuity_sequence += self.segments.popleft().discontinuity
        self.segments[-1].parts.append(entry)


def render_media(timeline: Timeline, names: Sequence[str], rendition: int, *, skip: bool, sound: bool = False) -> str:
    """Return a rendition's media playlist.

    Parameters
    ----------
    timeline : Timeline
        The published parts, at least one.
    names : sequence of str
        Names of all renditions; media playlists lie in folders of these names beside each other.
    rendition : int
        Which of them.
    skip : bool
        Whether a delta update is wanted.
    sound : bool
        Whether the rendition is sound: every part of it is independent.
    """
    segments = list(timeline.segments)
    skipped = _skippable(timeline) if skip else 0
    lines = _header(timeline, skipped)
    init_name = segments[skipped - 1].init_names[rendition] if skipped else ""
    for segment in segments[skipped:]:
        lines += _segment_lines(timeline, segment, rendition, init_name, sound=sound)
        init_name = segment.init_names[rendition]
    return "\n".join(lines + _tail(timeline, names, rendition)) + "\n"


def render_master(renditions: Sequence[RenditionInfo], fps: int) -> str:
    """Return the multivariant playlist."""
    steering = f'#EXT-X-CONTENT-STEERING:SERVER-URI="{STEERING_MANIFEST}",PATHWAY-ID="{HOME}"'
    lines = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-INDEPENDENT-SEGMENTS", steering]
    sounds = [info for info in renditions if info.kind == "sound"]
    for info in sounds:
        uri = f"{info.name}/{MEDIA_PLAYLIST}"
        what = f'TYPE=AUDIO,GROUP-ID="{SOUND_GROUP}",NAME="{info.name}",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1"'
        lines.append(f'#EXT-X-MEDIA:{what},URI="{uri}"')
    for info in renditions:
        if info.kind == "video":
            lines += [_stream_line(info, sounds, fps), f"{info.name}/{MEDIA_PLAYLIST}"]
    return "\n".join(lines) + "\n"


def _stream_line(info: RenditionInfo, sounds: Sequence[RenditionInfo], fps: int) -> str:
    bandwidth_bps = info.bandwidth_bps + max((sound.bandwidth_bps for sound in sounds), default=0)
    codecs = ",".join(dict.fromkeys([info.codec, *(sound.codec for sound in sounds)]))
    group = f',AUDIO="{SOUND_GROUP}"' if sounds else ""
    size = f"RESOLUTION={info.width}x{info.height},FRAME-RATE={fps}.000"
    return f'#EXT-X-STREAM-INF:BANDWIDTH={bandwidth_bps},{size},CODECS="{codecs}"{group}'


def part_name(msn: int, part: int) -> str:
    """Return the URI of a part, relative to its playlist."""
    return f"{msn}.{part}.m4s"


def segment_name(msn: int) -> str:
    """Return the URI of a segment, relative to its playlist."""
    return f"{msn}.m4s"


def _skippable(timeline: Timeline) -> int:
    """Segments that end before the skip boundary."""
    timing = timeline.timing
    listed_s = sum(len(segment.parts) for segment in timeline.segments) * timing.part_s
    return max(0, int((listed_s - timing.skip_until_s) / timing.segment_s))


def _header(timeline: Timeline, skipped: int) -> list[str]:
    timing = timeline.timing
    skip = f"CAN-SKIP-UNTIL={timing.skip_until_s:.1f}"
    hold = f"HOLD-BACK={timing.hold_back_s:.1f},PART-HOLD-BACK={timing.part_hold_back_s:.3f}"
    control = f"CAN-BLOCK-RELOAD=YES,{skip},{hold}"
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        f"#EXT-X-TARGETDURATION:{timing.target_duration_s}",
        f"#EXT-X-SERVER-CONTROL:{control}",
        f"#EXT-X-PART-INF:PART-TARGET={timing.part_s:.5f}",
        f"#EXT-X-MEDIA-SEQUENCE:{timeline.segments[0].msn}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{timeline.discontinuity_sequence}",
    ]
    return [*lines, f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"] if skipped else lines


def _segment_lines(
    timeline: Timeline, segment: SegmentEntry, rendition: int, init_name: str, *, sound: bool
) -> list[str]:
    lines = ["#EXT-X-DISCONTINUITY"] if segment.discontinuity else []
    if segment.init_names[rendition] != init_name:
        lines.append(f'#EXT-X-MAP:URI="{segment.init_names[rendition]}"')
    lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(segment.msn * timeline.timing.segment_ns)}")
    if _lists_parts(timeline, segment):
        for index, part in enumerate(segment.parts):
            lines.append(_part_line(timeline.timing, segment.msn, index, part, independent=sound or part.independent))
    if timeline.complete(segment):
        lines += ["#EXT-X-GAP"] if segment.gap else []
        lines += [f"#EXTINF:{timeline.timing.segment_s:.5f},", segment_name(segment.msn)]
    return lines


def _lists_parts(timeline: Timeline, segment: SegmentEntry) -> bool:
    last = timeline.segments[-1]
    timing = timeline.timing
    from_end_s = (last.msn - segment.msn - 1) * timing.segment_s + len(last.parts) * timing.part_s
    return from_end_s < PART_TAGS_DURATIONS * timing.target_duration_s


def _part_line(timing: MediaTiming, msn: int, index: int, part: PartEntry, *, independent: bool) -> str:
    line = f'#EXT-X-PART:DURATION={timing.part_s:.5f},URI="{part_name(msn, index)}"'
    if part.gap:
        return f"{line},GAP=YES"
    return f"{line},INDEPENDENT=YES" if independent else line


def _tail(timeline: Timeline, names: Sequence[str], rendition: int) -> list[str]:
    newest, hinted = timeline.newest, timeline.hinted
    if newest is None or hinted is None:
        raise LocalProtocolError("a playlist without any part cannot be rendered")
    lines = [f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{part_name(*hinted)}"']
    lines += [
        f'#EXT-X-RENDITION-REPORT:URI="../{name}/{MEDIA_PLAYLIST}",LAST-MSN={newest[0]},LAST-PART={newest[1]}'
        for index, name in enumerate(names)
        if index != rendition
    ]
    return lines


def _date_time(unix_ns: int) -> str:
    instant = datetime.fromtimestamp(unix_ns // NS_PER_S, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{unix_ns % NS_PER_S // NS_PER_MS:03d}Z"
