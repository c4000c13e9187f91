"""The camera: draws a table's scene straight into YUV planes, with the capture time in the picture.

Drawing is a function of (table, seed, scene, instant): the same arguments give the same bytes. Everything that does not
move is drawn once; a frame is a copy of it, one table look-up for the wheel, and a few small rectangles. Luma and
chroma are drawn apart (4:2:0), since a conversion from RGB would cost more than the encoder's smallest rung.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.roulette import POCKETS, RED, WHEEL
from reference_impl.domain.timecode import Plane, Strip
from reference_impl.domain.units import NS_PER_MS
from reference_impl.streaming import scene as stage
from reference_impl.streaming.scene import Scene

STEPS = POCKETS * 16
HUB, RIM, FELT_INDEX = STEPS, STEPS + 1, STEPS + 2


class Colour(NamedTuple):
    """A colour in BT.709 limited range."""

    y: int
    u: int
    v: int


FELT = Colour(88, 118, 112)
RED_ = Colour(63, 102, 240)
BLACK_ = Colour(28, 128, 128)
GREEN_ = Colour(133, 63, 52)
AMBER = Colour(158, 36, 160)
GREY = Colour(128, 128, 128)
WHITE = Colour(225, 128, 128)
WOOD = Colour(70, 108, 150)
BRASS = Colour(140, 90, 150)

LAMP = {
    Phase.BETS_OPEN: GREEN_,
    Phase.CLOSING_SOON: AMBER,
    Phase.NO_MORE_BETS: RED_,
    Phase.CLOSING: RED_,
    Phase.BETS_CLOSED: RED_,
    Phase.DEALING: RED_,
    Phase.RESULT: WHITE,
    Phase.SETTLED: WHITE,
}

DIGITS = np.unpackbits(
    np.array(
        [
            [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
            [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
            [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
            [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
            [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
            [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
            [0b01110, 0b10000, 0b11110, 0b10001, 0b10001, 0b10001, 0b01110],
            [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
            [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
            [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00001, 0b01110],
        ],
        np.uint8,
    )[:, :, None],
    axis=2,
)[:, :, 3:].astype(bool)
"""Digits as bitmaps, shape ``(10, 7, 5)``."""


class Picture:
    """The three planes of a 4:2:0 picture over one buffer.

    Parameters
    ----------
    width, height : int
        Size in pixels, both even.
    """

    def __init__(self, width: int, height: int) -> None:
        luma, chroma = width * height, width * height // 4
        self.flat: Plane = np.zeros(luma + 2 * chroma, np.uint8)
        self.y = self.flat[:luma].reshape(height, width)
        self.u = self.flat[luma : luma + chroma].reshape(height // 2, width // 2)
        self.v = self.flat[luma + chroma :].reshape(height // 2, width // 2)
        self.yuv420p = self.flat.reshape(height * 3 // 2, width)

    def fill(self, left: int, top: int, width: int, height: int, colour: Colour) -> None:
        """Draw a rectangle; chroma is rounded to whole pairs of pixels."""
        self.y[top : top + height, left : left + width] = colour.y
        rows, columns = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
        self.u[rows, columns] = colour.u
        self.v[rows, columns] = colour.v

    def number(self, left: int, top: int, scale: int, value: int, luma: int) -> None:
        """Draw a number's digits in luma; each is ``5 x 7`` squares of `scale` pixels."""
        for place, digit in enumerate(str(value)):
            mask = DIGITS[int(digit)].repeat(scale, axis=0).repeat(scale, axis=1)
            x = left + place * 6 * scale
            target = self.y[top : top + mask.shape[0], x : x + mask.shape[1]]
            target[mask[: target.shape[0], : target.shape[1]]] = luma


