"""Rules of what a playlist promises: the next part, and how far the other renditions are."""

from urllib.parse import urljoin

from loadtest.streamlint.rules.rule import Looks, hold, rule
from loadtest.streamlint.walk import Ask, Walk
from reference_impl.domain.hls_playlist import MediaPlaylist
from reference_impl.domain.units import NS_PER_S

LINE_SPEED_SHARE_MAX = 0.5
"""A whole part at line speed comes in much less than its duration; a trickled one takes most of it."""
LINE_SPEED_S_MIN = 0.05
"""A machine's hiccup is no trickle."""


@rule("hint.next", "must", "A playlist that grows hints its next part.", "4.4.5.3, B.1")
def hint_next(walk: Walk) -> Looks:
    """Check each playlist with parts."""
    for reading in walk.every_reading:
        if reading.said.part_target_s:
            yield hold(bool(reading.said.preload_hint_uri), reading.fetch.url, "no EXT-X-PRELOAD-HINT of a part", "one")


@rule("hint.true", "must", "The hinted address becomes the next part's.", "4.4.5.3")
def hint_true(walk: Walk) -> Looks:
    """Look the part up in a later playlist; a gap or a discontinuity may void a hint."""
    for track, readings in enumerate(walk.readings):
        for reading in readings:
            where = _next(reading.whole or reading.said)
            segment = walk.segments[track].get(where[0])
            if not reading.said.preload_hint_uri or segment is None or where[1] >= len(segment.parts):
                continue
            part = segment.parts[where[1]]
            if not part.gap and not segment.discontinuity:
                seen = f"hinted {reading.said.preload_hint_uri}, then listed {part.uri} as {where[0]}.{where[1]}"
                yield hold(part.uri == reading.said.preload_hint_uri, reading.fetch.url, seen, "the same address")


@rule("hint.held", "must", "A request for the hinted part is held until the part is there.", "6.2.6")
def hint_held(walk: Walk) -> Looks:
    """Check every hinted part that later was listed and is no gap."""
    for fetch in walk.asked(Ask.HINT):
        segment = walk.segments[fetch.track].get(fetch.wanted[0])
        if segment is not None and fetch.wanted[1] < len(segment.parts) and not segment.parts[fetch.wanted[1]].gap:
            seen = f"status {fetch.status} after {fetch.took_s:.2f} s"
            yield hold(fetch.status == 200, fetch.url, seen, "200")


@rule(
    "hint.line-speed", "must", "No byte of a hinted part is sent before the whole can be sent at line speed.", "6.2.6"
)
def hint_line_speed(walk: Walk) -> Looks:
    """Time the body from its first byte to its last; where most are slow the sender is, not the way."""
    for track, readings in enumerate(walk.readings):
        target_s = max((reading.said.part_target_s for reading in readings), default=0.0)
        came = [fetch for fetch in walk.asked(Ask.HINT) if fetch.track == track and fetch.status == 200]
        if target_s and came:
            took_s = sorted((fetch.end_ns - fetch.first_byte_ns) / NS_PER_S for fetch in came)[len(came) // 2]
            allowed_s = max(LINE_SPEED_SHARE_MAX * target_s, LINE_SPEED_S_MIN)
            seen = f"half of {len(came)} parts took {took_s:.3f} s or more from the first byte to the last"
            yield hold(took_s <= allowed_s, walk.tracks[track].url, seen, f"{allowed_s:.3f} s")


@rule("report.each", "must", "Every other rendition is reported.", "4.4.5.4, B.1")
def report_each(walk: Walk) -> Looks:
    """Look for each of them in every playlist."""
    for track, readings in enumerate(walk.readings):
        others = {other.url for index, other in enumerate(walk.tracks) if index != track}
        for reading in readings if others else ():
            reported = {urljoin(walk.tracks[track].url, report.uri) for report in reading.said.reports}
            missing = sorted(others - reported)
            yield hold(not missing, reading.fetch.url, f"none of {', '.join(missing)}", "one for each other rendition")


@rule("report.true", "must", "A report names the rendition's newest segment and part, within one part.", "4.4.5.4")
def report_true(walk: Walk) -> Looks:
    """Compare with what that rendition's own playlists listed before and after; reports may be one part behind."""
    urls = [track.url for track in walk.tracks]
    for track, readings in enumerate(walk.readings):
        for reading in readings:
            for report in reading.said.reports:
                url = urljoin(walk.tracks[track].url, report.uri)
                if url not in urls or reading.fetch.wanted[0] < 0:
                    continue
                newest = reading.newest
                told = (report.last_msn, report.last_part)
                seen = f"{report.uri}: LAST-MSN {told[0]}, LAST-PART {told[1]}, here {newest[0]}.{newest[1]} is newest"
                yield hold(_near(told, newest, reading.said), reading.fetch.url, seen, "one part from it")


def _next(playlist: MediaPlaylist) -> tuple[int, int]:
    last = playlist.segments[-1]
    return (last.msn + 1, 0) if last.uri else (last.msn, len(last.parts))


def _near(told: tuple[int, int], newest: tuple[int, int], playlist: MediaPlaylist) -> bool:
    if told[0] == newest[0]:
        return abs(told[1] - newest[1]) <= 1
    lengths = {segment.msn: len(segment.parts) for segment in playlist.segments}
    first, then = sorted((told, newest))
    return then[0] == first[0] + 1 and then[1] == 0 and first[1] + 1 >= lengths.get(first[0], first[1] + 1)
