"""Sound: cues at their instants, AAC on the wall clock's grid, a rendition beside the pictures."""

import io

import av
import msgspec
import numpy as np
import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.baccarat import Coup, outcome_of
from reference_impl.domain.games.blackjack_table import Outcome
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.money_wheel import LABELS
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.hls_media import read_chunks, read_init
from reference_impl.domain.hls_playlist import parse_master_playlist, parse_media_playlist
from reference_impl.domain.phases import Phase
from reference_impl.streaming.config import SOUND_RATE_HZ, VideoConfig
from reference_impl.streaming.messages import RenditionInfo
from reference_impl.streaming.playlist import Timeline, render_master, render_media
from reference_impl.streaming.scene import Scene
from reference_impl.streaming.sound import hear
from reference_impl.streaming.sound_encoder import SoundEncoder

TIMING = MediaTiming()
FIRST = 5_600_000_000
PART_NS = 320_000_000
BEGIN_NS = FIRST * PART_NS
BEGIN = BEGIN_NS * SOUND_RATE_HZ // 10**9


def scene(phase, game="roulette", **instants):
    return Scene(epoch=1, seq=1, round=7, phase=phase, game=game, **instants)


def pitch_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    return spectrum.argmax() * SOUND_RATE_HZ / (1 << 16)


def decoded(encoder, parts):
    with av.open(io.BytesIO(encoder.rendition().init + b"".join(parts))) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_sounds_the_same_twice_and_never_too_loud(phase, game):
    at = {"closes_at_unix_ns": BEGIN_NS, "dealt_at_unix_ns": BEGIN_NS, "shown_at_unix_ns": BEGIN_NS}
    told = scene(phase, game, **at, outcome=GAMES[game].draw(b"s", [b"h"]))
    first, again = hear(told, BEGIN, 48_000), hear(told, BEGIN, 48_000)
    assert np.array_equal(first, again)
    assert np.abs(first).max() <= 0.5


def test_result_of_a_game_that_nobody_taught_the_studio_sounds_too():
    assert np.abs(hear(scene(Phase.RESULT, "whist", shown_at_unix_ns=BEGIN_NS, outcome=3), BEGIN, 48_000)).max() > 0


def test_sound_in_pieces_is_the_sound_of_the_whole():
    told = scene(Phase.RESULT, shown_at_unix_ns=BEGIN_NS, outcome=17)
    pieces = [hear(told, BEGIN + at, 1024) for at in range(0, 10 * 1024, 1024)]
    assert np.array_equal(np.concatenate(pieces), hear(told, BEGIN, 10 * 1024))


def test_last_five_seconds_tick_once_each_and_closing_has_a_tone_of_its_own():
    told = scene(Phase.CLOSING_SOON, closes_at_unix_ns=BEGIN_NS + 7 * 10**9)
    loud = [np.abs(hear(told, BEGIN + n * 48_000, 2400)).max() > 0.1 for n in range(9)]
    assert loud == [False, False, True, True, True, True, True, True, False]
    assert pitch_hz(hear(told, BEGIN + 7 * 48_000, 4800)) == pytest.approx(440, abs=5)


RESULTS = [
    ("roulette", 0, 0), ("roulette", 17, 17), ("roulette", 36, 36),
    ("money_wheel", LABELS.index(1), 0), ("money_wheel", LABELS.index(40), 30),
    ("baccarat", outcome_of(Coup(9, 13, 2, 3)), 0), ("baccarat", outcome_of(Coup(2, 3, 9, 13)), 24),
    ("blackjack", Outcome((10, 10), 0, 17).code, 0), ("blackjack", Outcome((10, 10), 0, 21).code, 24),
]  # fmt: skip


@pytest.mark.parametrize(("game", "outcome", "steps"), RESULTS)
def test_result_can_be_heard(game, outcome, steps):
    told = scene(Phase.RESULT, game, shown_at_unix_ns=BEGIN_NS, outcome=outcome)
    middle = hear(told, BEGIN + int(0.19 * 48_000), 7200)
    assert pitch_hz(middle) == pytest.approx(600 + 20 * steps, abs=6)


