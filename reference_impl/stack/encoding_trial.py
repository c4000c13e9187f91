"""Encoding a film twice over with one choice of settings: what it costs, how late it comes, how good it looks.

The film is the camera's own, drawn before anything is timed. Quality is measured on luma after decoding.

References
----------
Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004: SSIM
with its constants K1 = 0.01, K2 = 0.03; here over blocks of 8 x 8 without overlap.
"""

import math
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from av import CodecContext, Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.phases import Phase
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.config import Rung, VideoConfig
from reference_impl.streaming.encoder import open_encoder
from reference_impl.streaming.scene import Scene

BLOCK = 8
PEAK = 255.0
_C1, _C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2

Picture = npt.NDArray[np.uint8]
Luma = npt.NDArray[np.float64]


class Settings(NamedTuple):
    """What an encoder is told: preset, frames between independent ones, bit rate, frames to look ahead."""

    preset: str
    gop_frames: int
    kbps: int
    lookahead_frames: int = 0


class Trial(NamedTuple):
    """What came of it. CPU is of the encoder alone; `held_frames` is how many frames it keeps back."""

    psnr_db: float
    ssim: float
    cpu_s_per_media_s: float
    encode_ms_p95: float
    held_frames: int
    latency_ms: float
    sent_kbps: float


def film(width: int, height: int, frames: int, fps: int) -> list[Picture]:
    """Return a table's pictures while its ball runs."""
    camera = Camera(width, height, table=1, seed=1)
    scene = Scene(epoch=1, seq=1, round=7, phase=Phase.DEALING, dealt_at_unix_ns=NS_PER_S, game=ROULETTE.name)
    return [camera.draw(scene, NS_PER_S + number * NS_PER_S // fps).copy() for number in range(frames)]


def encode(pictures: Sequence[Picture], width: int, height: int, settings: Settings, fps: int) -> Trial:
    """Encode a film, decode it, compare."""
    rung = Rung("trial", width, height, settings.kbps)
    config = msgspec.structs.replace(VideoConfig(), ladder=(rung,), preset=settings.preset)
    context = open_encoder(rung, config, settings.lookahead_frames)
    packets: list[Packet[VideoStream]] = []
    spent_ms: list[float] = []
    held_frames = 0
    started_ns = time.process_time_ns()
    for number, picture in enumerate(pictures):
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        frame.pict_type = PictureType.I if number % settings.gop_frames == 0 else PictureType.NONE
        before_ns = time.perf_counter_ns()
        packets += context.encode(frame)
        spent_ms.append((time.perf_counter_ns() - before_ns) / NS_PER_MS)
        held_frames = max(held_frames, number + 1 - len(packets))
    packets += context.encode(None)
    cpu_s = (time.process_time_ns() - started_ns) / NS_PER_S
    shown = _decoded(context, packets, height)
    media_s = len(pictures) / fps
    p95_ms = float(np.percentile(spent_ms, 95))
    pairs = list(zip((picture[:height].astype(float) for picture in pictures), shown, strict=True))
    return Trial(
        psnr_db=float(np.mean([psnr_db(a, b) for a, b in pairs])),
        ssim=float(np.mean([ssim(a, b) for a, b in pairs])),
        cpu_s_per_media_s=cpu_s / media_s,
        encode_ms_p95=p95_ms,
        held_frames=held_frames,
        latency_ms=held_frames * 1000 / fps + p95_ms,
        sent_kbps=sum(packet.size for packet in packets) * 8 / 1000 / media_s,
    )


def psnr_db(first: Luma, second: Luma) -> float:
    """Return the peak signal-to-noise ratio of two planes, dB; infinite if they are the same."""
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def ssim(first: Luma, second: Luma) -> float:
    """Return the mean structural similarity of two planes, up to 1."""
    a, b = _blocks(first), _blocks(second)
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    covariance = (a * b).mean(axis=1) - mean_a * mean_b
    structure = (2 * covariance + _C2) / (a.var(axis=1) + b.var(axis=1) + _C2)
    return float(np.mean((2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1) * structure))


def _blocks(plane: Luma) -> Luma:
    rows, columns = (side // BLOCK for side in plane.shape)
    cut = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(-1, BLOCK * BLOCK)


def _decoded(encoder: VideoCodecContext, packets: "Sequence[Packet[VideoStream]]", height: int) -> list[Luma]:
    decoder = CodecContext.create("h264", "r")
    decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format="yuv420p")[:height].astype(float) for frame in frames]
