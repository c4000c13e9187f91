import pytest
import simpy
from msgspec import structs

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.records import CacheState, FetchKind
from sim import edge as edge_module
from sim.draws import Draws
from sim.edge import REPORT_NS_MAX, Edge
from sim.origin import Origin, Wish
from sim.parameters import Model, Video
from sim.server import after
from sim.studio import PARTS_QUEUED_MAX, Studio

TIMING = MediaTiming()
MS = 1_000_000
VIDEO = Video(
    publish_ns=(20 * MS,), fetch_ns=(2 * MS,), edge_request_ns=200, edge_answer_ns=100, origin_request_ns=0,
    part_bytes=((100,), (300,)), edge_link_bps=8 * 10**9,
)  # fmt: skip


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def draws(env):
    return Draws(env, 1, structs.replace(Model(), video=VIDEO))


@pytest.fixture
def origin(env):
    origin = Origin(env, TIMING, VIDEO)
    origin.publish(1, 0, (100, 300))
    return origin


@pytest.fixture
def edge(env, draws, origin):
    return Edge(env, 0, draws, origin)


def ask(edge, number, got):
    edge.ask(Wish(1, 1, FetchKind.PART, number), got.append)


def test_many_who_ask_for_one_object_cost_one_request_upstream(env, edge, origin):
    got: list = []
    for _ in range(50):
        ask(edge, 0, got)
    env.run(until=100 * MS)
    ask(edge, 0, got)
    env.run(until=101 * MS)
    assert origin.requests == 1
    assert [served.cache for served in got] == [CacheState.MISS, *[CacheState.COALESCED] * 49, CacheState.HIT]


def test_answers_share_the_link(env, edge):
    got: list = []
    for _ in range(3):
        edge.ask(Wish(1, 1, FetchKind.PART, 0), lambda served: got.append((served.first_ns, env.now)))
    env.run(until=100 * MS)
    there_ns = 2 * MS
    assert [first_ns - there_ns for first_ns, _ in got] == [100, 200, 300]
    # 300 ns each: alone for 100 ns, two for 100 ns, three until the first has all, and so on
    assert [last_ns - there_ns for _, last_ns in got] == [750, 950, 1000]


def test_a_part_that_is_missing_is_not_remembered_as_missing(env, edge, origin):
    got: list = []
    ask(edge, 5, got)
    env.run(until=10 * MS)
    for number in range(1, 6):
        origin.publish(1, number, (100, 300))
    ask(edge, 5, got)
    env.run(until=20 * MS)
    assert [served.answer.status for served in got] == [404, 200]


def test_an_origin_that_is_away_is_a_bad_gateway(env, edge, origin):
    got: list = []
    ask(edge, 1, got)
    after(env, 10 * MS, origin.kill)
    env.run(until=20 * MS)
    ask(edge, 1, got)
    env.run(until=40 * MS)
    assert [served.answer.status for served in got] == [502, 502]


def test_a_killed_edge_drops_its_viewers_and_forgets_what_it_was_asked(env, edge, origin):
    got: list = []
    dropped: list[int] = []
    edge.join(7, lambda: dropped.append(7))
    ask(edge, 1, got)
    env.run(until=5 * MS)
    edge.kill()
    origin.publish(1, 1, (100, 300))
    env.run(until=20 * MS)
    assert (dropped, got, edge.connections) == ([7], [], 0)


def test_the_cache_is_bounded(env, edge, origin, monkeypatch):
    monkeypatch.setattr(edge_module, "CACHE_BYTES_MAX", 3 * (300 + edge_module.ENTRY_BYTES))
    for number in range(1, 6):
        origin.publish(1, number, (100, 300))
    got: list = []
    for number in (0, 1, 2, 3, 3, 0):
        ask(edge, number, got)
        env.run(until=env.now + 10 * MS)
    assert [served.cache for served in got][-2:] == [CacheState.HIT, CacheState.MISS]


def test_an_edge_that_does_not_report_is_not_listed(env, edge):
    edge.report()
    assert edge.listed
    edge.kill()
    env.run(until=REPORT_NS_MAX - 1)
    edge.report()
    assert edge.listed
    env.run(until=REPORT_NS_MAX)
    assert not edge.listed
    edge.restart()
    assert edge.listed


def test_a_report_counts_anew_who_was_sent_since(edge):
    edge.placed_since = 3
    edge.join(1, lambda: None)
    assert edge.load == 3
    edge.report()
    assert edge.load == edge.connections == 2


@pytest.fixture
def studio(env, draws):
    return Studio(env, 1, TIMING, draws, Origin(env, TIMING, VIDEO))


def newest(studio):
    stream = studio._origin._streams.get(1)
    return -1 if stream is None else stream.newest


def test_a_part_is_published_after_its_last_frame_was_filmed(env, studio):
    part_ms = TIMING.part_frames * TIMING.frame_ns // MS
    last_frame_ms = part_ms - TIMING.frame_ns // MS
    env.run(until=(last_frame_ms + 20) * MS)
    assert newest(studio) == -1
    env.run(until=(last_frame_ms + 20) * MS + 1)
    assert newest(studio) == 0


@pytest.mark.parametrize(("back_ms", "first"), [(2_000, 7), (1_500, TIMING.parts_per_segment)])
def test_a_studio_that_comes_back_begins_with_the_next_part_that_is_in_no_segment_of_the_one_before(
    env, studio, back_ms, first
):
    part_ms = TIMING.part_frames * TIMING.frame_ns // MS
    env.run(until=1_000 * MS)
    studio.kill()
    env.run(until=back_ms * MS)
    studio.restart()
    published_ms = (first + 1) * part_ms - TIMING.frame_ns // MS + 20
    env.run(until=published_ms * MS)
    assert newest(studio) == 2
    env.run(until=published_ms * MS + 1)
    assert newest(studio) == first


def test_parts_wait_for_an_origin_that_is_away_and_the_oldest_are_dropped(env, studio):
    origin = studio._origin
    env.run(until=1_000 * MS)
    origin.kill()
    studio.lose_origin()
    env.run(until=7_000 * MS)
    assert studio.waiting == PARTS_QUEUED_MAX
    origin.restart()
    studio.find_origin()
    env.run(until=7_201 * MS)
    stream = origin._streams[1]
    assert studio.waiting == 0
    assert len(stream.sizes) >= PARTS_QUEUED_MAX
    assert set(range(stream.oldest, stream.newest + 1)) == set(stream.sizes) | stream.gaps
