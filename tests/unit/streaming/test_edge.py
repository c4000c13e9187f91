"""An edge before a scripted upstream: keys, lifetimes, ages, and how often upstream is asked."""

import asyncio
import gzip

import pytest

from reference_impl.domain.errors import RetryableError
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.streaming import edge as edge_module
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.fetch import Reply
from reference_impl.streaming.http import Pending, Response, parse_head

SECRET = b"s" * 32
PLAYLIST = "application/vnd.apple.mpegurl"


class Clock:
    """Monotonic and Unix seconds that a test moves."""

    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def time(self):
        return self.now_s


class Upstream:
    """Answers as it is told and keeps what it was asked."""

    def __init__(self, **headers):
        self.asked, self.status, self.body = [], 200, b"#EXTM3U\n" * 200
        self.headers = {"cache-control": "max-age=12", "content-type": PLAYLIST, **headers}
        self.gate = None

    async def get(self, target, timeout_s):
        self.asked.append(target)
        if self.gate is not None:
            await self.gate.wait()
        if self.status == 0:
            raise RetryableError(f"no answer to {target}")
        return Reply(self.status, self.headers, self.body)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(edge_module, "time", clock)
    return clock


def new_edge(upstream, **changes):
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", 1, playback_secret=SECRET, **changes))
    edge._upstream = upstream
    return edge


def token(player=7, table=1):
    return seal_playback(Playback(player, table, 1 << 40), SECRET)


async def get(edge, path="hi/media.m3u8", player=7, **headers):
    lines = "".join(f"\r\n{name.replace('_', '-')}: {value}" for name, value in headers.items())
    answer = edge.answer(parse_head(f"GET /{token(player)}/live/1/{path} HTTP/1.1{lines}".encode()))
    if isinstance(answer, Response):
        return answer
    assert isinstance(answer, Pending)
    await asyncio.wait([answer.future])
    return answer.finish(answer.future)


def field(response, name):
    found = [line for line in response.head.decode().split("\r\n") if line.lower().startswith(f"{name}:")]
    return found[0].partition(":")[2].strip() if found else None


@pytest.mark.parametrize(
    "queries",
    [
        (
            "_HLS_msn=7&_HLS_part=2",
            "_HLS_part=2&_HLS_msn=7",
            "x=1&_HLS_msn=7&_HLS_part=2&_HLS_pathway=a&_HLS_throughput=9",
        ),
        ("", "_HLS_pathway=b", "utm=3"),
        ("_HLS_skip=YES&_HLS_msn=7", "_HLS_msn=7&_HLS_skip=YES&_HLS_throughput=1"),
    ],
)
async def test_same_wish_is_one_object_in_whatever_order_and_company_it_is_written(clock, queries):
    upstream = Upstream()
    edge = new_edge(upstream)
    states = [field(await get(edge, f"hi/media.m3u8?{query}"), "x-cache") for query in queries]
    assert len(upstream.asked) == 1
    assert states == ["miss"] + ["hit"] * (len(queries) - 1)


async def test_tokens_of_different_viewers_name_the_same_object(clock):
    upstream = Upstream()
    edge = new_edge(upstream)
    for player in range(5):
        await get(edge, player=player)
    assert upstream.asked == ["/live/1/hi/media.m3u8"]


async def test_media_has_no_query(clock):
    upstream = Upstream(**{"content-type": "video/mp4"})
    edge = new_edge(upstream)
    await get(edge, "hi/7.0.m4s?x=1")
    await get(edge, "hi/7.0.m4s?_HLS_msn=3")
    assert upstream.asked == ["/live/1/hi/7.0.m4s"]


@pytest.mark.parametrize(("later_s", "asked"), [(0.0, 1), (11.9, 1), (12.0, 2)])
async def test_object_lives_as_long_as_its_origin_says(clock, later_s, asked):
    upstream = Upstream()
    edge = new_edge(upstream)
    await get(edge)
    clock.now_s += later_s
    await get(edge)
    assert len(upstream.asked) == asked


async def test_age_grows_from_the_age_at_which_the_object_came(clock):
    edge = new_edge(Upstream(age="3"))
    assert field(await get(edge), "age") == "3"
    clock.now_s += 5.6
    assert field(await get(edge), "age") == "8"


