"""The packager: encoded frames in, fragments out; one of each frame at once, one of each part when it is whole.

Frames stand in slots of the wall clock. A dropped frame leaves its slot empty and lengthens the sample before it; the
studio never drops a part's first frame, so every part starts on its boundary and lasts exactly PART-TARGET.
"""

from typing import NamedTuple

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.boxes import Sample, fragment
from reference_impl.streaming.messages import FramePush, PartPush


class Encoded(NamedTuple):
    """A frame after the ladder."""

    slot: int
    key: bool
    captured_unix_ns: int
    data: tuple[bytes, ...]


class Packager:
    """Packs the frames of one stream.

    Parameters
    ----------
    timing : MediaTiming
        Frames, parts, segments.
    """

    def __init__(self, timing: MediaTiming) -> None:
        self._timing = timing
        self._frames: list[Encoded] = []

    def add(self, frame: Encoded) -> list[FramePush | PartPush]:
        """Take a frame; return its own fragment, before or after it the parts that it completes.

        Raises
        ------
        LocalProtocolError
            If the frame opens a part without standing on the part's first slot, or goes back in time.
        """
        done: list[FramePush | PartPush] = []
        if self._frames and frame.slot >= self._part_end(self._frames[0].slot):
            done.append(self._flush())
        if not self._frames and frame.slot % self._timing.part_frames:
            raise LocalProtocolError(f"frame {frame.slot} is the first of its part but stands inside it")
        if self._frames and frame.slot <= self._frames[-1].slot:
            raise LocalProtocolError(f"frame {frame.slot} comes after frame {self._frames[-1].slot}")
        self._frames.append(frame)
        done.append(self._frame(frame))
        if frame.slot + 1 == self._part_end(frame.slot):
            done.append(self._flush())
        return done

    def reset(self) -> None:
        """Forget a part that will not be finished."""
        self._frames = []

    def _part_end(self, slot: int) -> int:
        return slot - slot % self._timing.part_frames + self._timing.part_frames

    def _frame(self, frame: Encoded) -> FramePush:
        ticks = self._timing.frame_ticks
        data = tuple(
            fragment(frame.slot, frame.slot * ticks, frame.captured_unix_ns, (Sample(data, ticks, frame.key),))
            for data in frame.data
        )
        return FramePush(frame.slot, frame.key, data)

    def _flush(self) -> PartPush:
        frames, self._frames = self._frames, []
        first, ticks = frames[0], self._timing.frame_ticks
        ends = [frame.slot for frame in frames[1:]] + [self._part_end(first.slot)]
        data = tuple(
            fragment(
                first.slot // self._timing.part_frames,
                first.slot * ticks,
                first.captured_unix_ns,
                [
                    Sample(frame.data[rung], (end - frame.slot) * ticks, frame.key)
                    for frame, end in zip(frames, ends, strict=True)
                ],
            )
            for rung in range(len(first.data))
        )
        msn, part = self._timing.part_of(first.slot)
        return PartPush(msn, part, first.key, len(frames), first.captured_unix_ns, data)
