"""Rules of parts as playlists declare them: durations, hold-backs, how long they are listed, gaps."""

from loadtest.streamlint.rules.rule import Looks, hold, rule
from loadtest.streamlint.walk import Ask, Walk
from reference_impl.domain.hls_playlist import MediaPlaylist, Segment

EPSILON_S = 1e-4
PART_SHARE_MIN = 0.85


@rule("part.target", "must", "A playlist with parts declares PART-TARGET.", "4.4.3.7")
def part_target(walk: Walk) -> Looks:
    """Check each playlist."""
    for reading in walk.every_reading:
        if any(segment.parts for segment in reading.said.segments):
            seen = f"PART-TARGET {reading.said.part_target_s}"
            yield hold(reading.said.part_target_s > 0, reading.fetch.url, seen, "above 0")


@rule("part.longest", "must", "No part lasts longer than PART-TARGET.", "4.4.4.9")
def part_longest(walk: Walk) -> Looks:
    """Check every part."""
    for reading in walk.every_reading:
        target_s = reading.said.part_target_s
        for segment in reading.said.segments:
            for index, part in enumerate(segment.parts):
                seen = f"part {segment.msn}.{index} of {part.duration_s} s"
                yield hold(part.duration_s <= target_s + EPSILON_S, reading.fetch.url, seen, f"{target_s} s")


@rule("part.shortest", "must", "A part lasts 85 % of PART-TARGET, except the last of a segment and gaps.", "4.4.4.9")
def part_shortest(walk: Walk) -> Looks:
    """Check every part that another one of its segment follows."""
    for reading in walk.every_reading:
        least_s = PART_SHARE_MIN * reading.said.part_target_s
        for segment in reading.said.segments:
            for index, part in enumerate(segment.parts[:-1]):
                if not part.gap:
                    seen = f"part {segment.msn}.{index} of {part.duration_s} s"
                    yield hold(part.duration_s >= least_s - EPSILON_S, reading.fetch.url, seen, f"{least_s:.3f} s")


@rule("part.adds-up", "must", "The parts of a segment last as long as the segment.", "4.4.4.9")
def part_adds_up(walk: Walk) -> Looks:
    """Check complete segments that list their parts."""
    for reading in walk.every_reading:
        for segment in reading.said.segments:
            if segment.uri and segment.parts:
                sum_s = sum(part.duration_s for part in segment.parts)
                seen = f"segment {segment.msn} of {segment.duration_s} s has parts of {sum_s:.5f} s"
                good = abs(sum_s - segment.duration_s) <= EPSILON_S * (1 + len(segment.parts))
                yield hold(good, reading.fetch.url, seen, "the same")


@rule("part.listed", "should", "Parts are listed for three target durations from the end, and not longer.", "4.4.4.9")
def part_listed(walk: Walk) -> Looks:
    """Measure how far from the end each segment ends; one part and one segment of slack either way."""
    for reading in walk.every_reading:
        if reading.said.part_target_s:
            edge_s = 3 * reading.said.target_duration_s
            for segment, from_end_s in _from_end(reading.said):
                seen = f"segment {segment.msn}, {from_end_s:.2f} s from the end, lists {len(segment.parts)} parts"
                if from_end_s + segment.duration_s < edge_s:
                    yield hold(bool(segment.parts), reading.fetch.url, seen, f"parts within {edge_s} s")
                elif from_end_s > edge_s + segment.duration_s:
                    yield hold(not segment.parts, reading.fetch.url, seen, f"none beyond {edge_s} s")


@rule("part.life", "must", "A part's bytes stay for three target durations after its tag has gone.", "6.2.2")
def part_life(walk: Walk) -> Looks:
    """Parts were asked for when they had just left."""
    for fetch in walk.asked(Ask.DROPPED_PART):
        seen = f"part {_name(fetch.wanted)} is answered with {fetch.status} as soon as it has left"
        yield hold(fetch.status == 200, fetch.url, seen, "200")


@rule("segment.life", "must", "A segment's bytes stay for the playlist's length after it has left.", "6.2.2")
def segment_life(walk: Walk) -> Looks:
    """Segments were asked for when they had just left."""
    for fetch in walk.asked(Ask.DROPPED_SEGMENT):
        seen = f"segment {fetch.wanted[0]} is answered with {fetch.status} as soon as it has left"
        yield hold(fetch.status == 200, fetch.url, seen, "200")


@rule("hold-back.part", "must", "PART-HOLD-BACK is there and at least twice PART-TARGET.", "4.4.3.8")
def hold_back_part(walk: Walk) -> Looks:
    """Check each playlist with parts."""
    yield from _part_hold_back(walk, 2)


@rule("hold-back.part-three", "should", "PART-HOLD-BACK is at least three times PART-TARGET.", "4.4.3.8")
def hold_back_part_three(walk: Walk) -> Looks:
    """Check each playlist with parts."""
    yield from _part_hold_back(walk, 3)


@rule("hold-back.segment", "must", "HOLD-BACK is at least three target durations.", "4.4.3.8")
def hold_back_segment(walk: Walk) -> Looks:
    """Check where it is given: without it, three target durations are meant."""
    for reading in walk.every_reading:
        if reading.said.hold_back_s:
            least_s = 3 * reading.said.target_duration_s
            seen = f"HOLD-BACK {reading.said.hold_back_s} s"
            yield hold(reading.said.hold_back_s >= least_s, reading.fetch.url, seen, f"at least {least_s} s")


@rule("gap.segment", "must", "A segment that lacks a part is tagged EXT-X-GAP.", "4.4.4.7, 4.4.4.9")
def gap_segment(walk: Walk) -> Looks:
    """Check complete segments with gaps among their parts."""
    for reading in walk.every_reading:
        for segment in reading.said.segments:
            missing = sum(part.gap for part in segment.parts)
            if segment.uri and missing:
                seen = f"segment {segment.msn} has {missing} parts with GAP=YES and no EXT-X-GAP"
                yield hold(segment.gap, reading.fetch.url, seen, "EXT-X-GAP")


@rule("gap.media", "must", "What is not tagged as a gap can be fetched.", "4.4.4.7, 6.2.1")
def gap_media(walk: Walk) -> Looks:
    """Check the segments that were fetched."""
    for fetch in walk.asked(Ask.SEGMENT):
        seen = f"segment {fetch.wanted[0]} is answered with {fetch.status}"
        yield hold(fetch.status == 200, fetch.url, seen, "200, or EXT-X-GAP")


def _part_hold_back(walk: Walk, times: int) -> Looks:
    for reading in walk.every_reading:
        said = reading.said
        if said.part_target_s:
            least_s = times * said.part_target_s
            seen = f"PART-HOLD-BACK {said.part_hold_back_s} s with PART-TARGET {said.part_target_s} s"
            yield hold(
                said.part_hold_back_s >= least_s - EPSILON_S, reading.fetch.url, seen, f"at least {least_s:.3f} s"
            )


def _from_end(playlist: MediaPlaylist) -> list[tuple[Segment, float]]:
    from_end_s = 0.0
    found: list[tuple[Segment, float]] = []
    for segment in reversed(playlist.segments):
        found.append((segment, from_end_s))
        from_end_s += segment.duration_s or sum(part.duration_s for part in segment.parts)
    return found


def _name(where: tuple[int, int]) -> str:
    return f"{where[0]}.{where[1]}"