class _Wheel:
    """The wheel's square: for each pixel, which step of the ring it shows; colours turn, pixels stay."""

    def __init__(self, radius: int) -> None:
        self.radius = radius
        luma_map = _ring_map(2 * radius)
        self._luma_map = luma_map
        self._chroma_map = luma_map[::2, ::2].copy()
        colours = np.array([_step_colour(step) for step in range(STEPS)] + [WOOD, BRASS, FELT], np.uint8)
        self._palettes = [colours[:, plane].copy() for plane in range(3)]

    def draw(self, picture: Picture, left: int, top: int, turns: float) -> None:
        """Draw the wheel turned by `turns`, its square's corner at an even ``(left, top)``."""
        shift = int(turns * STEPS)
        size, half = 2 * self.radius, self.radius
        targets = (
            (picture.y[top : top + size, left : left + size], self._luma_map),
            (picture.u[top // 2 : top // 2 + half, left // 2 : left // 2 + half], self._chroma_map),
            (picture.v[top // 2 : top // 2 + half, left // 2 : left // 2 + half], self._chroma_map),
        )
        for (target, steps), palette in zip(targets, self._palettes, strict=True):
            turned = np.concatenate((np.roll(palette[:STEPS], shift), palette[STEPS:]))
            target[:] = turned[steps]


class Camera:
    """Films one table.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.
    table, seed : int
        Which table, and the film's seed.
    """

    def __init__(self, width: int, height: int, table: int, seed: int) -> None:
        self._table, self._seed = table, seed
        self._unit = max(1, height // 120)
        self._strip = Strip(width, height)
        self._picture = Picture(width, height)
        radius = int(min(height * 0.40, width * 0.24)) // 2 * 2
        self._wheel = _Wheel(radius)
        self._left, self._top = int(width * 0.04) // 2 * 2, (height - 2 * radius - 4) // 2 * 2
        self._side = (self._left + 2 * radius + int(width * 0.04)) // 2 * 2
        self._still = Picture(width, height)
        self._draw_still(width, height)

    def draw(self, scene: Scene, unix_ns: int) -> npt.NDArray[np.uint8]:
        """Return the picture of an instant as planar YUV 4:2:0, shape ``(height * 3 // 2, width)``.

        The array is the camera's own and is drawn over by the next call.
        """
        picture = self._picture
        picture.flat[:] = self._still.flat
        self._wheel.draw(picture, self._left, self._top, stage.wheel_turns(self._table, unix_ns))
        self._draw_ball(scene, unix_ns)
        self._draw_board(scene, unix_ns)
        self._strip.draw(picture.y, unix_ns // NS_PER_MS)
        return picture.yuv420p

    def _draw_still(self, width: int, height: int) -> None:
        grain = np.random.default_rng(self._seed ^ self._table).integers(-3, 4, (height, width))
        self._still.y[:] = FELT.y + grain
        self._still.u[:] = FELT.u
        self._still.v[:] = FELT.v

    def _draw_ball(self, scene: Scene, unix_ns: int) -> None:
        place = stage.ball(scene, self._table, self._seed, unix_ns)
        if place is None:
            return
        turns, depth = place
        reach = self._wheel.radius * (0.94 - 0.20 * depth)
        size = 4 * self._unit
        x = self._left + self._wheel.radius + reach * np.cos(2 * np.pi * turns) - size / 2
        y = self._top + self._wheel.radius + reach * np.sin(2 * np.pi * turns) - size / 2
        self._picture.fill(int(x) // 2 * 2, int(y) // 2 * 2, size, size, WHITE)

    def _draw_board(self, scene: Scene, unix_ns: int) -> None:
        unit, left, picture = self._unit, self._side, self._picture
        top = 24 * unit // 2 * 2
        picture.fill(left, top, 40 * unit, 6 * unit, LAMP.get(scene.phase, GREY))
        picture.number(left, top + 84 * unit, unit, scene.round & 0xFFFFFFFF, WHITE.y)
        if scene.phase in stage.COUNTING:
            picture.number(left, top + 12 * unit, 4 * unit, stage.countdown_s(scene, unix_ns), WHITE.y)
        elif scene.phase in stage.SHOWING and scene.outcome >= 0:
            picture.fill(left, top + 10 * unit, 52 * unit, 48 * unit, _pocket_colour(scene.outcome))
            picture.number(left + 4 * unit, top + 14 * unit, 4 * unit, scene.outcome, WHITE.y)


def _pocket_colour(pocket: int) -> Colour:
    if pocket == 0:
        return GREEN_
    return RED_ if pocket in RED else BLACK_


def _step_colour(step: int) -> Colour:
    place, within = divmod(step, STEPS // POCKETS)
    return BRASS if within == 0 else _pocket_colour(WHEEL[place])


def _ring_map(size: int) -> npt.NDArray[np.intp]:
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    distance = np.hypot(rows, columns) / (size / 2)
    steps = np.floor(np.arctan2(rows, columns) / (2 * np.pi) % 1.0 * STEPS).astype(np.intp) % STEPS
    return np.select([distance < 0.55, distance < 0.88, distance < 1.0], [HUB, steps, RIM], FELT_INDEX)
