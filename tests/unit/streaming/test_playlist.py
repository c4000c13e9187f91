"""The LL-HLS rules of playlists, row by row, on the rendered text."""

import pytest

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.hls_playlist import apply_delta, parse_master_playlist, parse_media_playlist
from reference_impl.streaming.messages import RenditionInfo
from reference_impl.streaming.playlist import Timeline, render_master, render_media

TIMING = MediaTiming()
NAMES = ["hi", "lo"]
INITS = ("init-a.mp4", "init-b.mp4")
FIRST = 1000


def timeline_of(n_parts, window=12):
    timeline = Timeline(TIMING, window)
    for number in range(n_parts):
        put(timeline, number)
    return timeline


def put(timeline, number, inits=INITS, session=1):
    msn, part = divmod(number, 6)
    return timeline.add(FIRST + msn, part, session, inits, independent=part % 3 == 0)


def text_of(timeline, *, skip=False, rendition=0):
    return render_media(timeline, NAMES, rendition, skip=skip)


def read(timeline, *, skip=False):
    return parse_media_playlist(text_of(timeline, skip=skip))


def test_header_announces_blocking_reload_hold_backs_and_the_part_target():
    playlist = read(timeline_of(8))
    assert playlist.can_block_reload
    assert playlist.version >= 9
    assert playlist.part_target_s == pytest.approx(0.32)
    assert playlist.part_hold_back_s >= 2 * playlist.part_target_s
    assert playlist.hold_back_s >= 3 * playlist.target_duration_s
    assert playlist.can_skip_until_s >= 6 * playlist.target_duration_s


def test_part_target_and_target_duration_never_change():
    timeline = timeline_of(1)
    seen = set()
    for number in (1, 2, 3, 17, 40, 41, 300):
        put(timeline, number)
        playlist = read(timeline)
        seen.add((playlist.part_target_s, playlist.target_duration_s, playlist.part_hold_back_s))
    assert len(seen) == 1


def test_every_part_lasts_at_least_85_percent_of_the_target_and_never_more():
    for segment in read(timeline_of(20)).segments:
        assert all(0.85 * 0.32 <= part.duration_s <= 0.32 + 1e-9 for part in segment.parts)


def test_segment_durations_round_to_at_most_the_target_duration():
    playlist = read(timeline_of(20))
    assert all(round(s.duration_s) <= playlist.target_duration_s for s in playlist.segments if s.uri)


def test_growing_segment_lists_its_parts_and_no_uri():
    playlist = read(timeline_of(8))
    assert [(s.msn, s.uri, len(s.parts)) for s in playlist.segments] == [(1000, "1000.m4s", 6), (1001, "", 2)]
    assert playlist.newest == (1001, 1)


@pytest.mark.parametrize(("n_parts", "hint"), [(1, "1000.1.m4s"), (6, "1001.0.m4s"), (8, "1001.2.m4s")])
def test_next_part_is_always_hinted(n_parts, hint):
    assert read(timeline_of(n_parts)).preload_hint_uri == hint


def test_parts_that_start_with_an_independent_frame_say_so():
    assert [p.independent for p in read(timeline_of(6)).segments[0].parts] == [True, False, False, True, False, False]


def test_every_other_rendition_is_reported():
    (report,) = read(timeline_of(8)).reports
    assert (report.uri, report.last_msn, report.last_part) == ("../lo/media.m3u8", 1001, 1)


def test_program_date_time_of_every_segment_is_its_media_time():
    for segment in read(timeline_of(20)).segments:
        assert segment.program_unix_ns == segment.msn * TIMING.segment_ns


def test_parts_are_listed_for_three_target_durations_from_the_end():
    playlist = read(timeline_of(12 * 6))
    listed = [s.msn - FIRST for s in playlist.segments if s.parts]
    assert listed == [8, 9, 10, 11]


def test_window_slides_and_the_media_sequence_with_it():
    playlist = read(timeline_of(20 * 6 + 1))
    assert playlist.media_sequence == FIRST + 8
    assert len([s for s in playlist.segments if s.uri]) == 12