@pytest.mark.parametrize("game", GAMES)
def test_outcome_is_not_to_be_heard_before_its_result(game):
    outcomes = [GAMES[game].draw(b"s", [b"%d" % n]) for n in range(2)]
    spoken = [hear(scene(Phase.DEALING, game, dealt_at_unix_ns=BEGIN_NS, outcome=n), BEGIN, 48_000) for n in outcomes]
    assert np.array_equal(*spoken)


def test_each_card_that_comes_or_is_turned_snaps():
    told = scene(Phase.DECISIONS_OPEN, "blackjack", hand=(1, 2), dealer=(3,), cards_at_unix_ns=BEGIN_NS)
    heard = np.abs(hear(told, BEGIN, 48_000))
    loud = np.flatnonzero(heard > 0.2)
    assert 1 + (np.diff(loud) > 2400).sum() == 3


def test_part_of_sound_lasts_as_long_as_a_part_of_pictures_on_the_same_clock():
    encoder = SoundEncoder(TIMING)
    init = read_init(encoder.rendition().init)
    assert (init.timescale_hz, init.codec) == (48_000, "mp4a.40.2")
    for number in (FIRST, FIRST + 1):
        (chunk,) = read_chunks(encoder.part(number, Scene(), number * PART_NS), init)
        assert chunk.decode_ticks * 10**9 == number * PART_NS * 48_000
        assert chunk.end_ticks - chunk.decode_ticks == 0.32 * 48_000
        assert len(chunk.samples) == 15
        assert abs(chunk.captured_unix_ns - number * PART_NS) < 10


def test_decoded_sound_begins_at_the_cues_instant():
    encoder = SoundEncoder(TIMING)
    told = scene(Phase.RESULT, shown_at_unix_ns=BEGIN_NS + 500_000_000, outcome=17)
    heard = decoded(encoder, [encoder.part(FIRST + n, told, 0) for n in range(5)])
    onset_s = np.flatnonzero(np.abs(heard) > 0.05)[0] / SOUND_RATE_HZ
    assert onset_s == pytest.approx(0.5, abs=0.005)
    assert len(heard) == pytest.approx(5 * 0.32 * SOUND_RATE_HZ, abs=1024)


def test_hole_in_the_film_is_jumped_over_and_parts_after_it_are_whole():
    encoder = SoundEncoder(TIMING)
    encoder.part(FIRST, Scene(), 0)
    (chunk,) = read_chunks(encoder.part(FIRST + 1000, Scene(), 0), read_init(encoder.rendition().init))
    assert chunk.decode_ticks == (FIRST + 1000) * 15 * 1024
    assert len(chunk.samples) == 15


def test_parts_that_hold_no_whole_number_of_frames_are_refused_with_sound():
    odd = MediaTiming(fps=25, part_frames=4, parts_per_segment=3, gop_frames=12)
    VideoConfig(timing=odd)
    with pytest.raises(ConfigError, match=r"a part of 0\.16 s holds no whole number of AAC frames"):
        VideoConfig(timing=odd, sound=True)


def test_playlists_name_sound_as_a_group_and_all_its_parts_independent():
    picture = RenditionInfo("480p", 854, 480, 1_250_000, "avc1.64001e", b"")
    sound = SoundEncoder(TIMING).rendition()
    master = parse_master_playlist(render_master([picture, sound], 25))
    assert [(audio.uri, audio.group) for audio in master.audio] == [("sound/media.m3u8", "sound")]
    (variant,) = master.variants
    assert (variant.audio, variant.codecs) == ("sound", "avc1.64001e,mp4a.40.2")
    assert variant.bandwidth_bps == picture.bandwidth_bps + sound.bandwidth_bps
    timeline = Timeline(TIMING, 12)
    for part in range(4):
        timeline.add(100, part, 1, ("a.mp4", "b.mp4"), independent=part == 0)
    for rendition, expected in ((0, [True, False, False, False]), (1, [True] * 4)):
        text = render_media(timeline, ["480p", "sound"], rendition, skip=False, sound=rendition == 1)
        assert [part.independent for part in parse_media_playlist(text).segments[0].parts] == expected


def test_rendition_travels_with_its_kind():
    sound = SoundEncoder(TIMING).rendition()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sound), type=RenditionInfo) == sound
