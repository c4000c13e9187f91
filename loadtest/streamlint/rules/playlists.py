"""Rules of the playlists' text: what they declare, and what may never change from one to the next."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import urljoin

from loadtest.streamlint.rules.rule import Finding, Looks, hold, rule
from loadtest.streamlint.walk import PLAYLISTS, Ask, Reading, Walk
from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_playlist import (
    MediaPlaylist,
    Segment,
    parse_master_playlist,
    parse_media_playlist,
)
from reference_impl.domain.units import NS_PER_S

EPSILON_S = 1e-4
"""Durations are written with a few decimals."""
DATE_TIME_S_MAX = 0.05
"""How far a program date-time may be from the one before it plus the durations between them; an **assumption**."""
PEAK_SHARE_MAX = 1.1
"""A segment's bit rate over BANDWIDTH: the authoring specification for Apple devices allows a tenth for live."""


@rule("master.format", "must", "A multivariant playlist can be read and names at least one variant.", "4.1, 4.4.6.2")
def master_format(walk: Walk) -> Looks:
    """Read it."""
    for fetch in walk.asked(Ask.MASTER):
        try:
            variants = len(parse_master_playlist(fetch.text).variants) if fetch.status == 200 else 0
            yield hold(variants > 0, fetch.url, f"status {fetch.status}, {variants} variants", "200 and a variant")
        except RemoteProtocolError as error:
            yield Finding(fetch.url, str(error), "a multivariant playlist")


@rule("master.bandwidth", "must", "No segment's bit rate exceeds its variant's BANDWIDTH.", "4.4.6.2")
def master_bandwidth(walk: Walk) -> Looks:
    """Weigh the segments that were fetched; audio counts towards the variant that names it."""
    peaks = [_peak_bps(walk, index) for index in range(len(walk.tracks))]
    audio_bps = max([peak for peak, track in zip(peaks, walk.tracks, strict=True) if track.kind == "audio"], default=0)
    by_url = {track.url: peak for track, peak in zip(walk.tracks, peaks, strict=True)}
    for variant in walk.master.variants if walk.master else ():
        peak_bps = by_url.get(urljoin(walk.url, variant.uri), 0)
        if peak_bps:
            whole_bps = peak_bps + (audio_bps if variant.audio else 0)
            yield hold(
                whole_bps <= variant.bandwidth_bps * PEAK_SHARE_MAX,
                urljoin(walk.url, variant.uri),
                f"a segment of {whole_bps:,.0f} bit/s",
                f"BANDWIDTH {variant.bandwidth_bps:,} bit/s and a tenth more",
            )


@rule("master.codecs", "must", "CODECS names every codec of the variant's media.", "4.4.6.2")
def master_codecs(walk: Walk) -> Looks:
    """Compare with the init sections."""
    for variant in walk.master.variants if walk.master else ():
        url = urljoin(walk.url, variant.uri)
        for index, track in enumerate(walk.tracks):
            if track.url != url and not (track.kind == "audio" and variant.audio):
                continue
            for msn in list(walk.segments[index])[-1:]:
                init = walk.init_of(index, msn)
                if init is not None and variant.codecs:
                    named = [name.strip().lower() for name in variant.codecs.split(",")]
                    yield hold(init.codec.lower() in named, url, f"{init.codec} in {track.name}", f"{variant.codecs}")


@rule("master.audio", "must", "A variant's AUDIO names a group of audio renditions that is there.", "4.4.6.1.1")
def master_audio(walk: Walk) -> Looks:
    """Look each group up."""
    groups = {audio.group for audio in walk.master.audio} if walk.master else set()
    for variant in walk.master.variants if walk.master else ():
        if variant.audio:
            yield hold(
                variant.audio in groups, urljoin(walk.url, variant.uri), f"AUDIO={variant.audio!r}", f"{sorted(groups)}"
            )


@rule("playlist.format", "must", "A media playlist can be read and has a target duration and segments.", "4.1, 4.4.3")
def playlist_format(walk: Walk) -> Looks:
    """Read each."""
    for fetch in walk.asked(*PLAYLISTS):
        if fetch.status == 200:
            try:
                said = parse_media_playlist(fetch.text)
            except RemoteProtocolError as error:
                yield Finding(fetch.url, str(error), "a media playlist")
                continue
            good = said.target_duration_s > 0 and bool(said.segments)
            seen = f"EXT-X-TARGETDURATION {said.target_duration_s}, {len(said.segments)} segments"
            yield hold(good, fetch.url, seen, "both")


