"""Rules of the media itself: parts and their parent, times, independent frames, capture times."""

from itertools import pairwise

from loadtest.streamlint.rules.rule import Finding, Looks, hold, rule
from loadtest.streamlint.walk import Ask, Fetch, Walk
from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_media import Chunk, read_chunks, read_init
from reference_impl.domain.units import NS_PER_S

DURATION_S_MAX = 0.03
"""A declared duration may be a frame off: players' buffers do not notice less."""
CAPTURE_AGE_S_MAX = 60.0
CLOCKS_S_MAX = 1.0


@rule("init.format", "must", "The init section of every segment can be fetched and read.", "4.4.4.5")
def init_format(walk: Walk) -> Looks:
    """Read each."""
    for fetch in walk.asked(Ask.INIT):
        try:
            init = read_init(fetch.body) if fetch.status == 200 else None
            seen = f"status {fetch.status}" if init is None else f"timescale {init.timescale_hz}"
            yield hold(init is not None and init.timescale_hz > 0, fetch.url, seen, "an init section")
        except RemoteProtocolError as error:
            yield Finding(fetch.url, str(error), "an init section")


@rule("part.format", "must", "A part holds whole movie fragments.", "3.1.2, 4.4.4.9")
def part_format(walk: Walk) -> Looks:
    """Read each."""
    for fetch in walk.asked(Ask.HINT):
        init = walk.init_of(fetch.track, fetch.wanted[0])
        if fetch.status == 200 and init is not None:
            try:
                samples = sum(len(chunk.samples) for chunk in read_chunks(fetch.body, init))
                yield hold(samples > 0, fetch.url, f"{samples} samples", "at least 1")
            except RemoteProtocolError as error:
                yield Finding(fetch.url, str(error), "movie fragments")


@rule("part.parent", "must", "A segment holds the samples of its parts, and no others.", "3.1.2")
def part_parent(walk: Walk) -> Looks:
    """Compare segments of which every part came."""
    for track, segments in enumerate(walk.whole_segments):
        for msn, (fetch, chunks) in segments.items():
            listed = walk.segments[track][msn].parts if msn in walk.segments[track] else ()
            parts = [walk.parts[track].get((msn, index)) for index in range(len(listed))]
            came = [part for part in parts if part is not None]
            if listed and len(came) == len(parts):
                pieces = [chunk for _, part_chunks in came for chunk in part_chunks]
                good = _samples(pieces) == _samples(chunks)
                seen = f"segment {msn}: {_sizes(chunks)}; its {len(parts)} parts: {_sizes(pieces)}"
                yield hold(good, fetch.url, seen, "the same samples")


@rule("part.duration", "must", "A part lasts as long as its playlist says.", "4.4.4.9")
def part_duration(walk: Walk) -> Looks:
    """Add up the samples."""
    for track, (msn, index), fetch, chunks in _parts(walk):
        init, segment = walk.init_of(track, msn), walk.segments[track].get(msn)
        if init is not None and segment is not None and index < len(segment.parts):
            held_s = sum(chunk.end_ticks - chunk.decode_ticks for chunk in chunks) / init.timescale_hz
            said_s = segment.parts[index].duration_s
            seen = f"part {msn}.{index} holds {held_s:.4f} s and is listed with {said_s} s"
            yield hold(abs(held_s - said_s) <= DURATION_S_MAX, fetch.url, seen, f"within {DURATION_S_MAX} s")


@rule("part.timeline", "must", "Decode times go on from part to part without a hole or a step back.", "3, 6.2.1")
def part_timeline(walk: Walk) -> Looks:
    """Compare neighbours that no gap or discontinuity parts."""
    for track, parts in enumerate(walk.parts):
        for before, after in pairwise(sorted(parts)):
            segment, init = walk.segments[track].get(after[0]), walk.init_of(track, after[0])
            if init is None or segment is None or not _neighbours(walk, track, before, after) or segment.discontinuity:
                continue
            step_s = (parts[after][1][0].decode_ticks - parts[before][1][-1].end_ticks) / init.timescale_hz
            seen = f"part {after[0]}.{after[1]} begins {step_s:+.4f} s after the end of {before[0]}.{before[1]}"
            yield hold(abs(step_s) <= DURATION_S_MAX, parts[after][0].url, seen, f"within {DURATION_S_MAX} s")


@rule("part.independent", "must", "A part with INDEPENDENT=YES begins with a frame that needs no other.", "4.4.4.9")
def part_independent(walk: Walk) -> Looks:
    """Read the first sample's flags."""
    for track, (msn, index), fetch, chunks in _parts(walk):
        segment = walk.segments[track].get(msn)
        if segment is not None and index < len(segment.parts) and segment.parts[index].independent:
            good = bool(chunks[0].samples) and chunks[0].samples[0].sync
            yield hold(good, fetch.url, f"part {msn}.{index} begins with a frame that is not", "a sync sample")


@rule("segment.independent", "must", "Every segment holds an independent frame, and a part says so.", "3.1.2, 6.2.1")
def segment_independent(walk: Walk) -> Looks:
    """Check complete segments that list their parts."""
    for track, segments in enumerate(walk.segments):
        for msn, segment in segments.items():
            if segment.uri and segment.parts and not segment.gap:
                good = any(part.independent for part in segment.parts)
                seen = f"segment {msn}: none of {len(segment.parts)} parts has INDEPENDENT=YES"
                yield hold(good, walk.tracks[track].url, seen, "at least one")


@rule("part.capture-time", "should", "A part carries its capture time in prft, and it is plausible.", "CMAF 7.3.2.4")
def part_capture_time(walk: Walk) -> Looks:
    """Compare it with the clock of whoever walks."""
    for _, (msn, index), fetch, chunks in _parts(walk):
        captured = chunks[0].captured_unix_ns
        age_s = (fetch.end_unix_ns - captured) / NS_PER_S if captured is not None else None
        seen = f"part {msn}.{index}: " + ("no prft" if age_s is None else f"taken {age_s:.3f} s before it came")
        good = age_s is not None and -CLOCKS_S_MAX <= age_s <= CAPTURE_AGE_S_MAX
        yield hold(good, fetch.url, seen, f"0 to {CAPTURE_AGE_S_MAX:.0f} s before")


def _parts(walk: Walk) -> list[tuple[int, tuple[int, int], Fetch, tuple[Chunk, ...]]]:
    return [
        (track, where, fetch, chunks)
        for track, parts in enumerate(walk.parts)
        for where, (fetch, chunks) in parts.items()
    ]


def _neighbours(walk: Walk, track: int, before: tuple[int, int], after: tuple[int, int]) -> bool:
    if before[0] == after[0]:
        return after[1] == before[1] + 1
    last = walk.segments[track].get(before[0])
    return after == (before[0] + 1, 0) and last is not None and bool(last.uri) and before[1] + 1 == len(last.parts)


def _samples(chunks: tuple[Chunk, ...] | list[Chunk]) -> list[tuple[int, int, bytes]]:
    found = []
    for chunk in chunks:
        at = chunk.decode_ticks
        for sample in chunk.samples:
            found.append((at, sample.ticks, sample.data))
            at += sample.ticks
    return found


def _sizes(chunks: tuple[Chunk, ...] | list[Chunk]) -> str:
    samples = [sample for chunk in chunks for sample in chunk.samples]
    return f"{len(samples)} samples of {sum(len(sample.data) for sample in samples):,} bytes"
