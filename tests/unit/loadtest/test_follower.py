"""Which part comes next."""

import pytest

from loadtest.viewing.follower import Follower, Throughput, frames_in
from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.units import NS_PER_S

ZERO_NS = 1_790_000_000 * NS_PER_S
PARTS = 3
PART_S = 0.32


def playlist(first: int, segments: int, parts: int, *, gaps: frozenset = frozenset(), skipped: int = 0) -> bytes:
    """Complete segments from a first number on, then a growing one of so many parts; every first part is a key."""
    lines = [
        "#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-TARGETDURATION:1",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,PART-HOLD-BACK=0.960",
        f"#EXT-X-PART-INF:PART-TARGET={PART_S}", f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}" if skipped else '#EXT-X-MAP:URI="init.mp4"',
    ]  # fmt: skip
    for msn in range(first + skipped, first + segments + 1):
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(msn)}")
        complete = msn < first + segments
        for part in range(PARTS if complete else parts):
            gap, key = ",GAP=YES" * ((msn, part) in gaps), ",INDEPENDENT=YES" * (part == 0)
            lines.append(f'#EXT-X-PART:DURATION={PART_S},URI="{msn}.{part}.m4s"{key}{gap}')
        lines += [f"#EXTINF:{PARTS * PART_S},", f"{msn}.m4s"] * complete
    lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{first + segments}.{parts}.m4s"')
    return "\n".join(lines).encode()


def _date_time(msn: int) -> str:
    ms = 960 * msn
    return f"2026-09-21T14:{ms // 60_000:02}:{ms // 1000 % 60:02}.{ms % 1000:03}Z"


def following(text: bytes) -> Follower:
    follower = Follower()
    follower.load(text)
    return follower


def test_beginning_is_the_last_independent_part_at_least_the_hold_back_from_the_end() -> None:
    follower = following(playlist(10, 4, 1))
    follower.begin(round(0.96 * NS_PER_S))
    assert follower.wanted == (13, 0)
    follower.begin(round(0.2 * NS_PER_S))
    assert follower.wanted == (14, 0)


def test_listed_parts_come_one_after_the_other_and_then_the_hinted_one() -> None:
    follower = following(playlist(10, 4, 1))
    follower.wanted = (13, 1)
    seen = []
    for _ in range(4):
        spot = follower.spot()
        assert spot is not None
        seen.append((spot.msn, spot.part, spot.listed, spot.uri))
        follower.took(spot)
    assert seen == [(13, 1, True, "13.1.m4s"), (13, 2, True, "13.2.m4s"), (14, 0, True, "14.0.m4s"),
                    (14, 1, False, "14.1.m4s")]  # fmt: skip
    assert follower.spot() is None, "what comes after the hint is not known yet"
    assert follower.reload_query() == "?_HLS_msn=14&_HLS_part=2&_HLS_skip=YES"


def test_parts_cover_the_media_timeline_without_holes() -> None:
    follower = following(playlist(10, 4, 2))
    follower.wanted = (12, 0)
    ends = []
    while (spot := follower.spot()) is not None:
        assert not ends or spot.start_ns == ends[-1]
        ends.append(spot.end_ns)
        follower.took(spot)
    assert len(ends) == 9
    assert ends[-1] == follower.newest_ns + round(PART_S * NS_PER_S)


def test_last_part_of_a_segment_is_followed_by_the_next_segment_once_the_playlist_says_so() -> None:
    follower = following(playlist(10, 4, 2))
    follower.wanted = (14, 2)
    spot = follower.spot()
    assert spot is not None
    follower.took(spot)
    follower.load(playlist(10, 5, 0))
    following_spot = follower.spot()
    assert following_spot is not None
    assert (following_spot.msn, following_spot.part) == (15, 0)


def test_gaps_are_passed_over() -> None:
    follower = following(playlist(10, 4, 2, gaps=frozenset({(13, 1), (13, 2), (14, 0)})))
    follower.wanted = (13, 1)
    spot = follower.spot()
    assert spot is not None
    assert (spot.msn, spot.part) == (14, 1)


def test_part_that_left_the_playlist_is_an_error_that_says_so() -> None:
    follower = following(playlist(10, 4, 1))
    follower.wanted = (9, 0)
    with pytest.raises(LookupError, match=r"part 9\.0"):
        follower.spot()


def test_update_completes_the_playlist_and_one_that_does_not_fit_asks_for_a_whole_one() -> None:
    follower = following(playlist(10, 4, 1))
    follower.load(playlist(10, 4, 2, skipped=2))
    assert follower.newest == (14, 1)
    with pytest.raises(RemoteProtocolError):
        follower.load(playlist(20, 4, 2, skipped=2))
    follower.forget()
    follower.wanted = (14, 2)
    assert follower.reload_query() == "?_HLS_msn=14&_HLS_part=2"
    assert follower.spot() is None


def test_first_request_asks_for_nothing_in_particular() -> None:
    assert Follower().reload_query() == ""


def test_fast_link_climbs_and_small_answers_say_nothing() -> None:
    link = Throughput()
    link.saw(500, 0.1)
    assert link.choose([300e3, 1000e3], 0, 1.0) == 0
    link.saw(200_000, 0.1)
    assert link.choose([300e3, 1000e3], 0, 1.0) == 1


def test_frames_of_a_part_are_counted_by_its_box() -> None:
    assert frames_in(b"\0\0\0\x20trun\0\0\0\1\0\0\0\x08rest") == 8
    assert frames_in(b"nothing") == 1


def test_after_a_part_that_was_given_up_the_next_independent_one_is_wanted() -> None:
    follower = following(playlist(10, 4, 2))
    follower.wanted = (12, 1)
    spot = follower.spot()
    assert spot is not None
    follower.give_up(spot)
    after = follower.spot()
    assert after is not None
    assert (after.msn, after.part, after.independent) == (13, 0, True)


def test_independent_part_that_is_not_there_yet_is_waited_for_and_never_the_hinted_one_in_between() -> None:
    follower = following(playlist(10, 4, 1))
    follower.wanted = (14, 0)
    spot = follower.spot()
    assert spot is not None
    follower.give_up(spot)
    assert follower.spot() is None
    follower.load(playlist(10, 4, 2))
    assert follower.spot() is None
    follower.load(playlist(10, 5, 0))
    hint = follower.spot()
    assert hint is not None
    assert (hint.msn, hint.part) == (15, 0)


def test_after_a_gap_that_is_longer_than_what_may_be_caught_up_only_what_follows_it_is_wanted() -> None:
    """A viewer that wanted what lies before the gap would be too late for it, and begin again for ever."""
    gap = frozenset((msn, part) for msn in range(12, 20) for part in range(PARTS))
    follower = following(playlist(10, 10, 2, gaps=gap))
    follower.begin(960_000_000)
    assert follower.wanted == (11, 0), "the last one that the hold-back allows"
    follower.begin(960_000_000, behind_ns_max=4e9)
    assert follower.wanted == (20, 0)
