"""An origin's stream: blocking, hints, lifetimes, without a socket."""

import asyncio

import pytest

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.hls_playlist import parse_media_playlist
from reference_impl.streaming.http import Pending, Response
from reference_impl.streaming.messages import PartPush, RenditionInfo, StreamInfo
from reference_impl.streaming.stream import Stream

TIMING = MediaTiming(fps=50, part_frames=2, parts_per_segment=3, gop_frames=6)


def info(init=b"init", timing=TIMING, session=1):
    return StreamInfo(
        1, session, timing, tuple(RenditionInfo(name, 320, 180, 1000, "avc1.x", init) for name in ("hi", "lo"))
    )


def push(msn, part):
    return PartPush(msn, part, part == 0, 2, 0, (b"hi%d.%d;" % (msn, part), b"lo%d.%d;" % (msn, part)))


@pytest.fixture
async def stream():
    stream = Stream(info(), window_segments=4)
    for number in range(8):
        stream.publish(push(*divmod(100 * 3 + number, 3)))
    yield stream
    stream.close()


def get(stream, name="media.m3u8", query="", rendition="hi"):
    return stream.answer(rendition, name, query)


async def wait(answer):
    assert isinstance(answer, Pending)
    return answer.finish(await asyncio.wait([answer.future]) and answer.future)


def age_s(response):
    return response.head.decode().partition("max-age=")[2].partition("\r\n")[0]


async def test_plain_request_is_answered_at_once_with_half_a_target_duration(stream):
    response = get(stream)
    assert response.status == 200
    assert parse_media_playlist(response.body.decode()).newest == (102, 1)


async def test_request_for_what_exists_is_answered_at_once_and_lives_six_durations(stream):
    response = get(stream, query="_HLS_msn=102&_HLS_part=1")
    assert (response.status, age_s(response)) == (200, "6")


async def test_request_for_the_next_part_waits_for_it(stream):
    answer = get(stream, query="_HLS_msn=102&_HLS_part=2")
    stream.publish(push(102, 2))
    response = await wait(answer)
    assert parse_media_playlist(response.body.decode()).newest == (102, 2)


async def test_request_for_a_segment_waits_for_the_whole_of_it(stream):
    answer = get(stream, query="_HLS_msn=103")
    for where in ((102, 2), (103, 0), (103, 1)):
        stream.publish(push(*where))
        assert not answer.future.done()
    stream.publish(push(103, 2))
    assert (await wait(answer)).status == 200


async def test_same_wish_shares_one_wait(stream):
    first, second = (get(stream, query=q) for q in ("_HLS_msn=103", "_HLS_msn=103&session=2"))
    assert first.future is second.future


@pytest.mark.parametrize("query", ["_HLS_part=1", "_HLS_msn=104", "_HLS_msn=102&_HLS_part=90", "_HLS_msn=abc"])
async def test_impossible_wish_is_400(stream, query):
    assert get(stream, query=query).status == 400


async def test_old_segment_number_gets_the_whole_current_playlist(stream):
    response = get(stream, query="_HLS_msn=5")
    assert parse_media_playlist(response.body.decode()).newest == (102, 1)


@pytest.mark.parametrize(
    ("query", "kept_s"), [("_HLS_msn=102&_HLS_part=0", "6"), ("_HLS_msn=101", "6"), ("_HLS_msn=100", "")]
)
async def test_current_playlist_for_an_old_number_is_not_kept_as_if_it_had_been_waited_for(stream, query, kept_s):
    assert age_s(get(stream, query=query)) == kept_s


async def test_wait_beyond_three_target_durations_is_503(stream, monkeypatch):
    monkeypatch.setattr(MediaTiming, "blocked_s_max", 0.05)
    assert (await wait(get(stream, query="_HLS_msn=103"))).status == 503


async def test_hinted_part_is_held_until_it_is_whole(stream):
    answer = get(stream, "102.2.m4s", rendition="lo")
    stream.publish(push(102, 2))
    assert (await wait(answer)).body == b"lo102.2;"


async def test_hinted_part_that_becomes_a_gap_is_404(stream):
    answer = get(stream, "102.2.m4s")
    stream.publish(push(103, 0))
    assert (await wait(answer)).status == 404


@pytest.mark.parametrize("name", ["103.0.m4s", "1.0.m4s", "102.m4s", "x.m4s", "init-0.mp4", "media.mpd", ""])
async def test_unknown_file_is_404(stream, name):
    assert get(stream, name).status == 404


@pytest.mark.parametrize(
    ("name", "query", "kept"),
    [
        ("media.m3u8", "_HLS_msn=104", False),
        ("103.0.m4s", "", False),
        ("102.m4s", "", False),
        ("1.0.m4s", "", True),
        ("media.m3u8", "_HLS_part=1", True),
    ],
)
async def test_refusal_that_time_may_heal_is_not_kept_by_a_cache(stream, name, query, kept):
    response = get(stream, name, query)
    assert response.status in {400, 404}
    assert (b"no-store" not in response.head) is kept


async def test_unknown_rendition_is_404(stream):
    assert get(stream, rendition="8k").status == 404


async def test_segment_is_the_concatenation_of_its_parts(stream):
    parts = [get(stream, f"101.{part}.m4s").body for part in range(3)]
    assert get(stream, "101.m4s").body == b"".join(parts)


async def test_init_section_is_served_under_the_playlists_name(stream):
    playlist = parse_media_playlist(get(stream).body.decode())
    response = get(stream, playlist.segments[0].init_uri)
    assert (response.status, response.body) == (200, b"init")


async def test_bytes_outlive_the_playlist_by_its_own_length(stream):
    for number in range(8, 30):
        stream.publish(push(*divmod(300 + number, 3)))
    playlist = parse_media_playlist(get(stream).body.decode())
    assert isinstance(get(stream, f"{playlist.media_sequence - 3}.m4s"), Response)
    assert get(stream, f"{playlist.media_sequence - 3}.m4s").status == 200
    assert get(stream, "100.m4s").status == 404


async def test_before_the_first_part_a_plain_request_waits():
    stream = Stream(info(), window_segments=4)
    answer = get(stream)
    stream.publish(push(100, 0))
    assert (await wait(answer)).status == 200


async def test_studio_that_begins_again_continues_the_timeline_under_a_new_init_name(stream):
    again = info(init=b"other", session=2)
    assert stream.continues(again)
    stream.adopt(again)
    stream.publish(push(104, 0))
    playlist = parse_media_playlist(get(stream).body.decode())
    assert [s.msn for s in playlist.segments if s.discontinuity] == [103]
    assert get(stream, playlist.segments[-1].init_uri).body == b"other"
    assert get(stream, playlist.segments[0].init_uri).body == b"init"


async def test_studio_with_another_part_target_does_not_continue_the_timeline(stream):
    assert not stream.continues(info(timing=MediaTiming()))


async def test_stream_is_silent_since_the_end_of_its_newest_part(stream):
    end_unix_s = (102 * 3 + 2) * TIMING.part_s
    assert stream.silent_for_s(end_unix_s + 1.5) == pytest.approx(1.5)
    assert Stream(info(), 4).silent_for_s(0.0) == float("inf")


async def test_waits_end_with_the_stream(stream):
    answer = get(stream, query="_HLS_msn=103")
    stream.close()
    assert (await wait(answer)).status == 503
