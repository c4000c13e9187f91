import pytest
import simpy

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.records import FetchKind
from sim.origin import WINDOW_SEGMENTS, Origin, Wish
from sim.parameters import Video
from sim.server import after

TIMING = MediaTiming()
SECOND = 1_000_000_000
SIZES = (10, 30)


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def origin(env):
    origin = Origin(env, TIMING, Video(origin_request_ns=100))
    for number in range(8):
        origin.publish(1, number, SIZES)
    return origin


def ask(origin, kind, number=-1, table=1):
    """Ask; return the list in which the answer and the instant of its writing will stand."""
    got: list = []
    origin.ask(Wish(table, 1, kind, number), lambda answer, at_ns: got.append((answer, at_ns)))
    return got


def test_what_is_there_is_answered_at_once(origin):
    ((playlist, _),) = ask(origin, FetchKind.PLAYLIST)
    ((part, _),) = ask(origin, FetchKind.PART, 5)
    assert (playlist.status, playlist.listing.oldest, playlist.listing.newest) == (200, 0, 7)
    assert (part.status, part.size_bytes) == (200, 30)


def test_the_next_part_is_waited_for(env, origin):
    part, playlist = (ask(origin, kind, 8) for kind in (FetchKind.PART, FetchKind.PLAYLIST))
    after(env, 300, origin.publish, 1, 8, SIZES)
    env.run(until=301)
    assert [(answer.status, at_ns) for answer, at_ns in part + playlist] == [(200, 400), (200, 500)]
    assert playlist[0][0].listing.newest == 8


@pytest.mark.parametrize("number", [9, 30])
def test_a_part_that_is_neither_there_nor_next_is_not_found(origin, number):
    ((answer, _),) = ask(origin, FetchKind.PART, number)
    assert (answer.status, answer.keep_ns) == (404, 0)


def test_a_playlist_too_far_ahead_is_refused(origin):
    ((answer, _),) = ask(origin, FetchKind.PLAYLIST, 18)
    assert answer.status == 400


def test_who_waits_too_long_is_told_so(env, origin):
    got = ask(origin, FetchKind.PLAYLIST, 8)
    env.run(until=7 * SECOND)
    ((answer, at_ns),) = got
    assert answer.status == 503
    assert at_ns == TIMING.blocked_s_max * SECOND + 100


def test_parts_that_never_came_are_gaps_and_those_who_waited_learn_it(origin):
    got = ask(origin, FetchKind.PART, 8)
    origin.publish(1, 12, SIZES)
    assert got[0][0].status == 404
    ((playlist, _),) = ask(origin, FetchKind.PLAYLIST)
    assert set(playlist.listing.gaps) == {8, 9, 10, 11}
    assert playlist.listing.newest == 12


def test_a_part_that_comes_twice_changes_nothing(origin):
    origin.publish(1, 5, (1, 1))
    ((part, _),) = ask(origin, FetchKind.PART, 5)
    assert part.size_bytes == 30


def test_a_playlist_forgets_what_has_left_its_window(origin):
    for number in range(8, 200):
        origin.publish(1, number, SIZES)
    ((playlist, _),) = ask(origin, FetchKind.PLAYLIST)
    assert playlist.listing.oldest == (199 // 6 - WINDOW_SEGMENTS) * 6
    ((part, _),) = ask(origin, FetchKind.PART, 0)
    assert (part.status, part.keep_ns) == (404, SECOND)


def test_a_killed_origin_breaks_connections_and_forgets(origin):
    waiting = ask(origin, FetchKind.PART, 8)
    origin.kill()
    assert waiting == [(None, 0)]
    assert ask(origin, FetchKind.PLAYLIST) == [(None, 0)]
    origin.restart()
    ((answer, _),) = ask(origin, FetchKind.MASTER)
    assert answer.status == 503
    origin.publish(1, 20, SIZES)
    ((playlist, _),) = ask(origin, FetchKind.PLAYLIST)
    assert (playlist.listing.oldest, set(playlist.listing.gaps)) == (18, {18, 19})


def test_tables_do_not_wake_each_other(origin):
    waiting = ask(origin, FetchKind.PART, 8)
    origin.publish(2, 8, SIZES)
    assert waiting == []
    assert origin.waiting == 1
