"""A device in place of the camera: FFmpeg's own generator of test pictures stands for one."""

import time

import numpy as np
import pytest

from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.config import VideoConfig
from reference_impl.streaming.device import Device
from reference_impl.streaming.scene import Scene

WIDTH, HEIGHT = 320, 180


def test_newest_picture_is_shown_at_its_own_pace_with_the_capture_time_burnt_in():
    device = Device("lavfi:testsrc=size=160x120:rate=10", WIDTH, HEIGHT)
    seen = []
    ends_s = time.monotonic() + 0.65
    while time.monotonic() < ends_s:
        picture = device.draw(Scene(), 1_790_000_000_040_000_000)
        assert Strip(WIDTH, HEIGHT).read(picture[:HEIGHT], 1_790_000_000_000) == 1_790_000_000_040
        seen.append(picture[HEIGHT // 4 : HEIGHT].tobytes())
        time.sleep(0.02)
    device.close()
    assert picture.shape == (HEIGHT * 3 // 2, WIDTH)
    assert picture.dtype == np.uint8
    assert 4 <= len(set(seen)) <= 8


def test_device_that_has_ended_says_so():
    device = Device("lavfi:testsrc=size=160x120:rate=50:duration=0.1", WIDTH, HEIGHT)
    time.sleep(0.3)
    with pytest.raises(OperationalError, match=r"device 'lavfi:testsrc.*': it has ended"):
        device.draw(Scene(), 0)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("/dev/video0", "is not of the form FORMAT:NAME"),
        ("v4l2:/dev/no-such-camera", "cannot be opened"),
        ("nothing:x", "cannot be opened"),
        ("lavfi:sine=frequency=440", "no video in it"),
    ],
)
def test_what_is_no_device_is_refused_with_its_name(source, problem):
    with pytest.raises(ConfigError, match=f"device '{source}'.*{problem}"):
        Device(source, WIDTH, HEIGHT)


def test_film_and_device_exclude_each_other():
    with pytest.raises(ConfigError, match=r"film 'a\.mp4' and device 'lavfi:b' are both asked for"):
        VideoConfig(film="a.mp4", device="lavfi:b")
