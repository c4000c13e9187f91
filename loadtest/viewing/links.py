"""Links whose speed changes: a few shapes, and how long a transfer over them takes. Seeded, in virtual time.

The shapes are those by which low-latency players are usually compared: a staircase, a staircase within the ladder,
spikes, slow and fast jitter (network profiles of the Twitch grand challenge at ACM MMSys 2020). The numbers are ours,
chosen around our own ladder.
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

KBPS = 1000.0

Steps = list[tuple[float, float]]
"""Seconds and bit/s of each step; after the last one the link begins anew."""


class Link:
    """A link's speed over time.

    Parameters
    ----------
    steps : list of (float, float)
        Seconds and bit/s of each step, all positive.
    """

    def __init__(self, steps: Steps) -> None:
        self._speeds = [bps for _, bps in steps]
        self._ends_s = list(accumulate(seconds for seconds, _ in steps))

    def speed_bps(self, at_s: float) -> float:
        """Return the speed at an instant."""
        return self._speeds[self._step(at_s)]

    def arrival_s(self, start_s: float, bits: float) -> float:
        """Return when a transfer that starts now is over."""
        at_s, left = start_s, bits
        while True:
            step = self._step(at_s)
            lap_s = at_s // self._ends_s[-1] * self._ends_s[-1]
            ends_s = lap_s + self._ends_s[step]
            room = (ends_s - at_s) * self._speeds[step]
            if left <= room:
                return at_s + left / self._speeds[step]
            left -= room
            at_s = max(ends_s, at_s + 1e-9)

    def _step(self, at_s: float) -> int:
        return min(bisect_right(self._ends_s, at_s % self._ends_s[-1]), len(self._speeds) - 1)


def _steady(_: random.Random) -> Steps:
    return [(120.0, 6000 * KBPS)]


def _cascade(_: random.Random) -> Steps:
    return [(20.0, kbps * KBPS) for kbps in (5000, 2500, 1200, 700, 1200, 2500, 5000)]


def _within(_: random.Random) -> Steps:
    return [(10.0, kbps * KBPS) for kbps in (2200, 1800, 1400, 1100, 800, 600, 800, 1100, 1400, 1800)]


def _spikes(_: random.Random) -> Steps:
    return [step for _ in range(6) for step in ((12.0, 4500 * KBPS), (4.0, 600 * KBPS))]


def _slow_jitter(stream: random.Random) -> Steps:
    return [(6.0, stream.uniform(800, 5000) * KBPS) for _ in range(20)]


def _fast_jitter(stream: random.Random) -> Steps:
    return [(0.5, stream.uniform(800, 5000) * KBPS) for _ in range(240)]


def _starved(_: random.Random) -> Steps:
    return [(30.0, 6000 * KBPS), (60.0, 450 * KBPS), (30.0, 6000 * KBPS)]


SHAPES: dict[str, Callable[[random.Random], Steps]] = {
    "steady": _steady,
    "cascade": _cascade,
    "within the ladder": _within,
    "spikes": _spikes,
    "slow jitter": _slow_jitter,
    "fast jitter": _fast_jitter,
    "starved": _starved,
}


def link_of(shape: str, seed: int) -> Link:
    """Return a link of a shape; the seed decides what is drawn."""
    return Link(SHAPES[shape](random.Random(f"{shape} {seed}")))
