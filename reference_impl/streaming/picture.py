"""A picture in YUV planes, and what is drawn into it: rectangles, text, cards. Colours are BT.709, limited range.

Luma and chroma are drawn apart (4:2:0), since a conversion from RGB would cost more than the encoder's smallest rung.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.games.cards import RANK_NAMES, RANKS
from reference_impl.domain.timecode import Plane

Mask = npt.NDArray[np.bool_]


class Colour(NamedTuple):
    """A colour in BT.709 limited range."""

    y: int
    u: int
    v: int


FELT = Colour(88, 118, 112)
SHADE = Colour(74, 118, 112)
RED_ = Colour(63, 102, 240)
BLACK_ = Colour(28, 128, 128)
GREEN_ = Colour(133, 63, 52)
BLUE_ = Colour(60, 190, 110)
VIOLET = Colour(70, 165, 160)
AMBER = Colour(158, 36, 160)
GREY = Colour(128, 128, 128)
WHITE = Colour(225, 128, 128)
WOOD = Colour(70, 108, 150)
BRASS = Colour(140, 90, 150)

SUITS = "shdc"
"""Spades, hearts, diamonds, clubs by ``card // 13``, as the font has them and the page calls them."""
_RED_SUITS = frozenset("dh")
CARD = (24, 32)
"""A card's size in the units of its table."""

_ROWS = 7
_COLUMNS = 5
FONT = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (30, 1, 1, 14, 1, 1, 30), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (14, 16, 30, 17, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 1, 14), "A": (14, 17, 17, 31, 17, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "D": (30, 17, 17, 17, 17, 17, 30), "E": (31, 16, 16, 30, 16, 16, 31), "I": (14, 4, 4, 4, 4, 4, 14),
    "J": (7, 2, 2, 2, 2, 18, 12), "K": (17, 18, 20, 24, 20, 18, 17), "L": (16, 16, 16, 16, 16, 16, 31),
    "N": (17, 25, 25, 21, 19, 19, 17), "P": (30, 17, 17, 30, 16, 16, 16), "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17), "S": (15, 16, 16, 14, 1, 1, 30), "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14), "X": (0, 17, 10, 4, 10, 17, 0), "Y": (17, 17, 10, 4, 4, 4, 4),
    " ": (0, 0, 0, 0, 0, 0, 0),
    "c": (4, 14, 4, 31, 31, 4, 14), "d": (0, 4, 14, 31, 14, 4, 0), "h": (0, 10, 31, 31, 14, 4, 0),
    "s": (4, 14, 31, 31, 21, 4, 14),
}  # fmt: skip
"""Characters as seven rows of five bits."""


@lru_cache(256)
def _mask(text: str, scale: int) -> Mask:
    """Return where a text has ink, shape ``(7 scale, 6 n scale)``."""
    rows = np.array([FONT[letter] for letter in text], np.uint8).reshape(-1, _ROWS, 1)
    bits = np.pad(np.unpackbits(rows, axis=2)[:, :, -_COLUMNS:].astype(bool), ((0, 0), (0, 0), (0, 1)))
    line = bits.transpose(1, 0, 2).reshape(_ROWS, -1)
    return line.repeat(scale, axis=0).repeat(scale, axis=1)


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
        """Draw a rectangle; chroma is rounded to whole pairs of pixels, and what is outside is left out."""
        left, right, top, bottom = max(left, 0), max(left + width, 0), max(top, 0), max(top + height, 0)
        self.y[top:bottom, left:right] = colour.y
        rows, columns = slice(top // 2, bottom // 2), slice(left // 2, right // 2)
        self.u[rows, columns] = colour.u
        self.v[rows, columns] = colour.v

    def text(self, left: int, top: int, scale: int, text: str, colour: Colour) -> None:
        """Draw a line of text; each character is ``5 x 7`` squares of `scale` pixels, with one between two."""
        mask = _mask(text, scale)
        for plane, ink, x, y, level in (
            (self.y, mask, left, top, colour.y),
            (self.u, mask[::2, ::2], left // 2, top // 2, colour.u),
            (self.v, mask[::2, ::2], left // 2, top // 2, colour.v),
        ):
            target = plane[y : y + ink.shape[0], x : x + ink.shape[1]]
            target[ink[: target.shape[0], : target.shape[1]]] = level


class Felt:
    """A square of a picture on which cards lie, 96 units wide and high.

    Parameters
    ----------
    left, top, side : int
        Where it is, in pixels, all even.
    """

    UNITS = 96

    def __init__(self, left: int, top: int, side: int) -> None:
        self._left, self._top = left, top
        self._unit = side / self.UNITS
        self._scale = max(1, int(self._unit))

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return the even pixels of a point given in units."""
        return self._left + int(x * self._unit) // 2 * 2, self._top + int(y * self._unit) // 2 * 2

    def label(self, picture: Picture, x: float, y: float, text: str) -> None:
        """Write on the felt."""
        picture.text(*self.at(x, y), self._scale, text, WHITE)

    def place(self, picture: Picture, x: float, y: float) -> None:
        """Mark where a card may lie."""
        self._rectangle(picture, x, y, *CARD, SHADE)

    def card(self, picture: Picture, x: float, y: float, face: "Face", turned: float) -> None:
        """Draw a card, turned over from its back (0) to its face (1)."""
        width = CARD[0] * abs(1.0 - 2.0 * turned)
        left = x + (CARD[0] - width) / 2
        self._rectangle(picture, left - 0.5, y - 0.5, width + 1, CARD[1] + 1, GREY)
        if turned < 0.5:
            self._rectangle(picture, left, y, width, CARD[1], WHITE)
            self._rectangle(picture, left + 2, y + 2, max(width - 4, 0), CARD[1] - 4, BLUE_)
            return
        self._rectangle(picture, left, y, width, CARD[1], WHITE)
        if turned == 1.0:
            ink = RED_ if face.suit in _RED_SUITS else BLACK_
            picture.text(*self.at(x + 2, y + 2), self._scale, face.rank, ink)
            middle = face.suit or face.rank
            picture.text(*self.at(x + 13 - 6 * len(middle), y + 14), self._scale * 2, middle, ink)

    def _rectangle(self, picture: Picture, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        left, top = self.at(x, y)
        right, bottom = self.at(x + width, y + height)
        picture.fill(left, top, right - left, bottom - top, colour)


class Face(NamedTuple):
    """What is on a card: its rank as it is called, and its suit, empty where nobody told it."""

    rank: str = ""
    suit: str = ""

    @classmethod
    def of_card(cls, card: int) -> "Face":
        """Return the face of a card, 0 to 51."""
        return cls(RANK_NAMES[card % RANKS + 1], SUITS[card // RANKS])
