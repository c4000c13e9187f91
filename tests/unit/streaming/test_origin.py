"""An origin's part in who may speak for a table."""

import time

import msgspec
import pytest

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.config import OriginConfig
from reference_impl.streaming.messages import PartPush, RenditionInfo, StreamInfo
from reference_impl.streaming.origin import Origin

TIMING = MediaTiming(fps=50, part_frames=10, parts_per_segment=5, gop_frames=25)
OTHER = MediaTiming(fps=50, part_frames=5, parts_per_segment=10, gop_frames=25)
INFO = StreamInfo(1, 1, TIMING, (RenditionInfo("hi", 320, 180, 1000, "avc1.x", b"init"),))


def on_air(ago_s):
    """An origin whose studio sent its last part so long ago."""
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=b"s", window_segments=4))
    origin.begin("studio", INFO)
    msn = int((time.time() - ago_s) * TIMING.fps) // TIMING.segment_frames
    origin.take("studio", INFO, PartPush(msn, 0, True, 10, 0, (b"part",)))
    return origin


async def test_studio_with_another_part_target_is_refused_while_viewers_hold_the_old_one():
    origin = on_air(0.5)
    with pytest.raises(RemoteProtocolError, match=r"table 1 is on air with parts of 0\.2 s, not 0\.1 s, until"):
        origin.begin("other", msgspec.structs.replace(INFO, timing=OTHER))
    origin.take("studio", INFO, PartPush(int(time.time()), 1, False, 10, 0, (b"part",)))


async def test_studio_with_another_part_target_begins_anew_after_a_windows_silence():
    origin = on_air(10.0)
    origin.begin("other", msgspec.structs.replace(INFO, timing=OTHER))
    with pytest.raises(RemoteProtocolError, match="another studio speaks for table 1 now"):
        origin.take("studio", INFO, PartPush(1, 1, False, 10, 0, (b"part",)))
