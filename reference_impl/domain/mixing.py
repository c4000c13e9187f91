"""One mixer of words, for whatever needs a hash that means the same in Python, NumPy and compiled code."""

WORD = 0xFFFFFFFF


def mix32(x: int) -> int:
    """Return 32 well-mixed bits of a 32-bit word, one to one.

    References
    ----------
    Wellons: "Prospecting for hash functions" (2018); the constants of its ``prospector32``.
    """
    x = ((x ^ (x >> 15)) * 0x2C1B3C6D) & WORD
    x = ((x ^ (x >> 12)) * 0x297A2D39) & WORD
    return x ^ (x >> 15)
