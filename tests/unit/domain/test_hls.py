import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming, Verdict, after, blocking_verdict, part_filmed_ns, playlist_age_s_max

PARTS, PART_S = 6, 0.32


def verdict(newest, msn, part=-1):
    return blocking_verdict(*newest, msn, part, PARTS, PART_S)


def test_defaults_are_eight_frame_parts_of_320_ms_in_segments_of_1920_ms():
    timing = MediaTiming()
    assert timing.part_s == pytest.approx(0.32)
    assert timing.segment_ns == 1_920_000_000
    assert timing.target_duration_s == 2


def test_hold_backs_and_skip_boundary_keep_the_drafts_distances():
    timing = MediaTiming()
    assert timing.part_hold_back_s >= 3 * timing.part_s
    assert timing.hold_back_s >= 3 * timing.target_duration_s
    assert timing.skip_until_s >= 6 * timing.target_duration_s
    assert timing.blocked_s_max == 3 * timing.target_duration_s


@pytest.mark.parametrize(
    ("change", "word"),
    [({"fps": 30}, "fps is 30"), ({"fps": 0}, "fps is 0"), ({"gop_frames": 20}, "gop_frames is 20")],
)
def test_timing_that_does_not_divide_is_refused_with_its_value(change, word):
    with pytest.raises(ConfigError, match=word):
        MediaTiming(**change)


@pytest.mark.parametrize(
    ("newest", "msn", "part", "expected"),
    [
        ((10, 2), 10, 2, Verdict.READY),
        ((10, 2), 10, 3, Verdict.WAIT),
        ((10, 2), 11, 0, Verdict.WAIT),
        ((10, 2), 9, -1, Verdict.READY),
        ((10, 2), 10, -1, Verdict.WAIT),
        ((10, 5), 10, -1, Verdict.READY),
        ((10, 2), 1, -1, Verdict.READY),  # old: the whole current playlist at once
        ((10, 2), 3, 40, Verdict.READY),
        ((10, 2), 11, -1, Verdict.WAIT),
        ((10, 2), 12, -1, Verdict.TOO_FAR),  # the last complete segment is 9
        ((10, 5), 12, -1, Verdict.WAIT),
        ((10, 5), 13, -1, Verdict.TOO_FAR),
        ((10, 0), 10, 9, Verdict.WAIT),  # 3 s are nine parts of 320 ms
        ((10, 0), 10, 10, Verdict.TOO_FAR),
        ((10, 5), 10, 6, Verdict.WAIT),  # past the last part: part 0 of the next segment
        ((11, 0), 10, 6, Verdict.READY),
    ],
)
def test_blocking_verdict_follows_the_draft(newest, msn, part, expected):
    assert verdict(newest, msn, part) is expected


def test_part_after_the_last_is_the_next_segments_first():
    assert after(7, 4, PARTS) == (7, 5)
    assert after(7, 5, PARTS) == (8, 0)


def test_part_is_filmed_when_its_last_frame_is_taken():
    timing = MediaTiming()
    assert part_filmed_ns(2, 1, 8 * timing.frame_ns, timing.frame_ns, PARTS) == (2 * 48 + 15) * timing.frame_ns


@pytest.mark.parametrize(
    ("blocking", "ok", "durations"), [(True, True, 6), (True, False, 4), (False, True, 0.5), (False, False, 1)]
)
def test_playlists_may_be_cached_for_the_drafts_lifetimes(blocking, ok, durations):
    assert playlist_age_s_max(2, blocking=blocking, ok=ok) == 2 * durations
