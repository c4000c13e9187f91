"""The sound rendition: AAC frames on the wall clock's grid, packed into parts that end when the picture's parts end.

AAC frame ``n`` begins at sample ``1024 n`` since the Unix epoch, so a part of 320 ms holds exactly 15 of them. The
encoder gives a frame back when it has two more; those are made of the next 43 ms of the scene as it is announced now,
so that sound never keeps a part waiting.
"""

from fractions import Fraction

from av import AudioCodecContext, AudioFrame
from av.codec.context import Flags

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import MediaTiming
from reference_impl.streaming.boxes import Sample, fragment, sound_init_section
from reference_impl.streaming.config import SOUND_FRAME, SOUND_RATE_HZ
from reference_impl.streaming.messages import RenditionInfo
from reference_impl.streaming.scene import Scene
from reference_impl.streaming.sound import hear

NAME = "sound"
KBPS = 64
BURST_SHARE = 1.5
FRAMES_BEHIND = 2
FRAMES_BEFORE = 1
"""Fed before a part that does not follow the last one, since an AAC frame overlaps the one before it."""


class SoundEncoder:
    """Encodes one table's sound.

    Parameters
    ----------
    timing : MediaTiming
        Parts; each holds a whole number of AAC frames.
    """

    def __init__(self, timing: MediaTiming) -> None:
        self._timing = timing
        self._part_frames = timing.part_frames * SOUND_RATE_HZ // (timing.fps * SOUND_FRAME)
        self._context = _open()
        self._fed = -1
        self._ready: dict[int, bytes] = {}

    def rendition(self) -> RenditionInfo:
        """Return what players must know of it."""
        config = self._context.extradata or b""
        init = sound_init_section(SOUND_RATE_HZ, 1, config[:2])
        return RenditionInfo(NAME, 0, 0, int(KBPS * 1000 * BURST_SHARE), "mp4a.40.2", init, "sound")

    def part(self, number: int, scene: Scene, captured_unix_ns: int) -> bytes:
        """Return a part as a fragment.

        Parameters
        ----------
        number : int
            The part's number since the Unix epoch.
        scene : Scene
            The table as it was last announced.
        captured_unix_ns : int
            When the part's first picture was taken.

        Raises
        ------
        LocalProtocolError
            If the encoder kept a frame back.
        """
        first = number * self._part_frames
        end = first + self._part_frames
        if self._fed < first - FRAMES_BEFORE or self._fed > end + FRAMES_BEHIND:
            self._fed = first - FRAMES_BEFORE
        for frame in range(self._fed, end + FRAMES_BEHIND):
            self._encode(frame, scene)
        self._fed = end + FRAMES_BEHIND
        missing = [frame for frame in range(first, end) if frame not in self._ready]
        if missing:
            raise LocalProtocolError(f"AAC frame {missing[0]} of part {number} was not given back by the encoder")
        samples = [Sample(self._ready.pop(frame), SOUND_FRAME, True) for frame in range(first, end)]
        self._ready = {frame: data for frame, data in self._ready.items() if frame >= end}
        return fragment(number, first * SOUND_FRAME, captured_unix_ns, samples)

    def _encode(self, number: int, scene: Scene) -> None:
        frame = AudioFrame.from_ndarray(
            hear(scene, number * SOUND_FRAME, SOUND_FRAME).reshape(1, -1), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE_HZ, number * SOUND_FRAME, Fraction(1, SOUND_RATE_HZ)
        for packet in self._context.encode(frame):
            if packet.pts is not None:
                self._ready[packet.pts // SOUND_FRAME] = bytes(packet)


def _open() -> AudioCodecContext:
    context = AudioCodecContext.create("aac", "w")
    context.sample_rate = SOUND_RATE_HZ
    context.layout, context.format = "mono", "fltp"
    context.bit_rate = KBPS * 1000
    context.time_base = Fraction(1, SOUND_RATE_HZ)
    context.flags |= int(Flags.global_header)
    context.open()
    return context