@rule("playlist.version", "must", "Delta updates need EXT-X-VERSION 9 or more.", "8")
def playlist_version(walk: Walk) -> Looks:
    """Only playlists that skip are held to it."""
    for reading in walk.every_reading:
        if reading.said.skipped:
            seen = f"EXT-X-VERSION {reading.said.version} with EXT-X-SKIP"
            yield hold(reading.said.version >= 9, reading.fetch.url, seen, "9 or more")


@rule("playlist.target-duration", "must", "EXTINF, rounded, is at most EXT-X-TARGETDURATION.", "4.4.3.1")
def playlist_target_duration(walk: Walk) -> Looks:
    """Check every segment."""
    for reading in walk.every_reading:
        target_s = reading.said.target_duration_s
        for segment in _complete(reading.said):
            seen = f"segment {segment.msn} of {segment.duration_s} s"
            yield hold(int(segment.duration_s + 0.5) <= target_s, reading.fetch.url, seen, f"{target_s} s when rounded")


@rule("playlist.target-constant", "must", "EXT-X-TARGETDURATION never changes.", "4.4.3.1")
def playlist_target_constant(walk: Walk) -> Looks:
    """Compare neighbours."""
    yield from _constant(walk, "EXT-X-TARGETDURATION", lambda said: said.target_duration_s)


@rule("part.target-constant", "must", "PART-TARGET never changes.", "4.4.3.7")
def part_target_constant(walk: Walk) -> Looks:
    """Compare neighbours."""
    yield from _constant(walk, "PART-TARGET", lambda said: said.part_target_s)


@rule("hold-back.constant", "should", "HOLD-BACK and PART-HOLD-BACK do not change: players sit there.", "4.4.3.8")
def hold_back_constant(walk: Walk) -> Looks:
    """Compare neighbours."""
    yield from _constant(walk, "hold-backs", lambda said: (said.hold_back_s, said.part_hold_back_s))


@rule("playlist.sequence", "must", "A segment keeps its number, its address and its duration.", "6.2.2")
def playlist_sequence(walk: Walk) -> Looks:
    """Follow each segment through the playlists; the media sequence never goes back."""
    for readings in walk.readings:
        known: dict[int, Segment] = {}
        for before, after in pairwise(_in_order(readings)):
            yield hold(
                after.said.media_sequence >= before.said.media_sequence,
                after.fetch.url,
                f"EXT-X-MEDIA-SEQUENCE {after.said.media_sequence} after {before.said.media_sequence}",
                "never less",
            )
        for reading in readings:
            for segment in _complete(reading.said):
                first = known.setdefault(segment.msn, segment)
                same = (first.uri, first.duration_s) == (segment.uri, segment.duration_s)
                seen = f"segment {segment.msn}: {segment.uri} of {segment.duration_s} s"
                yield hold(same, reading.fetch.url, seen, f"{first.uri} of {first.duration_s} s as before")


@rule("playlist.discontinuity-sequence", "must", "It grows by the discontinuities that leave the playlist.", "6.2.2")
def playlist_discontinuity_sequence(walk: Walk) -> Looks:
    """Count what left between neighbours."""
    for readings in walk.readings:
        whole = [reading for reading in _in_order(readings) if reading.whole is not None]
        for before, after in pairwise(whole):
            first, then = before.whole, after.whole
            if first is None or then is None or first.segments[-1].msn < then.media_sequence:
                continue
            left = sum(s.discontinuity for s in first.segments if s.msn < then.media_sequence)
            due = first.discontinuity_sequence + left
            seen = f"EXT-X-DISCONTINUITY-SEQUENCE {then.discontinuity_sequence}"
            yield hold(then.discontinuity_sequence == due, after.fetch.url, seen, f"{due}")


@rule("playlist.window", "must", "A segment leaves only while three target durations remain.", "6.2.2")
def playlist_window(walk: Walk) -> Looks:
    """Weigh playlists that a segment has just left."""
    for readings in walk.readings:
        for before, after in pairwise(_in_order(readings)):
            if after.whole is not None and after.said.media_sequence > before.said.media_sequence:
                left_s = sum(segment.duration_s for segment in after.whole.segments)
                needed_s = 3 * after.said.target_duration_s
                yield hold(left_s >= needed_s, after.fetch.url, f"{left_s:.2f} s listed", f"at least {needed_s} s")


