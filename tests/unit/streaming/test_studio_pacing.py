import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.config import Rung, VideoConfig
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
