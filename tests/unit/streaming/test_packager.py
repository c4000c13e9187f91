"""Ladder and packager against a real decoder."""

import io

import av
import pytest

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import TIMESCALE_HZ
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.config import Rung, VideoConfig
from reference_impl.streaming.encoder import Ladder
from reference_impl.streaming.messages import FramePush, PartPush
from reference_impl.streaming.packager import Encoded, Packager
from reference_impl.streaming.scene import Scene

VIDEO = VideoConfig(ladder=(Rung("hi", 426, 240, 400), Rung("lo", 320, 180, 200)))
TIMING = VIDEO.timing
FIRST = TIMING.first_slot(920_481_000)


@pytest.fixture(scope="module")
def film():
    """Two segments: what the packager gave for each frame, and what the ladder says of its rungs."""
    camera, ladder, packager = Camera(426, 240, 1, 0), Ladder(VIDEO), Packager(TIMING)
    pushes = []
    for slot in range(FIRST, FIRST + 2 * TIMING.segment_frames):
        key = slot % TIMING.gop_frames == 0
        at = slot * TIMING.frame_ns
        data = ladder.encode(camera.draw(Scene(), at), slot, key=key)
        pushes += packager.add(Encoded(slot, key, at, data))
    return ladder.renditions(), pushes


def decode(data):
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


def encoded(slot, *, key=False):
    return Encoded(slot, key, slot * TIMING.frame_ns, (b"\0\0\0\1x",))


@pytest.mark.parametrize("rung", [0, 1])
def test_parts_decode_to_every_frame_with_its_timecode_and_its_media_time(film, rung):
    renditions, pushes = film
    info = renditions[rung]
    frames = decode(info.init + b"".join(p.data[rung] for p in pushes if isinstance(p, PartPush)))
    assert len(frames) == 2 * TIMING.segment_frames
    strip = Strip(info.width, info.height)
    for slot, frame in enumerate(frames, FIRST):
        unix_ms = slot * TIMING.frame_ns // 10**6
        assert strip.read(frame.to_ndarray(format="yuv420p")[: info.height], unix_ms) == unix_ms
        assert frame.pts * frame.time_base * TIMESCALE_HZ == slot * TIMING.frame_ticks


def test_single_frame_fragments_decode_to_the_same_frames_as_parts(film):
    renditions, pushes = film
    parts = decode(renditions[1].init + b"".join(p.data[1] for p in pushes if isinstance(p, PartPush)))
    singles = decode(renditions[1].init + b"".join(p.data[1] for p in pushes if isinstance(p, FramePush)))
    assert [bytes(a.planes[0]) for a in parts] == [bytes(b.planes[0]) for b in singles]


def test_a_segment_alone_decodes(film):
    renditions, pushes = film
    second = [p for p in pushes if isinstance(p, PartPush)][TIMING.parts_per_segment :]
    assert len(decode(renditions[0].init + b"".join(p.data[0] for p in second))) == TIMING.segment_frames


def test_independent_frames_stand_at_the_same_slots_on_all_rungs(film):
    renditions, pushes = film
    for rung in (0, 1):
        frames = decode(renditions[rung].init + b"".join(p.data[rung] for p in pushes if isinstance(p, PartPush)))
        keys = [index for index, frame in enumerate(frames) if frame.key_frame]
        assert keys == list(range(0, 2 * TIMING.segment_frames, TIMING.gop_frames))


def test_parts_are_numbered_by_the_wall_clock_and_marked_independent(film):
    _, pushes = film
    parts = [p for p in pushes if isinstance(p, PartPush)]
    assert [(p.msn - 920_481_000, p.part) for p in parts] == [(m, p) for m in (0, 1) for p in range(6)]
    assert [p.independent for p in parts[:6]] == [True, False, False, True, False, False]
    assert {p.frames for p in parts} == {TIMING.part_frames}


def test_ladder_names_sizes_and_a_codec_that_players_know(film):
    renditions, _ = film
    assert [(r.name, r.width, r.height) for r in renditions] == [("hi", 426, 240), ("lo", 320, 180)]
    assert all(r.codec.startswith("avc1.64") for r in renditions)


def test_dropped_frame_lengthens_the_one_before_and_the_part_keeps_its_duration():
    packager = Packager(TIMING)
    pushes = []
    for slot in (FIRST, FIRST + 1, FIRST + 5, FIRST + 6, FIRST + 8):
        pushes += packager.add(encoded(slot, key=slot == FIRST))
    (part,) = [p for p in pushes if isinstance(p, PartPush)]
    run = part.data[0].index(b"trun") + 4 + 4 + 8
    ticks = [int.from_bytes(part.data[0][run + 12 * n : run + 12 * n + 4], "big") for n in range(part.frames)]
    assert [t // TIMING.frame_ticks for t in ticks] == [1, 4, 1, 2]
    assert sum(ticks) == TIMING.part_frames * TIMING.frame_ticks


@pytest.mark.parametrize("slots", [(FIRST + 1,), (FIRST, FIRST), (FIRST + 8, FIRST + 3), (FIRST, FIRST + 9)])
def test_frames_off_their_part_or_back_in_time_are_refused(slots):
    packager = Packager(TIMING)
    for slot in slots[:-1]:
        packager.add(encoded(slot))
    with pytest.raises(LocalProtocolError, match="frame"):
        packager.add(encoded(slots[-1]))


def test_cut_film_forgets_the_unfinished_part():
    packager = Packager(TIMING)
    packager.add(encoded(FIRST))
    packager.reset()
    pushes = packager.add(encoded(FIRST + 48))
    assert [type(p) for p in pushes] == [FramePush]
