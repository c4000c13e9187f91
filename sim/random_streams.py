"""Counter-based random streams: a draw is a hash of what it is for, never of when it is asked for.

``uniform(seed, stream, who, k)`` is the `k`-th draw of player (or node) `who` in a named stream. Draws do not depend on
the order of calls, so two simulations that differ in one parameter share all other randomness (common random numbers),
and a load generator plans the same bets as the simulation.

Theory: two 32-bit lanes absorb seed, stream, player and counter word by word through a 32-bit mixer. Products stay
below 2**63, so the same expression means the same for Python integers, NumPy int64 arrays and compiled int64.

A crowd's viewers draw two numbers for every part: theirs come from one 64-bit mix under a key of each viewer.
"""

from enum import IntEnum
from typing import Any

import numpy as np

from reference_impl.domain.mixing import WORD, mix32

LANE_A = 0x9E3779B9
LANE_B = 0x6A09E667
MIX_1, MIX_2, GOLDEN = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15], dtype=np.uint64)
SHIFT_27, SHIFT_30, SHIFT_31, SHIFT_32 = np.array([27, 30, 31, 32], dtype=np.uint64)


class Stream(IntEnum):
    """What a draw decides."""

    PARTICIPATE = 1
    COUNT = 2
    PICK = 3
    PLACE = 4
    SELECTION = 5
    STAKE = 6
    PLACEMENT_FIRST = 10
    PLACEMENT_SECOND = 11
    LAG = 12
    UPLINK = 13
    DOWNLINK = 14
    LOGIN = 15
    CONNECT = 16
    RECONNECT = 17
    PUSH = 18
    CHECK = 20
    REQUEST = 21
    REPLY = 22
    WRITE = 23
    BATCH = 24
    OPEN = 25
    CLOSE = 26
    DECIDE = 27
    SETTLE = 28
    ANNOUNCE = 29
    WATERMARK = 30
    RESTART = 31
    HOST = 32
    STAY_AWAY = 33
    SETTLE_FACTOR = 34
    ROUSE = 35
    OVERSLEEP = 36
    PUBLISH = 40
    PART_BYTES = 41
    FETCH = 42
    TRIP = 43
    BODY = 44
    EDGE_REQUEST = 45
    EDGE_FIRST = 46
    EDGE_SECOND = 47
    VIEWER_LOGIN = 48
    WAKE = 49
    STUDIO_RETRY = 50
    VIDEO_RESTART = 51
    EDGE_RETURN = 52
    CUT = 53
    CUT_LENGTH = 54
    ARRIVAL = 60
    MODULATION = 61
    STORM = 62
    LATENESS = 63
    THINK = 64
    VISIT = 65
    FOLLOW = 66
    REPORT_NOISE = 70
    BET_GAPS = 71


def stream_key(start: int, seed: int, stream: int) -> int:
    """Return what one lane knows before the player: the same for all draws of one stream."""
    h = mix32(start ^ (seed & WORD))
    h = mix32(h ^ ((seed >> 32) & WORD))
    return mix32((h + stream * start) & WORD)


def who_key(key: int, who: int) -> int:
    """Return what one lane knows before the counter, under a stream's key."""
    h = mix32((key + (who & WORD)) & WORD)
    return mix32(h ^ ((who >> 32) & WORD))


def lane_key(start: int, seed: int, stream: int, who: int) -> int:
    """Return what one lane knows before the counter: the same for all draws of one player in one stream."""
    return who_key(stream_key(start, seed, stream), who)


def lane_end(key: int, start: int, k: int) -> int:
    """Return one lane's 32 bits of the `k`-th draw under a key."""
    return mix32(mix32((key + (k & WORD)) & WORD) ^ start)


def mix64(x: Any) -> Any:
    """Return 64 well-mixed bits of a 64-bit word, one to one; it is unsigned, of NumPy's, and wraps.

    References
    ----------
    Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), with Stafford's thirteenth mix.
    """
    x = (x ^ (x >> SHIFT_30)) * MIX_1
    x = (x ^ (x >> SHIFT_27)) * MIX_2
    return x ^ (x >> SHIFT_31)


def uniform(seed: int, stream: int, who: int, k: int) -> float:
    """Return a draw from the open interval (0, 1).

    Parameters
    ----------
    seed : int
        Seed of the scenario, below 2**63.
    stream : int
        A :class:`Stream`.
    who : int
        Player or node, below 2**63.
    k : int
        Which draw; its low 32 bits count.

    Returns
    -------
    float
        One of 2**52 equidistant values, neither 0 nor 1.

    Notes
    -----
    `who` and `k` may be int64 arrays: the result is then an array.
    """
    return uniform_under(stream_key(LANE_A, seed, stream), stream_key(LANE_B, seed, stream), who, k)


def uniform_under(key_a: int, key_b: int, who: int, k: int) -> float:
    """Return the draw of :func:`uniform`, given the stream's keys of both lanes."""
    high = lane_end(who_key(key_a, who), LANE_A, k) >> 6
    low = lane_end(who_key(key_b, who), LANE_B, k) >> 6
    return (high * 67108864.0 + low + 0.5) / 4503599627370496.0
