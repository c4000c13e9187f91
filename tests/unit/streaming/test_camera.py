import numpy as np
import pytest

from reference_impl.domain.game_round import Phase
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.scene import LANDING_NS, Scene

NOW = 1_767_323_045_680_000_000


def film(scene, width=426, height=240, table=1, seed=0, at=NOW):
    return Camera(width, height, table, seed).draw(scene, at).copy()


@pytest.mark.parametrize(("width", "height"), [(854, 480), (426, 240), (320, 180), (160, 120), (120, 160)])
@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_is_drawn_at_every_size_with_a_readable_timecode(width, height, phase):
    scene = Scene(1, 1, (1 << 32) | 1234567, phase, NOW + 25_000_000_000, NOW - 10**9, NOW - LANDING_NS, 36)
    picture = film(scene, width, height)
    assert picture.shape == (height * 3 // 2, width)
    assert Strip(width, height).read(picture[:height], NOW // 10**6) == NOW // 10**6


def test_same_arguments_give_the_same_bytes():
    assert np.array_equal(film(Scene()), film(Scene()))
    assert not np.array_equal(film(Scene()), film(Scene(), table=2))
    assert not np.array_equal(film(Scene()), film(Scene(), seed=1))


def test_pictures_of_two_outcomes_differ_only_from_the_result_on():
    dealing = [film(Scene(1, 1, 1, Phase.DEALING, 0, NOW - 10**9, 0, outcome)) for outcome in (3, 30)]
    result = [film(Scene(1, 1, 1, Phase.RESULT, 0, NOW - 10**9, NOW, outcome)) for outcome in (3, 30)]
    assert np.array_equal(*dealing)
    assert not np.array_equal(*result)


def test_countdown_changes_the_picture_each_second():
    scene = Scene(1, 1, 1, Phase.BETS_OPEN, NOW + 5_000_000_000)
    board = [film(scene, at=NOW + s * 10**9)[40:240, 240:] for s in range(3)]
    assert not np.array_equal(board[0], board[1])
    assert not np.array_equal(board[1], board[2])
