"""A film from a file in place of the camera."""

import av
import numpy as np
import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.film import Film
from reference_impl.streaming.scene import Scene

FPS, SECONDS = 25, 2
WIDTH, HEIGHT = 320, 180
LOOP_NS = SECONDS * 10**9


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two seconds that grow brighter with each frame."""
    path = str(tmp_path_factory.mktemp("film") / "film.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(FPS * SECONDS):
            picture = np.full((180, 160), 128, np.uint8)
            picture[:120] = 40 + 3 * number
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def brightness(picture):
    return float(picture[HEIGHT // 2 : HEIGHT].mean())


def test_frame_follows_from_the_instant_alone_and_the_film_loops(path):
    film = Film(path, WIDTH, HEIGHT)
    seen = [brightness(film.draw(Scene(), at)) for at in range(0, 2 * LOOP_NS, 40_000_000)]
    assert seen[:50] == pytest.approx([40 + 3 * n for n in range(50)], abs=3)
    assert seen[50:] == pytest.approx(seen[:50], abs=3)


def test_studio_that_starts_again_is_where_it_would_be(path):
    film, late = Film(path, WIDTH, HEIGHT), Film(path, WIDTH, HEIGHT)
    for at in range(0, 1_200_000_000, 40_000_000):
        expected = film.draw(Scene(), at)
    assert np.array_equal(late.draw(Scene(), 1_160_000_000), expected)


def test_capture_time_is_burnt_in(path):
    picture = Film(path, WIDTH, HEIGHT).draw(Scene(), 1_790_000_000_040_000_000)
    assert Strip(WIDTH, HEIGHT).read(picture[:HEIGHT], 1_790_000_000_000) == 1_790_000_000_040


def test_what_is_no_film_is_refused_with_its_name(tmp_path):
    (tmp_path / "a.txt").write_text("no film")
    for name in ("a.txt", "nothing.mp4"):
        with pytest.raises(ConfigError, match=f"film '.*{name}': cannot be read"):
            Film(str(tmp_path / name), WIDTH, HEIGHT)
