"""Rules of blocking reload: the 200, 400 and 503 of playlist requests, delta updates, how far renditions are apart."""

from itertools import groupby

from loadtest.streamlint.rules.rule import Looks, hold, rule
from loadtest.streamlint.walk import RELOADS, Ask, Fetch, Reading, Walk, newest_part
from reference_impl.domain.hls_playlist import MediaPlaylist

AT_ONCE_S_MAX = 0.5
"""An answer without waiting; network and a loaded server included, a loaded walker not. An **assumption**."""
SLACK_S = 0.5
LAST_PART = 1 << 30


@rule("reload.offered", "must", "A low-latency playlist offers CAN-BLOCK-RELOAD=YES.", "4.4.3.8, B.1")
def reload_offered(walk: Walk) -> Looks:
    """Check each playlist with parts."""
    for reading in walk.every_reading:
        if reading.said.part_target_s:
            yield hold(reading.said.can_block_reload, reading.fetch.url, "CAN-BLOCK-RELOAD is not YES", "YES")


@rule("reload.waits", "must", "A blocking answer lists the part that was asked for.", "6.2.5.2")
def reload_waits(walk: Walk) -> Looks:
    """Compare what was asked with what came: an unchanged playlist upsets players."""
    for reading in _answers(walk, Ask.RELOAD, Ask.DELTA):
        asked, newest = reading.fetch.wanted, reading.newest
        seen = f"asked for {_name(asked)}, the newest is {_name(newest)}"
        yield hold(newest >= asked, reading.fetch.url, seen, f"{_name(asked)} or newer")


@rule("reload.segment", "must", "_HLS_msn alone waits until that segment is whole.", "6.2.5.2")
def reload_segment(walk: Walk) -> Looks:
    """Check that the segment has its address."""
    for reading in _answers(walk, Ask.RELOAD_SEGMENT):
        msn = reading.fetch.wanted[0]
        whole = any(segment.msn >= msn and segment.uri for segment in reading.said.segments)
        yield hold(whole, reading.fetch.url, f"segment {msn} is not whole in the answer", "it is whole")


@rule("reload.next-part", "must", "A part past a segment's last one means the first of the next segment.", "6.2.5.2")
def reload_next_part(walk: Walk) -> Looks:
    """Check that the next segment has begun."""
    for fetch in walk.asked(Ask.RELOAD_NEXT):
        newest = next((r.newest for r in walk.readings[fetch.track] if r.fetch is fetch), None)
        seen = f"status {fetch.status}" + (f", the newest is {_name(newest)}" if newest else "")
        good = newest is not None and newest >= (fetch.wanted[0] + 1, 0)
        yield hold(good, fetch.url, seen, f"{fetch.wanted[0] + 1}.0 or newer")


@rule("reload.answered", "must", "What is hinted may be waited for: the answer is 200, or 503 after three durations.",
      "6.2.5.2")  # fmt: skip
def reload_answered(walk: Walk) -> Looks:
    """Check status and time of every blocking request for what comes next."""
    for fetch in walk.asked(*RELOADS):
        held_s_max = 3 * _target_duration_s(walk, fetch)
        timed_out = fetch.status == 503 and fetch.took_s >= held_s_max - SLACK_S
        in_time = fetch.status == 200 and fetch.waited_s <= held_s_max + SLACK_S
        seen = f"status {fetch.status} after {fetch.took_s:.2f} s"
        yield hold(timed_out or in_time, fetch.url, seen, f"200 within {held_s_max} s, then 503")


@rule("reload.old", "must", "An old segment number is answered at once with the current playlist.", "6.2.5.2")
def reload_old(walk: Walk) -> Looks:
    """Compare with the newest part known when it was asked; a cache may be half a target duration behind."""
    for fetch in walk.asked(Ask.OLD_SEGMENT):
        known = max(
            (r.newest for r in walk.readings[fetch.track] if r.fetch.end_ns <= fetch.asked_ns), default=(-1, -1)
        )
        newest = next((r.newest for r in walk.readings[fetch.track] if r.fetch is fetch), None)
        whole = newest is not None and newest[0] >= known[0] - 1
        seen = f"status {fetch.status} after {fetch.waited_s:.2f} s" + (f", newest {_name(newest)}" if newest else "")
        allowed = f"200 within {AT_ONCE_S_MAX} s that lists {_name(known)} or the segment before"
        yield hold(whole and fetch.waited_s <= AT_ONCE_S_MAX, fetch.url, seen, allowed)


@rule("reload.part-alone", "must", "_HLS_part without _HLS_msn is answered with 400.", "6.2.5.2")
def reload_part_alone(walk: Walk) -> Looks:
    """Look at the status."""
    yield from _refused(walk, Ask.PART_WITHOUT_SEGMENT, "400 at once")


@rule("reload.far-segment", "must", "A segment more than two beyond the last is answered with 400.", "6.2.5.2")
def reload_far_segment(walk: Walk) -> Looks:
    """Look at the status."""
    yield from _refused(walk, Ask.FAR_SEGMENT, "400 at once")


