"""Two conditions that take turns in one run: by how much operations are slower under the second, and how sure that is.

Operations of a stretch share its second of the machine, so the unit is the pair: two neighbouring stretches, one of
each condition, whose order alternates from pair to pair, so that a machine that slowly gets slower favours neither. If
the conditions do not matter, every way to swap the conditions within pairs was as likely as the one seen. The chance of
a false alarm is then at most `alpha`, whatever latencies are distributed like and however rare and long the machine's
own pauses are; only how small a slowdown can be found depends on them.

What is compared is a percentile of all operations of either condition together: a stretch alone has too few slow ones.

References
----------
R. A. Fisher, The Design of Experiments, 1935, chapter 3: paired observations and all exchanges within pairs.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.records import OpKind
from reports.latency import latency_ms, of_kind
from reports.run import Run

Values = npt.NDArray[np.float64]
Pair = tuple[Values, Values]

PAIRS_MAX: Final = 10
"""All swaps are tried: 2 ** 10 of them."""

FACTOR_MAX: Final = 64.0
"""A slowdown beyond it, or below its reciprocal, is not told from any larger one."""

_STEPS: Final = 16
_EQUAL: Final = 1e-9


class Slowdown(NamedTuple):
    """The second condition's percentile over the first one's.

    Parameters
    ----------
    ratio : float
        As seen.
    low, high : float
        The true one is at least `low`, and at most `high`, each with confidence ``1 - alpha``; 0 and infinity if that
        cannot be said.
    p : float
        Share of all swaps within pairs after which the second condition looks at least as slow.
    first, second : float
        Both percentiles, in the values' unit.
    n : (int, int)
        How many values each rests on.
    """

    ratio: float
    low: float
    high: float
    p: float
    first: float
    second: float
    n: tuple[int, int]


def bets_ms(run: Run, start_ns: int, end_ns: int) -> Values:
    """Return latencies of the answered bets that were sent in ``[start_ns, end_ns)``, from their intended start."""
    bets = of_kind(run.ops, OpKind.BET)
    return latency_ms(bets[(bets["invoke_ns"] >= start_ns) & (bets["invoke_ns"] < end_ns)])


def busy_cores(run: Run, start_ns: int, end_ns: int) -> float | None:
    """Return how many cores the whole machine was busy with in ``[start_ns, end_ns)``; None if nobody looked."""
    samples = np.array(run.manifest["host_load"], dtype=np.float64)
    if len(samples) < 2 or not samples[0, 0] <= start_ns < end_ns <= samples[-1, 0]:
        return None
    at_start, at_end = np.interp([start_ns, end_ns], samples[:, 0], samples[:, 1])
    return round(float(at_end - at_start) / (end_ns - start_ns), 3)


def slowdown(pairs: Sequence[Pair], alpha: float, percent: float = 99.0) -> Slowdown:
    """Compare two conditions that took turns.

    Parameters
    ----------
    pairs : sequence of (ndarray, ndarray)
        What was measured under the first and under the second condition, at most :data:`PAIRS_MAX` pairs.
    alpha : float
        Chance of a false alarm, for each of the two bounds; at least ``2 ** -len(pairs)``, or they are 0 and infinity.
    percent : float
        Which percentile is compared.

    Notes
    -----
    A bound is the factor at which the test, with the second condition's values divided by it, just says no. That takes
    a slowdown for a factor that is the same for every operation.
    """
    if not 1 <= len(pairs) <= PAIRS_MAX:
        raise ValueError(f"{len(pairs)} pairs; all swaps are tried of 1 to {PAIRS_MAX}")
    swaps = list(itertools.product((False, True), repeat=len(pairs)))

    def slower(factor: float) -> float:
        ratios = _log_ratios(pairs, swaps, factor, percent)
        return float((ratios >= ratios[0] - _EQUAL).mean())

    def faster(factor: float) -> float:
        ratios = _log_ratios(pairs, swaps, factor, percent)
        return float((ratios <= ratios[0] + _EQUAL).mean())

    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    at_first, at_second = (float(np.percentile(side, percent)) for side in (first, second))
    return Slowdown(
        at_second / at_first,
        _turning_point(lambda factor: slower(factor) > alpha, 0.0),
        _turning_point(lambda factor: faster(factor) <= alpha, np.inf),
        slower(1.0), at_first, at_second, (len(first), len(second)),
    )  # fmt: skip


def _log_ratios(pairs: Sequence[Pair], swaps: Sequence[Sequence[bool]], factor: float, percent: float) -> Values:
    """Return log(second / first) for each way to swap, the first as it was seen."""
    divided = [(first, second / factor) for first, second in pairs]
    found = []
    for swap in swaps[: len(swaps) // 2]:
        swapped = [pair[::-1] if turned else pair for pair, turned in zip(divided, swap, strict=True)]
        first, second = (np.percentile(np.concatenate(side), percent) for side in zip(*swapped, strict=True))
        found.append(np.log(second / first))
    return np.array(found + [-ratio for ratio in reversed(found)])  # the other half swaps just the other pairs


def _turning_point(beyond: Callable[[float], bool], never: float) -> float:
    """Return the factor from which on `beyond` holds; `never` if it does so everywhere or nowhere."""
    low, high = -np.log(FACTOR_MAX), np.log(FACTOR_MAX)
    if beyond(float(np.exp(low))) or not beyond(float(np.exp(high))):
        return never
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(float(np.exp(middle))) else (middle, high)
    return float(np.exp((low + high) / 2))
