"""Tests in which the *run* is the unit: exact permutation tests over runs, and change points in a sequence of runs.

Operations of one run share its machine, its minute and its luck. Twelve identical runs, compared by pooled operations,
look different in most of their pairs; the facts behind this module had 51 of 66. So each run gives one number, and what
is asked is whether the labels of the runs matter.

Under the hypothesis that they do not, every relabeling of the runs was as likely as the one seen. A figure's statistic
is the distance of the two groups' means over the standard deviation of all runs (which no relabeling changes), and what
is compared is the *largest* statistic over all figures (Westfall and Young 1993, single step). So the chance that any
figure at all is called different is at most `alpha` however many figures are looked at and however they hang together;
over all relabelings of given runs that is arithmetic and no approximation.

References
----------
P. H. Westfall, S. S. Young, Resampling-Based Multiple Testing, Wiley 1993, chapter 2.
N. Meinshausen, Hierarchical testing of variable importance, Biometrika 95 (2008): levels in proportion to size.
D. S. Matteson, N. A. James, A nonparametric approach for multiple change point analysis of multivariate data,
Journal of the American Statistical Association 109 (2014): change points by permutation.
"""

import itertools
import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

ALPHA: Final = 0.05
"""Chance of a false alarm that is accepted, over all figures of a comparison or a trend together."""

RELABELINGS_MAX: Final = 20_000
"""Up to so many relabelings are all tried (8 against 8 runs have 12,870); beyond it so many are drawn."""

SEGMENT_RUNS_MIN: Final = 3
"""A level that held for fewer runs is not told from chance."""

TREND_RUNS_MIN: Final = 8
"""With fewer runs not even the clearest step could pass the test."""

_PERMUTATIONS: Final = 9_999
_EQUAL: Final = 1e-9


class GroupTest(NamedTuple):
    """What comparing two groups of runs says, one element for each of `m` figures.

    Parameters
    ----------
    shift : ndarray of shape (m,)
        Mean of the second group less that of the first.
    half_width : ndarray of shape (m,)
        ``shift ± half_width`` covers the true shifts, of all figures at once, with confidence 1 - alpha; infinite if so
        few runs cannot exclude anything. It excludes 0 exactly if `p` is at most alpha.
    p : ndarray of shape (m,)
        Share of relabelings whose largest statistic, over all figures, is at least this figure's.
    relabelings : int
        How many were tried.
    """

    shift: Values
    half_width: Values
    p: Values
    relabelings: int


def compare_groups(first: Values, second: Values, alpha: float = ALPHA) -> GroupTest:
    """Compare two groups of runs by the means of their figures.

    Parameters
    ----------
    first, second : ndarray of shape (n_first, m) and (n_second, m)
        A row for each run, a column for each figure; at least one run a side.
    alpha : float
        Chance of any false alarm that is accepted.
    """
    pooled = np.vstack([first, second])
    spread = pooled.std(axis=0)
    scaled = np.divide(pooled - pooled.mean(axis=0), spread, out=np.zeros_like(pooled), where=spread > 0)
    choices = relabelings(len(pooled), len(first))
    largest = np.abs(_shifts(scaled, choices)).max(axis=1, initial=0.0)
    seen = np.abs(_shifts(scaled, _as_given(len(pooled), len(first)))[0])
    p = (largest[None, :] >= seen[:, None] - _EQUAL).mean(axis=1)
    shift = second.mean(axis=0) - first.mean(axis=0)
    return GroupTest(shift, _half_width(first, second, _critical(largest, alpha)), p, len(choices))


def relabelings(n: int, n_first: int) -> npt.NDArray[np.bool_]:
    """Return which runs are in the first group, a row for each relabeling: all, or a fixed draw if they are too many.

    A drawn set starts with the labels as they are, so that a share of it is a valid p-value.
    """
    count = math.comb(n, n_first)
    if count <= RELABELINGS_MAX:
        rows = np.array(list(itertools.combinations(range(n), n_first)), dtype=np.int64)
    else:
        rng = np.random.default_rng(n * 1000 + n_first)
        drawn = np.argsort(rng.random((RELABELINGS_MAX - 1, n)), axis=1)[:, :n_first]
        rows = np.vstack([np.arange(n_first), drawn])
    chosen = np.zeros((len(rows), n), dtype=bool)
    np.put_along_axis(chosen, rows, values=True, axis=1)
    return chosen


