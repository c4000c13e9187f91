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
A. B. Olshen, E. S. Venkatraman, R. Lucito, M. Wigler, Circular binary segmentation, Biostatistics 5 (2004).
"""

import functools
import itertools
import math
from collections.abc import Iterator
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


@functools.lru_cache(maxsize=8)
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
    """Return the bound above which at most a share `alpha` of relabelings lie; infinite if none could be rejected."""
    ordered = np.sort(largest)
    reach = 1 - np.searchsorted(ordered, ordered - _EQUAL) / len(ordered)
    rare = np.flatnonzero(reach <= alpha)
    return float(ordered[rare[0] - 1]) + _EQUAL if len(rare) else math.inf


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
    The statistic is the largest standardised distance of a stretch of runs from the rest, so that a level that came and
    went is seen as well as one that stayed (circular binary segmentation), held against the same largest over
    permutations of the runs. The parts that a stretch leaves are asked in turn, each at a level in proportion to its
    length: parts without a change that are asked at all do not overlap, so their levels add up to at most `alpha`
    (Meinshausen 2008). At the end a boundary stays only if its two neighbours differ by themselves.
    """
    bounds = {0, len(series)}
    parts = [(0, len(series))]
    while parts:
        begin, end = parts.pop()
        if end - begin < 2 * SEGMENT_RUNS_MIN:
            continue
        stretch, p = _odd_stretch(series[begin:end])
        if p <= alpha * (end - begin) / len(series):
            inner = sorted({begin, *(begin + place for place in stretch), end})
            bounds.update(inner)
            parts += itertools.pairwise(inner)
    return _confirmed(series, sorted(bounds), alpha)[1:-1]


def trend_runs_min(alpha: float = ALPHA) -> int:
    """Return the least number of runs whose clearest step, in their middle, could pass the test."""
    enough = (n for n in itertools.count(2 * SEGMENT_RUNS_MIN) if 2 / math.comb(n, n // 2) <= alpha)
    return next(enough)


def _confirmed(series: Values, bounds: list[int], alpha: float) -> list[int]:
    """Return the boundaries whose neighbouring levels differ by themselves, the least sure ones taken out first."""
    while len(bounds) > 2:
        triples = zip(bounds, bounds[1:], bounds[2:], strict=False)
        levels = [(series[a:b, None], series[b:c, None]) for a, b, c in triples]
        p = [float(compare_groups(*pair).p[0]) for pair in levels]
        worst = int(np.argmax(p))
        if p[worst] <= max(alpha, p_min(*(len(side) for side in levels[worst]))):
            break
        bounds = [*bounds[: worst + 1], *bounds[worst + 2 :]]
    return bounds


def _odd_stretch(values: Values) -> tuple[tuple[int, int], float]:
    """Return begin and end of the stretch that is furthest from the rest, and the share of permutations as far."""
    if np.ptp(values) < _EQUAL:
        return (0, 0), 1.0
    found = max(_furthest(values[None, :]), key=lambda candidate: float(candidate[0][0]))
    rng = np.random.default_rng(len(values))
    orders = np.argsort(rng.random((_PERMUTATIONS, len(values))), axis=1)
    largest = np.zeros(_PERMUTATIONS)
    for distance, _, _ in _furthest(values[orders]):
        np.maximum(largest, distance, out=largest)
    as_far = 1 + int((largest >= float(found[0][0]) - _EQUAL).sum())
    begin = int(found[1][0])
    return (begin, begin + found[2]), as_far / (_PERMUTATIONS + 1)


def _furthest(rows: Values) -> Iterator[tuple[Values, npt.NDArray[np.int64], int]]:
    """Yield, for each length of a stretch, the largest distance in each row, where its stretch begins, and the length.

    A stretch, what it leaves before it and what it leaves behind it have enough runs for a level, or none.
    """
    n = rows.shape[1]
    sums = np.cumsum(np.hstack([np.zeros((len(rows), 1)), rows - rows.mean(axis=1, keepdims=True)]), axis=1)
    for length in range(SEGMENT_RUNS_MIN, n - SEGMENT_RUNS_MIN + 1):
        begins = np.arange(n - length + 1)
        rest = n - length - begins
        begins = begins[((begins == 0) | (begins >= SEGMENT_RUNS_MIN)) & ((rest == 0) | (rest >= SEGMENT_RUNS_MIN))]
        inside = np.abs(sums[:, begins + length] - sums[:, begins])
        furthest = inside.argmax(axis=1)
        distance = np.take_along_axis(inside, furthest[:, None], axis=1)[:, 0] * math.sqrt(n / (length * (n - length)))
        yield distance, begins[furthest], length