@rule("playlist.date-time", "must", "Every media playlist has EXT-X-PROGRAM-DATE-TIME.", "4.4.4.6, B.1")
def playlist_date_time(walk: Walk) -> Looks:
    """One tag is enough."""
    for reading in walk.every_reading:
        dated = any(segment.program_unix_ns is not None for segment in reading.said.segments)
        yield hold(dated, reading.fetch.url, "none", "at least one")


@rule("playlist.clock", "should", "Program date-times follow the durations and do not lie ahead.", "4.4.4.6")
def playlist_clock(walk: Walk) -> Looks:
    """Compare neighbouring segments, and the newest one with the clock of whoever walks."""
    for reading in walk.every_reading:
        dated = [(s, s.program_unix_ns) for s in reading.said.segments if s.program_unix_ns is not None]
        for (before, before_ns), (after, after_ns) in pairwise(dated):
            if after.msn == before.msn + 1 and not after.discontinuity and before.duration_s:
                off_s = (after_ns - before_ns) / NS_PER_S - before.duration_s
                seen = f"segment {after.msn} is {off_s:+.3f} s off"
                yield hold(abs(off_s) <= DATE_TIME_S_MAX, reading.fetch.url, seen, f"{DATE_TIME_S_MAX} s")
        for segment, unix_ns in dated[-1:]:
            ahead_s = (unix_ns - reading.fetch.end_unix_ns) / NS_PER_S
            seen = f"segment {segment.msn} begins {ahead_s:.3f} s after its playlist came"
            yield hold(ahead_s <= 1.0, reading.fetch.url, seen, "1 s for clocks that differ")


@rule(
    "order.first", "must", "EXT-X-DISCONTINUITY and EXT-X-MAP stand before the first EXT-X-PART of a segment.", "4.4.4"
)
def order_first(walk: Walk) -> Looks:
    """Read the lines of each segment in their order."""
    for reading in walk.every_reading:
        parts = 0
        for line in reading.fetch.text.splitlines():
            if line.startswith("#EXT-X-PART:"):
                parts += 1
            elif line.startswith(("#EXT-X-DISCONTINUITY\n", "#EXT-X-MAP:")) or line.strip() == "#EXT-X-DISCONTINUITY":
                yield hold(not parts, reading.fetch.url, f"{line.strip()} after {parts} parts of its segment", "before")
            elif line and not line.startswith("#"):
                parts = 0


@rule("discontinuity.map", "must", "Another init section comes with EXT-X-DISCONTINUITY.", "4.4.4.3")
def discontinuity_map(walk: Walk) -> Looks:
    """Compare neighbouring segments."""
    for reading in walk.every_reading:
        for before, after in pairwise((reading.whole or reading.said).segments):
            if before.init_uri and after.init_uri and before.init_uri != after.init_uri:
                seen = f"segment {after.msn} turns from {before.init_uri} to {after.init_uri} without it"
                yield hold(after.discontinuity, reading.fetch.url, seen, "EXT-X-DISCONTINUITY")


def _constant(walk: Walk, name: str, of: Callable[[MediaPlaylist], object]) -> Iterator[Finding | None]:
    for readings in walk.readings:
        for before, after in pairwise(readings):
            seen = f"{name} {of(after.said)} after {of(before.said)}"
            yield hold(of(after.said) == of(before.said), after.fetch.url, seen, "the same for ever")


def _complete(playlist: MediaPlaylist) -> list[Segment]:
    return [segment for segment in playlist.segments if segment.uri]


def _in_order(readings: tuple[Reading, ...]) -> list[Reading]:
    """Blocking answers name what they waited for and may overtake each other on their way; plain ones may be old."""
    return sorted((reading for reading in readings if reading.fetch.wanted[0] >= 0), key=lambda reading: reading.newest)


def _peak_bps(walk: Walk, track: int) -> float:
    return max(
        (
            8 * len(fetch.body) / walk.segments[track][msn].duration_s
            for msn, (fetch, _) in walk.whole_segments[track].items()
            if msn in walk.segments[track] and walk.segments[track][msn].duration_s
        ),
        default=0.0,
    )
