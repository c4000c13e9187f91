"""When a crowd comes: instants of arrival processes, drawn once and the same for the load and for the simulation.

Theory
------
Every process here is an intensity over time, piecewise linear, and a number of people. Given how many points an
inhomogeneous Poisson process has, they are independent with a density proportional to the intensity; so its instants
are the inverse of the cumulative intensity at sorted uniforms. The same inverse at evenly spaced shares gives the
processes without chance. The number is fixed by the campaign: runs of one campaign then differ in *when* people come,
not in how many they are.

Invariants
----------
* Instants are a pure function of process, count, seed and crowd; they are sorted and lie inside the process's span.

References
----------
Kingman, "Poisson Processes" (1993), section 2.4: points given their number.
Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook" (1993).
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.processes import FlashCrowd, Mmpp, Poisson, Process, Replay, Stages, Uniform
from sim.random_streams import Stream, uniform

Floats = npt.NDArray[np.float64]

SOJOURNS_MAX = 10_000
"""Most changes of state of a modulated process; a bound, not an expectation."""


class Knot(NamedTuple):
    """The intensity at an instant; between two knots it is a straight line, two at one instant are a jump."""

    at_s: float
    rate: float


def when(process: Process, count: int, seed: int, crowd: int) -> list[float]:
    """Return when each of `count` people comes, in seconds after the load's start, sorted.

    Parameters
    ----------
    process : Process
        How they come.
    count : int
        How many they are.
    seed, crowd : int
        The scenario's seed, and which crowd of it: crowds share no chance.
    """
    evenly = isinstance(process, Uniform | Stages)
    shares = even_shares(count) if evenly else poisson_shares(count, seed, crowd)
    return instants_s(intensity(process, seed, crowd), shares)


def intensity(process: Process, seed: int, crowd: int) -> list[Knot]:
    """Return the intensity that a process has, or, if that is left to chance, one path of it."""
    match process:
        case Uniform(start_s=start_s, within_s=within_s) | Poisson(start_s=start_s, within_s=within_s):
            return slopes(start_s, 1.0, [(within_s, 1.0)])
        case Stages():
            return slopes(process.start_s, process.first_rate, [(s.within_s, s.rate) for s in process.stages])
        case Mmpp():
            return _modulated(process, seed, crowd)
        case FlashCrowd(factor=factor):
            stages = [(process.calm_s, 1.0), (process.rise_s, factor), (process.stay_s, factor), (process.fall_s, 1.0)]
            return slopes(process.start_s, 1.0, stages)
        case Replay():
            return stairs(process.start_s, process.minute_s, process.per_minute)


def even_shares(count: int) -> Floats:
    """Return `count` evenly spaced shares of the whole, each in the middle of its own."""
    shares: Floats = (np.arange(count) + 0.5) / count
    return shares


def poisson_shares(count: int, seed: int, crowd: int) -> Floats:
    """Return `count` sorted uniforms of a crowd."""
    drawn = np.array([uniform(seed, int(Stream.ARRIVAL), crowd, k) for k in range(count)], dtype=np.float64)
    return np.sort(drawn)


def instants_s(knots: Sequence[Knot], shares: Floats) -> list[float]:
    """Return when each share of all people has come.

    Parameters
    ----------
    knots : sequence of Knot
        The intensity, in order of time; its unit does not matter, only its shape.
    shares : array of float, shape (n,)
        Shares of the whole in (0, 1), sorted.

    Returns
    -------
    list of float
        Seconds, sorted, shape ``(n,)``.

    Raises
    ------
    ValueError
        If the intensity is nowhere positive.
    """
    at_s = np.array([knot.at_s for knot in knots])
    rate = np.array([knot.rate for knot in knots])
    span_s = np.diff(at_s)
    come = np.concatenate(([0.0], np.cumsum(span_s * (rate[:-1] + rate[1:]) / 2)))
    if not come[-1] > 0:
        raise ValueError(f"an intensity of {rate.tolist()} brings nobody")
    wanted = shares * come[-1]
    i = np.clip(np.searchsorted(come, wanted, side="right") - 1, 0, len(span_s) - 1)
    left = wanted - come[i]
    slope = np.divide(rate[i + 1] - rate[i], span_s[i], out=np.zeros(len(i)), where=span_s[i] > 0)
    root = np.sqrt(np.maximum(rate[i] ** 2 + 2 * slope * left, 0.0))
    after_s = np.divide(2 * left, rate[i] + root, out=np.zeros(len(i)), where=rate[i] + root > 0)
    found: list[float] = np.minimum(at_s[i] + after_s, at_s[i + 1]).tolist()
    return found


def stairs(start_s: float, step_s: float, rates: Sequence[float]) -> list[Knot]:
    """Return an intensity that is constant for `step_s` each, as counts a minute are."""
    steps = [(start_s + step_s * i, rate) for i, rate in enumerate(rates)]
    return [Knot(at_s, rate) for first_s, rate in steps for at_s in (first_s, first_s + step_s)]


def slopes(start_s: float, first_rate: float, stages: Sequence[tuple[float, float]]) -> list[Knot]:
    """Return an intensity that moves linearly to each stage's rate; a stage is its length in seconds and that rate."""
    ends_s = accumulate((length_s for length_s, _ in stages), initial=start_s)
    return [Knot(at_s, rate) for at_s, rate in zip(ends_s, (first_rate, *(r for _, r in stages)), strict=True)]


def _modulated(process: Mmpp, seed: int, crowd: int) -> list[Knot]:
    """Return one path: sojourns are exponential, the first state comes from the stationary distribution."""
    at_s, end_s = process.start_s, process.start_s + process.within_s
    mean_s = (process.calm_s_mean, process.busy_s_mean)
    busy = _drawn(seed, crowd, 0) < mean_s[1] / sum(mean_s)
    changes = [(at_s, busy)]
    for k in range(1, SOJOURNS_MAX):
        at_s -= mean_s[busy] * math.log(_drawn(seed, crowd, k))
        if at_s >= end_s:
            break
        busy = not busy
        changes.append((at_s, busy))
    changes.append((end_s, busy))
    return [
        Knot(edge_s, process.factor if state else 1.0)
        for (first_s, state), (last_s, _) in pairwise(changes)
        for edge_s in (first_s, last_s)
    ]


def _drawn(seed: int, crowd: int, k: int) -> float:
    return uniform(seed, int(Stream.MODULATION), crowd, k)
