"""Rendition choice: how a viewer picks the bit rate of its next part.

Throughput is the smaller of two exponentially weighted means, one quick to fall and one slow to rise, corrected for
their empty start. A rendition is chosen below a share of it, a larger step is needed to go up than to stay, and a short
buffer overrules both. Every function takes and returns scalars (and one array of bit rates), so that the simulation
can compile the very rule that the headless viewer runs.

References
----------
The two half-lives are those of hls.js's live estimator, 3 s and 8 s; the shares and the guard are **assumptions**.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FAST_HALF_LIFE_S = 3.0
SLOW_HALF_LIFE_S = 8.0
COMMON_HALF_LIFE_S = 24.0
"""What decays so has decayed by the quick half-life in its eighth power, and by the slow one in its third."""

STAY_SHARE = 0.9
UP_SHARE = 0.7
PANIC_BUFFER_S = 0.3
SAMPLE_BYTES_MIN = 1024
"""Smaller answers measure the round trip, not the link."""


def kept_share(took_s: float) -> float:
    """Return what so many seconds leave of what was known, by the common half-life.

    What the means keep are powers of it: one exponential a sample is the dearest part of a viewer's arithmetic.
    """
    return math.exp2(took_s * (-1.0 / COMMON_HALF_LIFE_S))


def kept_shares(kept: float) -> tuple[float, float]:
    """Return what the quick and the slow mean keep while `kept` is kept by the common half-life."""
    cube = kept * kept * kept
    return cube * cube * kept * kept, cube


def throughput_bps(fast_mean: float, slow_mean: float, known: float) -> float:
    """Return the cautious estimate: the smaller of the quick and the slow mean, in bits per second.

    Both start at 0, and are freed of that bias here; 0 before the first sample.
    """
    if known <= 0.0:
        return 0.0
    fast_kept, slow_kept = kept_shares(1.0 - known)
    return min(fast_mean / (1.0 - fast_kept), slow_mean / (1.0 - slow_kept))


def learn(
    fast_mean: float, slow_mean: float, known: float, size_bytes: int, took_s: float
) -> tuple[float, float, float]:  # fmt: skip
    """Return both means (bits per second) and how much is known after an answer of this size that took this long.

    `known` rises from 0 towards 1 by the common half-life: the share that samples have in what decays so slowly. An
    answer below `SAMPLE_BYTES_MIN`, or one that took no time, leaves all as it is.
    """
    if size_bytes < SAMPLE_BYTES_MIN or took_s <= 0.0:
        return fast_mean, slow_mean, known
    sample_bps = 8.0 * size_bytes / took_s
    kept = kept_share(took_s)
    fast_kept, slow_kept = kept_shares(kept)
    fast = sample_bps * (1.0 - fast_kept) + fast_mean * fast_kept
    slow = sample_bps * (1.0 - slow_kept) + slow_mean * slow_kept
    return fast, slow, known * kept + (1.0 - kept)


def choose(
    bitrates_bps: Sequence[float] | npt.NDArray[np.float64],
    current: int,
    estimate_bps: float,
    buffer_s: float,
) -> int:
    """Return the index of the rendition to load next.

    Parameters
    ----------
    bitrates_bps : sequence of float, shape (n,)
        Peak bit rates of the renditions, ascending.
    current : int
        The rendition that plays now.
    estimate_bps : float
        Throughput estimate; 0 before the first sample keeps the current rendition.
    buffer_s : float
        Media buffered ahead of the playhead, in seconds.

    Returns
    -------
    int
        An index in ``[0, n)``. With less than `PANIC_BUFFER_S` in the buffer it is never above the current one.
    """
    if estimate_bps <= 0.0:
        return current
    best = 0
    for index in range(1, len(bitrates_bps)):
        share = STAY_SHARE if index <= current else UP_SHARE
        if bitrates_bps[index] <= estimate_bps * share:
            best = index
    if buffer_s < PANIC_BUFFER_S and best > current:
        return current
    return best
