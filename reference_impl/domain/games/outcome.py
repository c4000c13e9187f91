"""A verifiable outcome that nobody can know while bets are open.

Before a round opens, the dealer commits to a secret seed by publishing its SHA-256. After every shard has closed, the
outcome is a hash of the seed *and* of each shard's journal head at close. The dealer cannot choose the heads, the
players cannot know the seed, and once the seed is revealed anybody can recompute both.
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
    digest = hashlib.sha256(seed + b"".join(hashlib.sha256(head).digest() for head in heads)).digest()
    return int.from_bytes(digest[:16], "big") % n_outcomes