@rule("reload.far-part", "must", "A part further ahead than the advance limit of three seconds is answered with 400.",
      "6.2.5.2")  # fmt: skip
def reload_far_part(walk: Walk) -> Looks:
    """Look at the status."""
    yield from _refused(walk, Ask.FAR_PART, "400 at once")


@rule("delta.boundary", "must", "CAN-SKIP-UNTIL is at least six target durations.", "4.4.3.8")
def delta_boundary(walk: Walk) -> Looks:
    """Check where it is given."""
    for reading in walk.every_reading:
        if reading.said.can_skip_until_s:
            least_s = 6 * reading.said.target_duration_s
            seen = f"CAN-SKIP-UNTIL {reading.said.can_skip_until_s} s"
            yield hold(reading.said.can_skip_until_s >= least_s, reading.fetch.url, seen, f"at least {least_s} s")


@rule("delta.skips", "must", "_HLS_skip=YES is answered with EXT-X-SKIP once there is enough to skip.", "6.2.5.1")
def delta_skips(walk: Walk) -> Looks:
    """Count the segments that end before the skip boundary; one more or less for a playlist that just grew."""
    for reading in _answers(walk, Ask.DELTA):
        before = _whole_before(walk, reading.fetch)
        if before is None or not reading.said.can_skip_until_s:
            continue
        due = _skippable(before)
        seen = f"{reading.said.skipped} segments skipped"
        if due > 1:
            yield hold(reading.said.skipped >= due - 1, reading.fetch.url, seen, f"about {due}")
        yield hold(reading.said.skipped <= due + 2, reading.fetch.url, seen, f"none within CAN-SKIP-UNTIL: about {due}")


@rule("delta.complete", "must", "A delta update completes the playlist before it to the whole one.", "6.2.5.1")
def delta_complete(walk: Walk) -> Looks:
    """Compare with a whole playlist that has the same newest part."""
    for readings in walk.readings:
        whole = {r.newest: r.said for r in readings if r.fetch.ask is Ask.RELOAD}
        for reading in readings:
            if not reading.said.skipped:
                continue
            twin = whole.get(reading.newest)
            if reading.whole is None:
                yield hold(False, reading.fetch.url, reading.problem, "only segments skipped that were listed before")
            elif twin is not None:
                seen = f"segments {_span(reading.whole)} instead of {_span(twin)}"
                same = [s.uri for s in reading.whole.segments] == [s.uri for s in twin.segments]
                yield hold(same, reading.fetch.url, seen, "the same segments")


@rule("renditions.together", "must", "Renditions are at most one part apart.", "B.1")
def renditions_together(walk: Walk) -> Looks:
    """Compare what the blocking answers for one part list as newest when they come within a part of each other."""
    answers = sorted(_answers(walk, Ask.RELOAD, Ask.DELTA), key=lambda reading: reading.fetch.wanted)
    for wanted, group in groupby(answers, key=lambda reading: reading.fetch.wanted):
        same = list(group)
        if len({reading.fetch.track for reading in same}) > 1:
            came_s = {r.fetch.track: r.fetch.end_ns / 1e9 for r in same}
            apart_s = max(came_s.values()) - min(came_s.values())
            allowed_s = same[0].said.part_target_s + SLACK_S
            seen = f"part {_name(wanted)} was listed {apart_s:.2f} s apart in {len(same)} renditions"
            yield hold(apart_s <= allowed_s, same[0].fetch.url, seen, f"{allowed_s:.2f} s")


def _refused(walk: Walk, ask: Ask, allowed: str) -> Looks:
    for fetch in walk.asked(ask):
        seen = f"status {fetch.status} after {fetch.waited_s:.2f} s"
        yield hold(fetch.status == 400 and fetch.waited_s <= AT_ONCE_S_MAX, fetch.url, seen, allowed)


def _answers(walk: Walk, *asks: Ask) -> list[Reading]:
    return [reading for reading in walk.every_reading if reading.fetch.ask in asks]


def _target_duration_s(walk: Walk, fetch: Fetch) -> int:
    return max((reading.said.target_duration_s for reading in walk.readings[fetch.track]), default=0)


def _whole_before(walk: Walk, fetch: Fetch) -> MediaPlaylist | None:
    known = [r.whole for r in walk.readings[fetch.track] if r.whole is not None and r.fetch.end_ns <= fetch.asked_ns]
    return max(known, key=newest_part, default=None)


def _skippable(playlist: MediaPlaylist) -> int:
    boundary_s = playlist.can_skip_until_s
    from_end_s, skippable = 0.0, 0
    for segment in reversed(playlist.segments):
        skippable += from_end_s >= boundary_s
        from_end_s += segment.duration_s or sum(part.duration_s for part in segment.parts)
    return skippable


def _span(playlist: MediaPlaylist) -> str:
    numbers = [segment.msn for segment in playlist.segments]
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "none"


def _name(where: tuple[int, int]) -> str:
    return f"{where[0]}" if where[1] in {-1, LAST_PART} else f"{where[0]}.{where[1]}"
