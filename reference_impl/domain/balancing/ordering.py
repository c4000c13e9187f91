"""In which order a key prefers the places.

Both orders move few keys when a place comes or goes: rendezvous hashing only those whose first place it was, a ring
those between its points and the ones before them.
"""

from bisect import bisect_left
from collections.abc import Sequence

from reference_impl.domain.mixing import WORD, mix32

RING_POINTS = 32
"""Points of each place on the ring: shares of the ring differ by about 1/sqrt(32) = 18 %."""


def score(key: int, number: int) -> int:
    """Return how much a key likes a place: 32 bits, the same for ever, whoever else there is."""
    return mix32(mix32(key & WORD) ^ mix32((number + 0x9E3779B9) & WORD))


def rendezvous_order(key: int, numbers: Sequence[int]) -> list[int]:
    """Return the indices of places, the one that the key likes best first.

    References
    ----------
    Thaler, Ravishankar: "Using name-based mappings to increase hit rates", IEEE/ACM ToN 1998.
    """
    return sorted(range(len(numbers)), key=lambda i: (-score(key, numbers[i]), numbers[i]))


def ring_of(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the points of a ring in their order: where, and the index of the place that owns it."""
    return sorted((score(point + 1, number), i) for i, number in enumerate(numbers) for point in range(RING_POINTS))


def ring_order(key: int, numbers: Sequence[int]) -> list[int]:
    """Return the indices of places as a walk along the ring meets them, beginning at the key.

    References
    ----------
    Karger et al.: "Consistent hashing and random trees", STOC 1997.
    """
    return walk(ring_of(numbers), key)


def walk(ring: list[tuple[int, int]], key: int) -> list[int]:
    """Return the owners of a ring's points as a walk meets them, beginning at the key."""
    at = bisect_left(ring, (mix32(key & WORD), -1))
    return list(dict.fromkeys(owner for _, owner in ring[at:] + ring[:at]))
