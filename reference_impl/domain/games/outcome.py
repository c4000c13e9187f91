"""A verifiable outcome that nobody can know while bets are open.

Before a round opens, the dealer commits to a secret seed by publishing its SHA-256. After every shard has closed, the
outcome is a hash of the seed *and* of each shard's journal head at close. The dealer cannot choose the heads, the
players cannot know the seed, and once the seed is revealed anybody can recompute both.

Games of one number reduce the digest; games of cards take as many draws as they need from a stream keyed by it.
"""

import hashlib
from collections.abc import Sequence

SEED_BYTES = 32


def commitment(seed: bytes) -> bytes:
    """Return what is published before the round opens: the SHA-256 of the seed."""
    return hashlib.sha256(seed).digest()


def seeded_outcome(seed: bytes, heads: Sequence[bytes], n_outcomes: int) -> int:
    """Return the outcome, in ``[0, n_outcomes)``, of a round closed at these journal heads.

    Notes
    -----
    128 bits of the digest are reduced modulo ``n_outcomes``; for 37 pockets the bias is below 2⁻¹²².
    """
    return int.from_bytes(_digest(seed, heads)[:16], "big") % n_outcomes


class Draws:
    """A stream of numbers that a key fixes: block ``i`` is SHA-256 of the key and ``i``.

    Parameters
    ----------
    key : bytes
        What fixes the stream.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._taken = 0

    @classmethod
    def of_round(cls, seed: bytes, heads: Sequence[bytes]) -> "Draws":
        """Return the stream of a round with this secret seed, closed at these journal heads."""
        return cls(_digest(seed, heads))

    def below(self, n: int) -> int:
        """Return the next number in ``[0, n)``; for a shoe of 416 cards the bias is below 2⁻¹¹⁹."""
        block = hashlib.sha256(self._key + self._taken.to_bytes(4, "big")).digest()
        self._taken += 1
        return int.from_bytes(block[:16], "big") % n


def _digest(seed: bytes, heads: Sequence[bytes]) -> bytes:
    return hashlib.sha256(seed + b"".join(hashlib.sha256(head).digest() for head in heads)).digest()
