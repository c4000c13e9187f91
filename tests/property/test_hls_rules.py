"""Blocking reload and the timeline, against what the rules promise for every number."""

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.hls import MediaTiming, Verdict, after, blocking_verdict
from reference_impl.domain.hls_playlist import apply_delta, parse_media_playlist
from reference_impl.streaming.playlist import Timeline, render_media

TIMING = MediaTiming()
PARTS = TIMING.parts_per_segment
numbers = st.integers(min_value=0, max_value=40)
parts = st.integers(min_value=0, max_value=PARTS - 1)


@given(numbers, parts, numbers, st.integers(min_value=-1, max_value=20))
def test_waiting_requests_become_ready_and_never_too_far(msn, part, want_msn, want_part):
    newest = (msn, part)
    while (verdict := blocking_verdict(*newest, want_msn, want_part, PARTS, TIMING.part_s)) is Verdict.WAIT:
        newest = after(*newest, PARTS)
    assert verdict is Verdict.READY or newest == (msn, part)


@given(numbers, parts)
def test_hinted_part_may_always_be_waited_for(msn, part):
    assert blocking_verdict(msn, part, *after(msn, part, PARTS), PARTS, TIMING.part_s) is Verdict.WAIT


@given(st.integers(min_value=0, max_value=10**12))
def test_every_slot_lies_in_its_part(slot):
    msn, part = TIMING.part_of(slot)
    first = TIMING.first_slot(msn) + part * TIMING.part_frames
    assert first <= slot < first + TIMING.part_frames
    assert 0 <= part < PARTS


@given(st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=60))
def test_published_parts_and_gaps_are_consecutive_and_deltas_complete_them(steps):
    timeline = Timeline(TIMING, window_segments=12)
    at, before = 1000 * PARTS, None
    for step in steps:
        at += step
        timeline.add(*divmod(at, PARTS), 1, ("init.mp4",), independent=False)
        whole = parse_media_playlist(render_media(timeline, ["v"], 0, skip=False))
        delta = parse_media_playlist(render_media(timeline, ["v"], 0, skip=True))
        assert whole.newest == divmod(at, PARTS)
        assert [s.msn for s in whole.segments] == list(range(whole.media_sequence, whole.newest[0] + 1))
        assert all(len(s.parts) in {0, PARTS} for s in whole.segments[:-1])
        if before is not None and before.segments[-1].msn >= delta.media_sequence + delta.skipped:
            completed = apply_delta(before, delta).segments
            assert [s.uri for s in completed] == [s.uri for s in whole.segments]
        before = whole
