import pytest

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_playlist import apply_delta, parse_master_playlist, parse_media_playlist

HEAD = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n"


def test_segments_are_numbered_from_the_media_sequence():
    playlist = parse_media_playlist(HEAD + "#EXT-X-MEDIA-SEQUENCE:5\n#EXTINF:1.92,\na\n#EXTINF:1.92,\nb\n")
    assert [(s.msn, s.uri, s.duration_s) for s in playlist.segments] == [(5, "a", 1.92), (6, "b", 1.92)]


def test_growing_segment_has_parts_and_no_uri():
    playlist = parse_media_playlist(HEAD + '#EXT-X-PART:DURATION=0.32,URI="p",INDEPENDENT=YES\n')
    assert playlist.segments[-1].uri == ""
    assert playlist.segments[-1].parts[0].independent
    assert playlist.newest == (0, 0)


def test_empty_playlist_has_no_newest_part():
    assert parse_media_playlist(HEAD).newest == (-1, -1)


def test_unknown_tags_and_comments_are_passed_over():
    assert parse_media_playlist(HEAD + "#EXT-X-FUTURE:1\n# hello\n").segments == ()


def test_program_date_time_is_read_to_the_millisecond():
    playlist = parse_media_playlist(HEAD + "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z\n#EXTINF:2,\na\n")
    assert playlist.segments[0].program_unix_ns == 1_767_323_045_678_000_000


@pytest.mark.parametrize("text", ["", "<html>", "EXTM3U"])
def test_what_is_no_playlist_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="not a playlist"):
        parse_media_playlist(text)


@pytest.mark.parametrize("line", ["#EXT-X-TARGETDURATION:x", '#EXT-X-PART:URI="p"', "#EXTINF:abc,", "#EXT-X-MAP:A=1"])
def test_unreadable_tag_is_refused_with_its_line(line):
    with pytest.raises(RemoteProtocolError, match=line[:12]):
        parse_media_playlist(HEAD + line + "\n")


def test_delta_is_completed_from_the_playlist_before():
    before = parse_media_playlist(HEAD + '#EXT-X-MAP:URI="i"\n' + "".join(f"#EXTINF:2,\n{n}\n" for n in range(4)))
    delta = parse_media_playlist(
        HEAD + "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXTINF:2,\n3\n#EXTINF:2,\n4\n"
    )
    whole = apply_delta(before, delta)
    assert [s.uri for s in whole.segments] == ["1", "2", "3", "4"]
    assert {s.init_uri for s in whole.segments} == {"i"}
    assert whole.skipped == 0


def test_delta_over_unknown_segments_is_refused():
    before = parse_media_playlist(HEAD + "#EXTINF:2,\n0\n")
    delta = parse_media_playlist(HEAD + "#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXTINF:2,\n5\n")
    with pytest.raises(RemoteProtocolError, match="skips segment 3"):
        apply_delta(before, delta)


def test_variants_are_read_with_their_size_and_codec():
    text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=125,RESOLUTION=854x480,CODECS="avc1.64001e"\n480p/media.m3u8\n'
    (variant,) = parse_master_playlist(text).variants
    assert (variant.uri, variant.bandwidth_bps, variant.width, variant.height) == ("480p/media.m3u8", 125, 854, 480)


def test_variant_of_sound_alone_has_no_size_and_groups_and_steering_are_read():
    text = """#EXTM3U
#EXT-X-CONTENT-STEERING:SERVER-URI="s.json",PATHWAY-ID="a"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="English",URI="audio.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="muxed"
#EXT-X-STREAM-INF:BANDWIDTH=64000,AUDIO="g",PATHWAY-ID="a"
only.m3u8
"""
    master = parse_master_playlist(text)
    (variant,) = master.variants
    assert (variant.width, variant.height, variant.codecs, variant.audio, variant.pathway) == (0, 0, "", "g", "a")
    assert [(audio.uri, audio.name) for audio in master.audio] == [("audio.m3u8", "English")]
    assert (master.steering.server_uri, master.steering.pathway) == ("s.json", "a")


def test_report_without_a_part_is_read():
    text = '#EXTM3U\n#EXT-X-RENDITION-REPORT:URI="../b.m3u8",LAST-MSN=7\n'
    assert [(r.last_msn, r.last_part) for r in parse_media_playlist(text).reports] == [(7, -1)]


def test_variant_without_bandwidth_is_refused():
    with pytest.raises(RemoteProtocolError, match="variant"):
        parse_master_playlist("#EXTM3U\n#EXT-X-STREAM-INF:RESOLUTION=2x2\nv.m3u8\n")