async def test_time_in_a_shield_counts_against_the_lifetime(clock):
    upstream = Upstream(age="10")
    edge = new_edge(upstream)
    await get(edge)
    clock.now_s += 2.0
    await get(edge)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("status", "cache_control", "asked"),
    [(404, "max-age=1", 1), (404, "no-store", 3), (400, "max-age=8", 1), (503, "no-store", 3), (200, "no-store", 3)],
)
async def test_errors_are_kept_for_as_long_as_the_origin_allows_and_no_longer(clock, status, cache_control, asked):
    upstream = Upstream(**{"cache-control": cache_control})
    upstream.status = status
    edge = new_edge(upstream)
    answers = [await get(edge, "hi/9.9.m4s") for _ in range(3)]
    assert {answer.status for answer in answers} == {status}
    assert len(upstream.asked) == asked
    clock.now_s += 8.0
    await get(edge, "hi/9.9.m4s")
    assert len(upstream.asked) == asked + 1


async def test_origin_that_does_not_answer_is_502_and_asked_again(clock):
    upstream = Upstream()
    upstream.status = 0
    edge = new_edge(upstream)
    assert (await get(edge)).status == 502
    upstream.status = 200
    assert (await get(edge)).status == 200
    assert (edge.counters.upstream_errors, len(upstream.asked)) == (1, 2)


@pytest.mark.parametrize("viewers", [1, 500])
async def test_origin_is_asked_once_whatever_the_audience(clock, viewers):
    upstream = Upstream()
    upstream.gate = asyncio.Event()
    edge = new_edge(upstream)
    asking = [asyncio.create_task(get(edge, "hi/media.m3u8?_HLS_msn=7", player=n)) for n in range(viewers)]
    await asyncio.sleep(0)
    upstream.gate.set()
    answers = await asyncio.gather(*asking)
    assert len(upstream.asked) == 1
    assert len({answer.body for answer in answers}) == 1
    assert edge.counters.coalesced == viewers - 1


async def test_objects_under_way_are_bounded_and_beyond_it_the_answer_is_503(clock):
    upstream = Upstream()
    upstream.gate = asyncio.Event()
    edge = new_edge(upstream, fetches_max=2)
    asking = [asyncio.create_task(get(edge, f"hi/7.{n}.m4s")) for n in range(3)]
    await asyncio.sleep(0)
    upstream.gate.set()
    assert sorted([(await task).status for task in asking]) == [200, 200, 503]


async def test_memory_stays_within_its_bound_whatever_is_asked_for(clock):
    upstream = Upstream(**{"content-type": "video/mp4"})
    edge = new_edge(upstream, cache_bytes_max=20_000)
    for number in range(50):
        await get(edge, f"hi/7.{number}.m4s")
    assert 0 < edge.cache.size_bytes <= 20_000
    assert edge.cache.evicted > 0
    assert field(await get(edge, "hi/7.49.m4s"), "x-cache") == "hit"
    assert field(await get(edge, "hi/7.0.m4s"), "x-cache") == "miss"


async def test_range_of_a_cached_part_comes_from_memory(clock):
    upstream = Upstream(**{"content-type": "video/mp4"})
    edge = new_edge(upstream)
    await get(edge, "hi/7.0.m4s")
    part = await get(edge, "hi/7.0.m4s", Range="bytes=0-6")
    assert (part.status, part.body) == (206, b"#EXTM3U")
    assert (field(part, "content-range"), field(part, "age")) == ("bytes 0-6/1600", "0")
    assert len(upstream.asked) == 1


async def test_playlist_is_zipped_for_those_who_ask_and_not_sent_again_to_those_who_have_it(clock):
    edge = new_edge(Upstream())
    plain = await get(edge)
    zipped = await get(edge, Accept_Encoding="gzip, br")
    assert (field(plain, "content-encoding"), field(zipped, "content-encoding")) == (None, "gzip")
    assert len(zipped.body) < len(plain.body)
    again = await get(edge, If_None_Match=field(plain, "etag"))
    assert (again.status, again.body) == (304, b"")


async def test_hits_of_one_second_differ_as_their_requests_do(clock):
    edge = new_edge(Upstream())
    whole = await get(edge)
    plain, zipped, again = await get(edge), await get(edge, accept_encoding="gzip"), await get(edge)
    assert (plain.body, field(plain, "content-encoding")) == (whole.body, None)
    assert (gzip.decompress(zipped.body), field(zipped, "content-encoding")) == (whole.body, "gzip")
    assert again == plain
    assert (await get(edge, range="bytes=2-5")).body == whole.body[2:6]
    assert (await get(edge, if_none_match=field(whole, "etag"))).status == 304
    assert edge.counters.hits == 5


