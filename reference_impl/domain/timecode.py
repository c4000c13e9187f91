"""The timecode strip: capture time written into the picture, read back from it at any size.

The strip is 48 black or white blocks along the top, each 1/52 of the width: 40 bits of Unix milliseconds, least
significant first, and 8 bits of checksum, the XOR of the five bytes. Blocks are placed in proportion to the width, so
that scaling moves no block; a reader samples their centres. 40 bits wrap after 34.8 years.
"""

import numpy as np
import numpy.typing as npt

BLOCKS = 48
COLUMNS = 52
CODE_BITS = 40
BLACK, WHITE = 16, 235
THRESHOLD = 126

Plane = npt.NDArray[np.uint8]


def encode(unix_ms: int) -> int:
    """Return the 48 bits of the strip."""
    code = unix_ms & ((1 << CODE_BITS) - 1)
    return code | _checksum(code) << CODE_BITS


def decode(strip: int, near_unix_ms: int) -> int | None:
    """Return the Unix milliseconds of a strip, the ones nearest to a known time; None if the checksum is wrong."""
    code = strip & ((1 << CODE_BITS) - 1)
    if strip >> CODE_BITS != _checksum(code):
        return None
    wrap = 1 << CODE_BITS
    return code + (near_unix_ms - code + wrap // 2) // wrap * wrap


class Strip:
    """Draws and reads the strip of luma planes of one width.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.rows = max(4, min(height // 8, 2 * width // COLUMNS))
        self._column = np.arange(width) * COLUMNS // width
        self._centres = ((np.arange(BLOCKS) + 0.5) * width / COLUMNS).astype(np.intp)
        self._levels = np.full(COLUMNS, BLACK, np.uint8)

    def draw(self, luma: Plane, unix_ms: int) -> None:
        """Write an instant into the top rows of a luma plane, shape ``(height, width)``."""
        raw = np.frombuffer(encode(unix_ms).to_bytes(BLOCKS // 8, "little"), np.uint8)
        self._levels[:BLOCKS] = np.where(np.unpackbits(raw, bitorder="little"), WHITE, BLACK)
        luma[: self.rows] = self._levels[self._column]

    def read(self, luma: Plane, near_unix_ms: int) -> int | None:
        """Return the instant in a luma plane, or None if it cannot be read."""
        middle = luma[self.rows // 4 : -(-3 * self.rows // 4)]
        bright = middle[:, self._centres].mean(axis=0) > THRESHOLD
        if bright.all() or not bright.any():
            return None  # a blank picture satisfies the checksum
        strip = int.from_bytes(np.packbits(bright, bitorder="little").tobytes(), "little")
        return decode(strip, near_unix_ms)


def _checksum(code: int) -> int:
    return (code ^ code >> 8 ^ code >> 16 ^ code >> 24 ^ code >> 32) & 0xFF
