"""A film from a file in place of the camera: the same frames for the same instants, with the capture time burnt in.

The film loops on the wall clock, so that a studio that starts again is where the others are: the frame of an instant is
a function of the file and the instant alone. Frames in between are decoded and dropped; going back means to begin anew.
"""

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.timecode import Strip
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.streaming.scene import Scene


class Film:
    """Shows a file.

    Parameters
    ----------
    path : str
        Anything with video in it that FFmpeg reads.
    width, height : int
        Size of the pictures, both even; the film is scaled to it.

    Raises
    ------
    ConfigError
        If it cannot be read, holds no video, or does not say how long it is.
    """

    def __init__(self, path: str, width: int, height: int) -> None:
        self._path = path
        self._size = (width, height)
        self._strip = Strip(width, height)
        self._scaler = VideoReformatter()
        try:
            self._container = av.open(path)
        except (FFmpegError, OSError) as error:
            raise ConfigError(f"film '{path}': cannot be read: {error}") from None
        if not self._container.streams.video or not self._container.duration:
            raise ConfigError(f"film '{path}': no video in it, or no duration")
        self._length_ns = self._container.duration * 1000
        self._frames: Iterator[VideoFrame] = self._container.decode(video=0)
        self._shown: npt.NDArray[np.uint8] = self._yuv(self._first())
        self._next = next(self._frames, None)
        self._at_ns = 0

    def draw(self, scene: Scene, unix_ns: int) -> npt.NDArray[np.uint8]:  # noqa: ARG002 - a film knows of no round
        """Return the picture of an instant as planar YUV 4:2:0, shape ``(height * 3 // 2, width)``."""
        at_ns = unix_ns % self._length_ns
        if at_ns < self._at_ns:
            self._rewind()
        self._at_ns = at_ns
        newest = None
        while self._next is not None and (self._next.time or 0.0) * NS_PER_S <= at_ns:
            newest, self._next = self._next, next(self._frames, None)
        if newest is not None:
            self._shown = self._yuv(newest)
        picture = self._shown.copy()
        self._strip.draw(picture[: self._size[1]], unix_ns // NS_PER_MS)
        return picture

    def _first(self) -> VideoFrame:
        frame = next(self._frames, None)
        if frame is None:
            raise ConfigError(f"film '{self._path}': no frame in it can be decoded")
        return frame

    def _rewind(self) -> None:
        self._container.seek(0)
        self._frames = self._container.decode(video=0)
        self._shown = self._yuv(self._first())
        self._next = next(self._frames, None)

    def _yuv(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        width, height = self._size
        scaled = self._scaler.reformat(frame, width=width, height=height, format="yuv420p")
        plane: npt.NDArray[np.uint8] = scaled.to_ndarray().astype(np.uint8, copy=False)
        return plane
