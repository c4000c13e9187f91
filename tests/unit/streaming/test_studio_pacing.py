import asyncio
import time

import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.config import LADDERS, Rung, VideoConfig
from reference_impl.streaming.encoder import Ladder
from reference_impl.streaming.scene import Scene
from reference_impl.streaming.studio import Studio, next_slot

TIMING = MediaTiming()
FIRST = TIMING.first_slot(100)


@pytest.mark.parametrize(
    ("slot", "late_frames", "expected"),
    [
        (FIRST + 3, 0.0, FIRST + 3),
        (FIRST + 3, 1.9, FIRST + 3),
        (FIRST + 3, 2.0, FIRST + 5),
        (FIRST + 3, 7.0, FIRST + 8),  # never past the next part's first frame
        (FIRST + 8, 5.0, FIRST + 8),  # a part's first frame is taken however late
        (FIRST + 8, 9.0, FIRST + 48),  # more than a part late: on with the next segment
        (FIRST + 3, 60.0, FIRST + 96),
    ],
)
def test_late_studio_drops_frames_but_no_parts_first_and_cuts_beyond_a_part(slot, late_frames, expected):
    now = int((slot + late_frames) * TIMING.frame_ns)
    assert next_slot(slot, now, TIMING) == expected


class Records:
    def __init__(self):
        self.rows = []

    def append(self, *fields):
        self.rows.append(fields)


async def test_every_dropped_frame_is_on_record_and_the_log_speaks_up_now_and_then(caplog):
    drops = Records()
    video = VideoConfig(ladder=(Rung("a", 160, 120, 100),))
    studio = Studio(1, video, "ws://127.0.0.1:9/ingest", "k", drops=drops)
    for slot in (10, 20, 30):
        studio._drop(slot, 2)
    studio._drop(41, 48 * 2 - 41)
    assert [(row[2], row[3], row[4], row[5]) for row in drops.rows] == [
        (1, 2, 10, 0), (1, 2, 20, 0), (1, 2, 30, 0), (1, 55, 41, 1)
    ]  # fmt: skip
    assert (studio.frames_dropped, studio.cuts) == (61, 1)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "table 1: the encoder is late, 2 frames are missing", "table 1: the film is cut, 59 frames are missing"
    ]  # fmt: skip


@pytest.mark.parametrize("name", LADDERS)
def test_every_set_of_renditions_can_be_encoded_and_is_best_first(name):
    ladder = VideoConfig(ladder=LADDERS[name]).ladder
    assert [rung.kbps for rung in ladder] == sorted((rung.kbps for rung in ladder), reverse=True)
    assert "480p" in {rung.name for rung in ladder}, "the page's interactive tier"


def test_three_rungs_have_their_independent_frames_in_the_same_slots():
    video = VideoConfig(ladder=LADDERS["full"])
    ladder = Ladder(video)
    picture = Camera(1280, 720, 1, 1).draw(Scene(), 10**9)
    keys = [[], [], []]
    for slot in range(5):
        for rung, data in enumerate(ladder.encode(picture, slot, key=slot % 3 == 0)):
            keys[rung].append(data[4] & 31 == 5)
    assert keys == [[True, False, False, True, False]] * 3


def test_table_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="table is -1"):
        Studio(-1, VideoConfig(), "ws://127.0.0.1:1/ingest", "key")


@pytest.mark.parametrize(
    ("ladder", "word"),
    [
        ((), "0 rungs"),
        ((Rung("a", 855, 480, 1),), "855x480"),
        ((Rung("a", 64, 48, 1),), "64x48"),
        ((Rung("a", 320, 180, 0),), "0 kbit/s"),
        ((Rung("a/b", 320, 180, 1),), "a/b"),
        ((Rung("a", 320, 180, 1), Rung("a", 320, 180, 2)), "share a name"),
    ],
)
def test_ladder_that_cannot_be_encoded_is_refused_with_its_value(ladder, word):
    with pytest.raises(ConfigError, match=word):
        VideoConfig(ladder=ladder)


async def test_studio_that_starts_films_from_the_next_part_on_and_begins_independently(monkeypatch):
    timing = MediaTiming(fps=25, part_frames=2, parts_per_segment=24, gop_frames=48)
    studio = Studio(1, VideoConfig(ladder=(Rung("a", 160, 120, 100),), timing=timing), "ws://127.0.0.1:9/ingest", "k")
    sent = asyncio.Queue()
    monkeypatch.setattr(studio.uplink, "send", sent.put_nowait)
    begun_slot = time.time_ns() // timing.frame_ns
    filming = asyncio.create_task(studio._film())
    frame, _, part = [await asyncio.wait_for(sent.get(), 5) for _ in range(3)]
    filming.cancel()
    assert begun_slot < frame.slot <= begun_slot + 2 * timing.part_frames
    assert frame.slot % timing.part_frames == 0
    assert (frame.key, part.independent) == (True, True)
    assert (part.msn, part.part) == timing.part_of(frame.slot)