def test_delta_update_skips_what_lies_beyond_the_skip_boundary():
    timeline = timeline_of(12 * 6)
    whole, delta = read(timeline), read(timeline, skip=True)
    assert delta.skipped == 5
    kept_s = sum(s.duration_s for s in whole.segments[delta.skipped :])
    assert kept_s >= whole.can_skip_until_s
    assert apply_delta(whole, delta).segments == whole.segments


def test_delta_update_of_a_short_playlist_is_the_whole_one():
    assert text_of(timeline_of(20), skip=True) == text_of(timeline_of(20))


def test_missing_parts_are_gaps_and_so_is_their_segment():
    timeline = timeline_of(3)
    put(timeline, 14)
    playlist = read(timeline)
    assert [p.gap for p in playlist.segments[0].parts] == [False] * 3 + [True] * 3
    assert [s.gap for s in playlist.segments] == [True, True, False]
    assert [p.gap for p in playlist.segments[2].parts] == [True, True, False]
    assert [s.msn for s in playlist.segments] == [1000, 1001, 1002]


def test_stream_that_begins_within_a_segment_begins_with_gaps():
    timeline = Timeline(TIMING, 12)
    put(timeline, 4)
    assert [p.gap for p in read(timeline).segments[0].parts] == [True] * 4 + [False]


def test_part_that_is_not_newer_is_refused():
    timeline = timeline_of(8)
    assert not put(timeline, 7)
    assert not put(timeline, 2)
    assert read(timeline).newest == (1001, 1)


def test_hole_longer_than_the_window_starts_the_playlist_anew_as_a_discontinuity():
    timeline = timeline_of(8)
    put(timeline, 6 * 100)
    playlist = read(timeline)
    assert (playlist.media_sequence, playlist.discontinuity_sequence) == (FIRST + 100, 1)
    assert len(playlist.segments) == 1


def test_changed_init_section_is_a_discontinuity_before_the_segments_first_part():
    timeline = timeline_of(6)
    put(timeline, 6, inits=("init-c.mp4", "init-d.mp4"), session=2)
    lines = text_of(timeline).splitlines()
    at = lines.index("#EXT-X-DISCONTINUITY")
    assert lines[at + 1] == '#EXT-X-MAP:URI="init-c.mp4"'
    assert lines[at + 3].startswith("#EXT-X-PART:")
    assert lines.index('#EXT-X-MAP:URI="init-a.mp4"') < at


def test_encoder_that_starts_again_with_the_same_parameters_is_a_discontinuity_too():
    timeline = timeline_of(8)
    put(timeline, 18, session=2)
    playlist = read(timeline)
    assert [s.discontinuity for s in playlist.segments] == [False, False, True, False]
    assert [s.gap for s in playlist.segments] == [False, True, True, False]
    assert text_of(timeline).count("#EXT-X-MAP") == 1


def test_another_encoder_does_not_go_on_within_a_segment():
    timeline = timeline_of(8)
    assert not put(timeline, 9, session=2)
    assert read(timeline).newest == (1001, 1)
    assert put(timeline, 12, session=2)


def test_discontinuity_that_leaves_the_window_is_counted():
    timeline = timeline_of(6)
    for number in range(6, 6 * 16):
        put(timeline, number, inits=("init-c.mp4", "init-d.mp4"), session=2)
    assert read(timeline).discontinuity_sequence == 1
    assert not any(s.discontinuity for s in read(timeline).segments)


def test_init_section_is_named_once_for_each_rendition():
    assert text_of(timeline_of(20)).count("#EXT-X-MAP") == 1
    assert "init-b.mp4" in text_of(timeline_of(20), rendition=1)


def test_playlist_without_a_part_is_not_rendered():
    with pytest.raises((LocalProtocolError, IndexError)):
        text_of(Timeline(TIMING, 12))


def test_master_playlist_lists_the_ladder_in_its_order():
    infos = [RenditionInfo(n, 854, 480, 1_250_000, "avc1.64001e", b"") for n in NAMES]
    text = render_master(infos, 25)
    assert [v.uri for v in parse_master_playlist(text).variants] == ["hi/media.m3u8", "lo/media.m3u8"]
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in text
    assert parse_master_playlist(text).steering.server_uri == "steering.json"
