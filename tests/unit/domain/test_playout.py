"""The playhead of a player without a screen."""

import pytest

from reference_impl.domain.playout import Playback
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

T = 1_000 * NS_PER_S
PART = 320 * NS_PER_MS


def playing(parts: int = 3, hold_back_ns: int = 3 * PART, rate: float = 1.1) -> Playback:
    playback = Playback(hold_back_ns, rate)
    for n in range(parts):
        playback.take(T + n * PART, T + (n + 1) * PART, T)
    return playback


def test_playback_starts_when_the_hold_back_is_buffered() -> None:
    assert not playing(2).started
    playback = playing(3)
    assert (playback.started, playback.playhead_ns, playback.buffered_ns) == (True, T, 3 * PART)


def test_playhead_moves_with_the_clock_and_never_back() -> None:
    playback = playing()
    playback.advance(T + PART)
    playback.advance(T + PART // 2)
    assert (playback.playhead_ns, playback.buffered_ns) == (T + PART, 2 * PART)


def test_picture_stands_still_where_the_buffer_ends_and_goes_on_with_the_next_part() -> None:
    playback = playing()
    playback.advance(T + 4 * PART)
    assert (playback.stalled, playback.playhead_ns) == (True, T + 3 * PART)
    assert playback.stalled_for_ns(T + 4 * PART) == PART
    assert playback.take(T + 3 * PART, T + 4 * PART, T + 5 * PART) == 2 * PART
    assert (playback.stalled, playback.buffered_ns) == (False, PART)


def test_hole_in_the_media_is_jumped_over_without_a_stall() -> None:
    playback = playing()
    assert playback.take(T + 5 * PART, T + 6 * PART, T + PART) == 0
    playback.advance(T + 3 * PART + PART // 2)
    assert not playback.stalled
    assert playback.playhead_ns == T + 5 * PART + PART // 2


def test_hole_that_nothing_was_buffered_beyond_is_a_new_start() -> None:
    playback = playing()
    playback.advance(T + 4 * PART)
    assert playback.take(T + 9 * PART, T + 10 * PART, T + 10 * PART) == 0
    assert playback.take(T + 10 * PART, T + 11 * PART, T + 11 * PART) == 0
    assert (playback.stalled, playback.playhead_ns, playback.buffered_ns) == (True, T + 3 * PART, 2 * PART)
    assert playback.take(T + 11 * PART, T + 12 * PART, T + 12 * PART) == 9 * PART
    assert (playback.stalled, playback.playhead_ns, playback.buffered_ns) == (False, T + 9 * PART, 3 * PART)


def test_viewer_too_far_behind_plays_faster_until_it_is_at_its_hold_back() -> None:
    playback = playing(9)
    playback.pace(T + 9 * PART, T)
    playback.advance(T + 5 * PART)
    assert playback.playhead_ns == pytest.approx(T + 5.5 * PART, abs=2)
    playback.pace(playback.playhead_ns + 3 * PART, T + 5 * PART)
    playback.advance(T + 6 * PART)
    assert playback.playhead_ns == pytest.approx(T + 6.5 * PART, abs=2)


def test_stall_of_a_hurrying_viewer_counts_from_the_instant_its_buffer_was_empty() -> None:
    playback = playing(11)
    playback.pace(T + 20 * PART, T)
    playback.advance(T + 12 * PART)
    assert playback.stalled_for_ns(T + 12 * PART) == pytest.approx(2 * PART, abs=5)


def test_stall_that_nobody_waits_out_ends_when_the_viewer_gives_up() -> None:
    playback = playing()
    playback.advance(T + 5 * PART)
    assert playback.give_up(T + 5 * PART) == 2 * PART
    assert playback.give_up(T + 5 * PART) == 0
