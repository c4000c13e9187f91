"""Wheels on film: the roulette wheel with its ball, and the money wheel below its pointer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reference_impl.domain.games.money_wheel import LABELS, NUMBERS, SEGMENTS
from reference_impl.domain.games.roulette import RED, WHEEL
from reference_impl.streaming import scene as stage
from reference_impl.streaming.picture import (
    AMBER,
    BLACK_,
    BLUE_,
    BRASS,
    FELT,
    GREEN_,
    GREY,
    RED_,
    VIOLET,
    WHITE,
    WOOD,
    Colour,
    Picture,
)  # fmt: skip
from reference_impl.streaming.scene import Scene

STEPS_A_PLACE = 16
NUMBER_COLOURS = dict(zip(NUMBERS, (GREY, BLUE_, GREEN_, AMBER, VIOLET, RED_), strict=True))


def pocket_colour(pocket: int) -> Colour:
    """Return a roulette pocket's colour."""
    if pocket == 0:
        return GREEN_
    return RED_ if pocket in RED else BLACK_


class Disc:
    """A wheel's square: for each pixel, which step of the ring it shows; colours turn, pixels stay.

    Parameters
    ----------
    radius : int
        In pixels, even.
    places : sequence of Colour
        The ring's places, clockwise from the right.
    inner : float
        Where the ring begins, as a share of the radius.
    """

    def __init__(self, radius: int, places: Sequence[Colour], inner: float) -> None:
        self.radius = radius
        self._steps = len(places) * STEPS_A_PLACE
        self._luma_map = _ring_map(2 * radius, self._steps, inner)
        self._chroma_map = self._luma_map[::2, ::2].copy()
        ring = [BRASS if step % STEPS_A_PLACE == 0 else places[step // STEPS_A_PLACE] for step in range(self._steps)]
        colours = np.array([*ring, WOOD, BRASS, FELT], np.uint8)
        self._palettes = [colours[:, plane].copy() for plane in range(3)]

    def draw(self, picture: Picture, left: int, top: int, turns: float) -> None:
        """Draw the wheel turned by `turns`, its square's corner at an even ``(left, top)``."""
        shift = int(turns * self._steps)
        size, half = 2 * self.radius, self.radius
        targets = (
            (picture.y[top : top + size, left : left + size], self._luma_map),
            (picture.u[top // 2 : top // 2 + half, left // 2 : left // 2 + half], self._chroma_map),
            (picture.v[top // 2 : top // 2 + half, left // 2 : left // 2 + half], self._chroma_map),
        )
        for (target, steps), palette in zip(targets, self._palettes, strict=True):
            turned = np.concatenate((np.roll(palette[: self._steps], shift), palette[self._steps :]))
            target[:] = turned[steps]


class RouletteWheel:
    """Draws a roulette wheel that turns for ever, and the ball.

    Parameters
    ----------
    left, top, radius : int
        The corner of the wheel's square and half its side, in pixels, all even.
    table, seed : int
        Which table, and the film's seed.
    """

    def __init__(self, left: int, top: int, radius: int, table: int, seed: int) -> None:
        self._left, self._top, self._table, self._seed = left, top, table, seed
        self._disc = Disc(radius, [pocket_colour(pocket) for pocket in WHEEL], 0.55)
        self._ball = max(4, 2 * radius // 24)

    def draw(self, picture: Picture, scene: Scene, unix_ns: int) -> None:
        """Draw the table at an instant."""
        self._disc.draw(picture, self._left, self._top, stage.wheel_turns(self._table, unix_ns))
        place = stage.ball(scene, self._table, self._seed, unix_ns)
        if place is None:
            return
        turns, depth = place
        radius, size = self._disc.radius, self._ball
        reach = radius * (0.94 - 0.20 * depth)
        x = self._left + radius + reach * np.cos(2 * np.pi * turns) - size / 2
        y = self._top + radius + reach * np.sin(2 * np.pi * turns) - size / 2
        picture.fill(int(x) // 2 * 2, int(y) // 2 * 2, size, size, WHITE)


class MoneyWheel:
    """Draws a money wheel and the pointer above it; parameters as for :class:`RouletteWheel`."""

    def __init__(self, left: int, top: int, radius: int, table: int, seed: int) -> None:
        self._left, self._top, self._table, self._seed = left, top, table, seed
        places = [BLACK_] * SEGMENTS  # what carries no number multiplies
        for segment, number in enumerate(LABELS):
            places[segment * stage.SEGMENT_STRIDE % SEGMENTS] = NUMBER_COLOURS[number]
        self._disc = Disc(radius, places, 0.25)
        self._pointer = max(4, radius // 12 // 2 * 2)

    def draw(self, picture: Picture, scene: Scene, unix_ns: int) -> None:
        """Draw the table at an instant."""
        turns = stage.money_wheel_turns(scene, self._table, self._seed, unix_ns)
        self._disc.draw(picture, self._left, self._top, turns)
        middle = (self._left + self._disc.radius - self._pointer // 2) // 2 * 2
        picture.fill(middle, self._top, self._pointer, 2 * self._pointer, WHITE)


def _ring_map(size: int, steps: int, inner: float) -> npt.NDArray[np.intp]:
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    distance = np.hypot(rows, columns) / (size / 2)
    ring = np.floor(np.arctan2(rows, columns) / (2 * np.pi) % 1.0 * steps).astype(np.intp) % steps
    hub, rim, felt = steps, steps + 1, steps + 2
    return np.select([distance < inner, distance < 0.88, distance < 1.0], [hub, ring, rim], felt)