async def test_object_that_came_anew_within_a_second_is_not_answered_with_the_old_one(clock):
    upstream = Upstream(**{"cache-control": "max-age=1"})
    edge = new_edge(upstream)
    clock.now_s += 0.9
    await get(edge)
    await get(edge)
    upstream.body = b"#EXTM3U\nnew"
    edge.cache._drop("/live/1/hi/media.m3u8")
    await get(edge)
    assert (await get(edge)).body == upstream.body


def line_of(path, player, table=1):
    return f"GET /{token(player)}/live/{table}/{path} HTTP/1.1".encode()


async def twice(edge, path="hi/1.m4s", **how):
    return [await get(edge, path, **how) for _ in range(2)]


async def test_what_many_ask_for_within_a_second_is_at_hand_for_those_who_hold_a_token(clock):
    edge = new_edge(Upstream(**{"content-type": "video/mp4"}))
    await get(edge, "hi/1.m4s")
    assert edge.quick(line_of("hi/1.m4s", 7), False) is None, "nobody asked for it twice"
    whole = (await twice(edge))[0]
    assert edge.quick(line_of("hi/1.m4s", 7), False) == edge.quick(line_of("hi/1.m4s", 7), True)
    assert edge.quick(line_of("hi/1.m4s", 7), False) == whole.head + b"\r\n" + whole.body
    assert edge.quick(line_of("hi/1.m4s", 8), False) is None, "its token has not been checked yet"
    await get(edge, "hi/1.m4s", player=8)
    assert edge.quick(line_of("hi/1.m4s", 8), False) is not None
    assert edge.counters.hits == 7
    for other in (b"HEAD" + line_of("hi/1.m4s", 7)[3:], line_of("hi/2.m4s", 7), line_of("hi/1.m4s", 7, table=2)):
        assert edge.quick(other, False) is None
    clock.now_s += 1
    assert edge.quick(line_of("hi/1.m4s", 7), False) is None, "its age has changed"


async def test_what_is_at_hand_is_for_the_table_of_the_token_and_until_it_expires(clock, monkeypatch):
    edge = new_edge(Upstream(**{"content-type": "video/mp4"}))
    clock.now_s += 0.25
    await get(edge, "hi/1.m4s")
    await twice(edge)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(edge_module, "admits", lambda playback, table, now_s: False)
        assert edge.quick(line_of("hi/1.m4s", 7), False) is None
    assert edge.quick(line_of("hi/1.m4s", 7), False) is not None
    clock.now_s += 11.75  # it may be kept for 12 s
    await twice(edge)
    assert edge.quick(line_of("hi/1.m4s", 7), False) is not None
    clock.now_s += 0.25
    assert edge.quick(line_of("hi/1.m4s", 7), False) is None


async def test_playlist_at_hand_is_for_those_who_read_its_encoding(clock):
    edge = new_edge(Upstream())
    await get(edge)
    zipped = (await twice(edge, "hi/media.m3u8", Accept_Encoding="gzip"))[0]
    assert edge.quick(line_of("hi/media.m3u8", 7), True) == zipped.head + b"\r\n" + zipped.body
    assert edge.quick(line_of("hi/media.m3u8", 7), False) is None


async def test_answers_at_hand_are_bounded_in_bytes(clock, monkeypatch):
    edge = new_edge(Upstream())
    monkeypatch.setattr(edge_module, "READY_BYTES_MAX", 3000)  # two playlists of 1,600 bytes
    for path in ("a", "b", "c"):
        await get(edge, f"{path}/media.m3u8")
        await twice(edge, f"{path}/media.m3u8")
    at_hand = [edge.quick(line_of(f"{path}/media.m3u8", 7), False) is not None for path in ("a", "b", "c")]
    assert at_hand == [True, True, False]


async def test_answers_from_memory_are_timed_until_the_next_report():
    edge = new_edge(Upstream())
    assert edge.take_p99_ms() == 0.0
    for _ in range(2 * edge_module.TIMED_EVERY + 1):
        await get(edge)
    assert len(edge._took_ms) == 2
    edge._took_ms.extend([0.5] * 97 + [7.0] * 3)
    assert edge.take_p99_ms() == 7.0
    assert edge.take_p99_ms() == 0.0, "nobody has asked since"
