import numpy as np
import pytest

from reference_impl.domain.timecode import BLOCKS, CODE_BITS, Strip, decode, encode

NOW_UNIX_MS = 1_767_323_045_678


@pytest.mark.parametrize("unix_ms", [NOW_UNIX_MS, 0, (1 << CODE_BITS) - 1, 1 << CODE_BITS, NOW_UNIX_MS + 1])
def test_instant_is_read_back_whole_though_its_strip_holds_forty_bits(unix_ms):
    assert decode(encode(unix_ms), unix_ms + 5000) == unix_ms


@pytest.mark.parametrize("block", range(BLOCKS))
def test_one_wrong_block_is_noticed(block):
    assert decode(encode(NOW_UNIX_MS) ^ 1 << block, NOW_UNIX_MS) is None


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (854, 480), (426, 240), (320, 180), (170, 96)])
def test_strip_is_read_at_every_size(width, height):
    strip, luma = Strip(width, height), np.full((height, width), 90, np.uint8)
    for unix_ms in range(NOW_UNIX_MS, NOW_UNIX_MS + 4000, 37):
        strip.draw(luma, unix_ms)
        assert strip.read(luma, NOW_UNIX_MS) == unix_ms


def test_strip_survives_scaling_to_a_size_that_divides_nothing():
    luma = np.zeros((480, 854), np.uint8)
    Strip(854, 480).draw(luma, NOW_UNIX_MS)
    rows, columns = np.arange(240) * 480 // 240, np.arange(426) * 854 // 426
    assert Strip(426, 240).read(luma[rows][:, columns], NOW_UNIX_MS) == NOW_UNIX_MS


def test_picture_without_a_strip_has_no_instant():
    assert Strip(320, 180).read(np.full((180, 320), 235, np.uint8), NOW_UNIX_MS) is None
