"""Frames say themselves when they were taken."""

from pathlib import Path

import av
import numpy as np
import pytest

from loadtest.clips import captured_unix_ms, read_clips
from loadtest.recorder import Clip, Recorder
from reference_impl.domain.timecode import Strip
from reference_impl.domain.units import NS_PER_MS

UNIX_MS = 1_790_000_123_456
MONO_NS, UNIX_NS = 7_000_000_000, 1_790_000_120_000_000_000


@pytest.fixture
def film(tmp_path: Path) -> bytes:
    """One coded frame with a timecode."""
    file = tmp_path / "film.mp4"
    luma = np.full((180, 320), 90, np.uint8)
    Strip(320, 180).draw(luma, UNIX_MS)
    with av.open(file, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        planes = np.concatenate([luma, np.full((90, 320), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.read_bytes()


def test_age_of_a_kept_part_is_read_off_its_first_frame(tmp_path: Path, film: bytes) -> None:
    recorder = Recorder(tmp_path, 0)
    arrived_ns = (UNIX_MS + 300) * NS_PER_MS - UNIX_NS + MONO_NS
    recorder.clip(Clip(7, 1, 0, 11, 0, arrived_ns, arrived_ns + 600 * NS_PER_MS), film)
    recorder.clip(Clip(7, 1, 0, 12, 0, arrived_ns, arrived_ns), b"no film at all")
    recorder.close()
    glass = read_clips(tmp_path, (MONO_NS, UNIX_NS))
    assert glass["msn"].tolist() == [11]
    assert (glass["arrived_ns"] - glass["captured_ns"]).tolist() == [300 * NS_PER_MS]
    assert (glass["shown_ns"] - glass["captured_ns"]).tolist() == [900 * NS_PER_MS]


def test_clip_that_is_missing_or_no_film_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert captured_unix_ms(tmp_path / "empty.mp4", UNIX_MS) is None
    assert captured_unix_ms(tmp_path / "missing.mp4", UNIX_MS) is None


def test_load_without_viewers_leaves_no_frames(tmp_path: Path) -> None:
    assert read_clips(tmp_path, (0, 0)).empty
