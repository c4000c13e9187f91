"""A device in place of the camera: the newest picture of anything that FFmpeg opens as an input format.

Reading a device blocks, so it is done in a thread that keeps the newest picture and nothing else. A source that makes
pictures faster than they are due, as a file or a generator does, is read at their pace. A device that has ended or
fallen silent ends the studio, which its supervisor starts again.
"""

import threading
import time

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.timecode import Strip
from reference_impl.domain.units import NS_PER_MS
from reference_impl.streaming.scene import Scene

FIRST_S_MAX = 5.0
SILENT_S_MAX = 2.0


class Device:
    """Shows a device.

    Parameters
    ----------
    source : str
        FFmpeg's input format and what is to be opened, with a colon between: ``v4l2:/dev/video0``,
        ``lavfi:testsrc=size=640x360:rate=25``.
    width, height : int
        Size of the pictures, both even; what comes is scaled to it.

    Raises
    ------
    ConfigError
        If it cannot be opened, or has no picture.
    """

    def __init__(self, source: str, width: int, height: int) -> None:
        kind, _, name = source.partition(":")
        if not name:
            raise ConfigError(f"device '{source}' is not of the form FORMAT:NAME, such as v4l2:/dev/video0")
        try:
            self._container = av.open(name, format=kind)
        except (FFmpegError, OSError, ValueError) as error:
            raise ConfigError(f"device '{source}': cannot be opened: {error}") from None
        if not self._container.streams.video:
            raise ConfigError(f"device '{source}': no video in it")
        self._source = source
        self._size = (width, height)
        self._strip = Strip(width, height)
        self._scaler = VideoReformatter()
        self._newest: npt.NDArray[np.uint8] | None = None
        self._came_s = time.monotonic()
        self._ended = ""
        self._first = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"device {source}", daemon=True)
        self._thread.start()
        if not self._first.wait(FIRST_S_MAX) or self._newest is None:
            raise ConfigError(f"device '{source}': {self._ended or f'no picture within {FIRST_S_MAX:g} s'}")

    def draw(self, scene: Scene, unix_ns: int) -> npt.NDArray[np.uint8]:  # noqa: ARG002 - a device knows of no round
        """Return the newest picture as planar YUV 4:2:0, shape ``(height * 3 // 2, width)``.

        Raises
        ------
        OperationalError
            If the device has ended or gives no picture any more.
        """
        silent_s = time.monotonic() - self._came_s
        if self._newest is None or self._ended or silent_s > SILENT_S_MAX:
            raise OperationalError(f"device '{self._source}': {self._ended or f'no picture for {silent_s:.1f} s'}")
        picture = self._newest.copy()
        self._strip.draw(picture[: self._size[1]], unix_ns // NS_PER_MS)
        return picture

    def close(self) -> None:
        """Stop reading, after the picture that comes next."""
        self._closed.set()

    def _read(self) -> None:
        try:
            self._keep_newest()
        except (FFmpegError, OSError) as error:
            self._ended = str(error)
        self._ended = self._ended or "it has ended"
        self._first.set()

    def _keep_newest(self) -> None:
        begun_s: float | None = None
        for frame in self._container.decode(video=0):
            if begun_s is None:
                begun_s = time.monotonic() - (frame.time or 0.0)
            early_s = begun_s + (frame.time or 0.0) - time.monotonic()
            if self._closed.wait(max(early_s, 0.0)):
                return
            self._newest, self._came_s = self._yuv(frame), time.monotonic()
            self._first.set()

    def _yuv(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        width, height = self._size
        scaled = self._scaler.reformat(frame, width=width, height=height, format="yuv420p")
        plane: npt.NDArray[np.uint8] = scaled.to_ndarray().astype(np.uint8, copy=False)
        return plane
