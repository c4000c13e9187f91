"""The encoder ladder: one libx264 instance a rung, independent frames where the caller says so, on all rungs alike.

``zerolatency`` gives every frame back at once, so there is nothing to flush and no frame waits for the next one.
"""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av import VideoCodecContext, VideoFrame
from av.codec.context import Flags
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.streaming.boxes import codec_string, init_section, length_prefixed
from reference_impl.streaming.config import Rung, VideoConfig
from reference_impl.streaming.messages import RenditionInfo

BURST_SHARE = 1.25
"""Announced peak over the nominal bit rate: one second of VBV, box overhead included."""
KEYINT_NEVER = 1 << 30


class Ladder:
    """Encodes each picture once a rung.

    Parameters
    ----------
    config : VideoConfig
        Rungs, frame rate, preset.
    """

    def __init__(self, config: VideoConfig) -> None:
        self._rungs = config.ladder
        self._contexts = [open_encoder(rung, config) for rung in config.ladder]
        self._scalers = [VideoReformatter() for _ in config.ladder]
        self._time_base = Fraction(1, config.timing.fps)

    def renditions(self) -> tuple[RenditionInfo, ...]:
        """Return what players must know of each rung."""
        return tuple(
            RenditionInfo(
                name=rung.name,
                width=rung.width,
                height=rung.height,
                bandwidth_bps=int(rung.kbps * 1000 * BURST_SHARE),
                codec=codec_string(context.extradata or b""),
                init=init_section(rung.width, rung.height, context.extradata or b""),
            )
            for rung, context in zip(self._rungs, self._contexts, strict=True)
        )

    def encode(self, yuv420p: npt.NDArray[np.uint8], slot: int, *, key: bool) -> tuple[bytes, ...]:
        """Return the picture encoded for each rung, as length-prefixed slices.

        Parameters
        ----------
        yuv420p : array of uint8, shape (height * 3 // 2, width)
            The picture at the first rung's size.
        slot : int
            The frame slot: rises from call to call.
        key : bool
            Whether the frame must be independent of all before it.
        """
        picture = VideoFrame.from_ndarray(yuv420p, format="yuv420p")
        return tuple(self._encode(index, picture, slot, key=key) for index in range(len(self._rungs)))

    def _encode(self, index: int, picture: VideoFrame, slot: int, *, key: bool) -> bytes:
        rung = self._rungs[index]
        frame = picture
        if (picture.width, picture.height) != (rung.width, rung.height):
            frame = self._scalers[index].reformat(
                picture, width=rung.width, height=rung.height, interpolation=Interpolation.FAST_BILINEAR
            )
        frame.pts, frame.time_base = slot, self._time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._contexts[index].encode(frame)
        if len(packets) != 1:
            raise LocalProtocolError(f"rung {rung.name!r} gave {len(packets)} packets for frame {slot}, not 1")
        return length_prefixed(bytes(packets[0]))


def open_encoder(rung: Rung, config: VideoConfig, lookahead_frames: int = 0) -> VideoCodecContext:
    """Return an encoder of a rung.

    Parameters
    ----------
    rung : Rung
        Size and bit rate.
    config : VideoConfig
        Preset and frame rate.
    lookahead_frames : int
        Frames that it may look ahead, and keeps back so long; with 0 every frame comes back at once.
    """
    context = VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = rung.width, rung.height, "yuv420p"
    context.time_base = Fraction(1, config.timing.fps)
    context.framerate = Fraction(config.timing.fps)
    context.bit_rate = rung.kbps * 1000
    context.thread_count = 1
    context.flags |= int(Flags.global_header)
    rate = f"vbv-maxrate={rung.kbps}:vbv-bufsize={rung.kbps}"
    ahead = f"rc-lookahead={lookahead_frames}:sync-lookahead=0:sliced-threads=0:" if lookahead_frames else ""
    context.options = {
        "preset": config.preset,
        **({} if lookahead_frames else {"tune": "zerolatency"}),
        "forced-idr": "1",
        "x264-params": f"{ahead}scenecut=0:keyint={KEYINT_NEVER}:force-cfr=1:{rate}",
    }
    context.open()
    return context
