"""A live stream without camera and encoder: real boxes around made-up frames, pushed into a real origin on the clock.

It begins with a full playlist behind it, so that skipping, dropping and every other rule of age can be seen at once.
"""

import asyncio
import contextlib
import time

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.streaming.boxes import Sample, fragment, init_section
from reference_impl.streaming.config import EdgeConfig, OriginConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.messages import PartPush, RenditionInfo, StreamInfo
from reference_impl.streaming.origin import Origin

TABLE = 1
SECRET = b"s" * 32
TIMING = MediaTiming(fps=50, part_frames=10, parts_per_segment=5, gop_frames=25)
WINDOW = 10
PARAMETER_SETS = b"\0\0\0\1\x67\x64\x00\x1e\xac\0\0\0\1\x68\xee\x3c\x80"
FRAME = bytes(200)


def rendition(name, side, kbps):
    init = init_section(side, side, PARAMETER_SETS)
    return RenditionInfo(name, side, side, kbps * 1000, "avc1.64001e", init)


INFO = StreamInfo(TABLE, 1, TIMING, (rendition("hi", 320, 300), rendition("lo", 160, 150)))


def part_push(msn, part, info=INFO):
    """A part of made-up frames."""
    timing = info.timing
    first = timing.first_slot(msn) + part * timing.part_frames
    frames = [
        Sample(FRAME, timing.frame_ticks, (first + n) % timing.gop_frames == 0) for n in range(timing.part_frames)
    ]
    taken_ns = first * timing.frame_ns
    data = fragment(first // timing.part_frames, first * timing.frame_ticks, taken_ns, frames)
    return PartPush(msn, part, frames[0].key, timing.part_frames, taken_ns, (data,) * len(info.renditions))


class SyntheticStudio:
    """Pushes a full playlist at once, then each part when its last frame is over.

    With a `restart`, its encoder dies in the third segment on air and is another one from the segment after the next.
    """

    def __init__(self, origin, info=INFO, restart=None):
        self._origin, self._info, self._restart = origin, info, restart

    async def run(self, ready):
        timing = self._info.timing
        part_ns = timing.part_frames * timing.frame_ns
        self._origin.begin(self, self._info)
        dies = (time.time_ns() // timing.segment_ns + 2) * timing.parts_per_segment + 2
        number = time.time_ns() // part_ns - (2 * WINDOW + 1) * timing.parts_per_segment
        while True:
            if self._restart is not None and number == dies:
                number = (dies // timing.parts_per_segment + 2) * timing.parts_per_segment
                self._info = self._restart
            msn, part = divmod(number, timing.parts_per_segment)
            over_ns = (number + 1) * part_ns
            if over_ns > time.time_ns():
                ready()
                await asyncio.sleep((over_ns - time.time_ns()) / 1e9)
            if self._info is self._restart:
                self._origin.begin(self, self._info)
            self._origin.take(self, self._info, part_push(msn, part, self._info))
            number += 1


@contextlib.asynccontextmanager
async def running(*roles):
    """Run roles until the block ends; each is ready before the next one starts."""
    tasks = []
    try:
        for role in roles:
            ready = asyncio.Event()
            tasks.append(asyncio.create_task(role.run(ready.set)))
            await ready.wait()
        yield
    finally:
        for task in reversed(tasks):
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def on_air(info=INFO, restart=None, **edge_config):
    """A stream on air: yields its origin, an edge before it and the path of its multivariant playlist."""
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=SECRET, window_segments=WINDOW))
    async with running(origin, SyntheticStudio(origin, info, restart)):
        edge = Edge(EdgeConfig("edge-0", "127.0.0.1", origin.port, playback_secret=SECRET, **edge_config))
        async with running(edge):
            token = seal_playback(Playback(7, TABLE, int(time.time()) + 3600), SECRET)
            yield origin, edge, f"/{token}/live/{TABLE}/master.m3u8"
