"""Two conditions that take turns in one run: by how much operations are slower under the second, and how sure that is.

Operations of a stretch share its seconds of the machine, so a stretch gives one number, such as its p99, and what is
compared are pairs: neighbouring stretches, one of each condition. If the conditions do not matter, every way to swap
them within pairs was as likely as the one seen. So the chance of a false alarm is at most `alpha`, whatever stretches
are distributed like and however long the machine pauses; only how small a slowdown can be found depends on that.
Many short stretches find more than few long ones: a pause spoils one pair of many.

The statistic is the mean of the pairs' log ratios.

References
----------
R. A. Fisher, The Design of Experiments, 1935, chapter 3: pairs, and all exchanges within them.
"""

import itertools
import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.records import OpKind
from reports.latency import latency_ms, of_kind
from reports.run import Run

Values = npt.NDArray[np.float64]

SWAPS_MAX: Final = 10_000
"""Up to so many ways to swap are all tried; beyond it so many are drawn, the one seen among them."""

FACTOR_MAX: Final = 64.0
"""A slowdown beyond it, or below its reciprocal, is not told from any larger one."""

_STEPS: Final = 24
_EQUAL: Final = 1e-9


class Slowdown(NamedTuple):
    """How much larger the second condition's values are than the first one's.

    Parameters
    ----------
    ratio : float
        Geometric mean over the pairs.
    low, high : float
        The true one is at least `low`, and at most `high`, each with confidence ``1 - alpha``; 0 and infinity if that
        cannot be said.
    p : float
        Share of swaps after which the second condition looks at least as slow.
    pairs : int
        How many there are.
    """

    ratio: float
    low: float
    high: float
    p: float
    pairs: int


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


def slowdown(first: Values, second: Values, alpha: float) -> Slowdown:
    """Compare two conditions that took turns.

    Parameters
    ----------
    first, second : ndarray of shape (n_pairs,)
        What was measured under either condition, pair by pair; all above 0.
    alpha : float
        Chance of a false alarm, for each of the two bounds; at least ``2 ** -n_pairs``, or they are 0 and infinity.

    Notes
    -----
    A bound is the factor at which the test, with the second condition's values divided by it, just says no.
    """
    logs = np.log(second / first)
    swaps = _swaps(len(logs))
    return Slowdown(
        math.exp(logs.mean()), math.exp(_bound(logs, swaps, alpha)), math.exp(-_bound(-logs, swaps, alpha)),
        _p(logs, swaps), len(logs),
    )  # fmt: skip


def _swaps(n: int) -> Values:
    """Return the signs that log ratios have after each way to swap, shape ``(n_swaps, n)``, as they are first."""
    if 2**n <= SWAPS_MAX:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    signs = np.random.default_rng(n).choice((1.0, -1.0), (SWAPS_MAX, n))
    signs[0] = 1.0
    return signs


def _p(logs: Values, swaps: Values) -> float:
    """Return the share of swaps that make the second condition look at least as slow."""
    sums = swaps @ logs
    return float((sums >= sums[0] - _EQUAL).mean())


def _bound(logs: Values, swaps: Values, alpha: float) -> float:
    """Return the largest log ratio that is excluded as too small; minus infinity if none is."""
    low, high = -math.log(FACTOR_MAX), math.log(FACTOR_MAX)
    if _p(logs - low, swaps) > alpha:
        return -math.inf
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _p(logs - middle, swaps) <= alpha else (low, middle)
    return low