def p_min(n_first: int, n_second: int) -> float:
    """Return the smallest p-value that groups of these sizes can give."""
    mirrored = 2 if n_first == n_second else 1  # swapping equal groups gives the same distance
    return min(1.0, mirrored / math.comb(n_first + n_second, n_first))


def _as_given(n: int, n_first: int) -> npt.NDArray[np.bool_]:
    return np.arange(n)[None, :] < n_first


def _shifts(values: Values, chosen: npt.NDArray[np.bool_]) -> Values:
    """Return mean of the rest less mean of the chosen, shape ``(len(chosen), m)``."""
    n_first = int(chosen[0].sum())
    weights = np.where(chosen, -1.0 / n_first, 1.0 / (len(values) - n_first))
    shifts: Values = weights @ values
    return shifts


def _critical(largest: Values, alpha: float) -> float:
    """Return the least statistic that at most a share `alpha` of relabelings reach; infinite if there is none."""
    ordered = np.sort(largest)
    reach = 1 - np.searchsorted(ordered, ordered - _EQUAL) / len(ordered)
    rare = np.flatnonzero(reach <= alpha)
    return float(ordered[rare[0]]) if len(rare) else math.inf


def _half_width(first: Values, second: Values, critical: float) -> Values:
    """Return the shift's distance from those that the test would reject.

    With W the sum of squares within the groups and k = n1 n2 / n, a shift d has the statistic |d| / sqrt((W + k d²) /
    n). Solving it for the critical value gives the bound.
    """
    n = len(first) + len(second)
    k = len(first) * len(second) / n
    room = n - critical**2 * k
    within = sum(((side - side.mean(axis=0)) ** 2).sum(axis=0) for side in (first, second))
    if not math.isfinite(critical) or room <= _EQUAL:
        return np.full(first.shape[1], np.inf)
    return np.sqrt(critical**2 * np.asarray(within) / room)


def change_points(series: Values, alpha: float = ALPHA) -> list[int]:
    """Return where the level of a sequence changes: indices of the first runs of new levels.

    Parameters
    ----------
    series : ndarray of shape (n,)
        One number for each run, in the order in which they ran.
    alpha : float
        Chance of any false change point that is accepted.

    Notes
    -----
    The statistic is the largest standardised step over all places, held against the same largest over permutations of
    the runs; the two sides of a change point are then asked in turn. Each stretch is asked at a level in proportion to
    its length. Stretches without a change that are asked at all do not overlap, so their levels add up to at most
    `alpha` (Meinshausen 2008).
    """
    found: list[int] = []
    stretches = [(0, len(series))]
    while stretches:
        begin, end = stretches.pop()
        if end - begin < 2 * SEGMENT_RUNS_MIN:
            continue
        place, p = _largest_step(series[begin:end])
        if p <= alpha * (end - begin) / len(series):
            found.append(begin + place)
            stretches += [(begin, begin + place), (begin + place, end)]
    return sorted(found)


def _largest_step(values: Values) -> tuple[int, float]:
    """Return where the largest step is, and the share of permutations that have one as large."""
    if np.ptp(values) < _EQUAL:
        return 0, 1.0
    steps = _steps(values[None, :])[0]
    rng = np.random.default_rng(len(values))
    orders = np.argsort(rng.random((_PERMUTATIONS, len(values))), axis=1)
    largest = _steps(values[orders]).max(axis=1)
    as_large = 1 + int((largest >= steps.max() - _EQUAL).sum())
    return SEGMENT_RUNS_MIN + int(steps.argmax()), as_large / (_PERMUTATIONS + 1)


def _steps(rows: Values) -> Values:
    """Return the standardised step before each place that leaves enough runs on both sides, for each row."""
    n = rows.shape[1]
    places = np.arange(SEGMENT_RUNS_MIN, n - SEGMENT_RUNS_MIN + 1)
    before = np.cumsum(rows, axis=1)[:, places - 1]
    gap = before / places - (rows.sum(axis=1, keepdims=True) - before) / (n - places)
    steps: Values = np.abs(gap) * np.sqrt(places * (n - places) / n)
    return steps
