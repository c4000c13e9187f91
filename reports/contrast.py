"""Two groups of runs, one against the other: which figures differ, by how much, and how sure that is.

The run is the unit (:mod:`reports.statistics`). A figure is called different only if the labels of the runs matter
*and* the difference is large enough to matter; what cannot be shown is said to be not shown, with the interval that
remains.

Exit codes: 0 nothing is worse, 2 something is worse, 4 so few runs that nothing can be concluded.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from reports.cohort import across, by_ratio, effect_min, figures_of, open_cohort, values_of
from reports.limits import EFFECT_MIN, Figure
from reports.run import Run
from reports.statistics import ALPHA, compare_groups, p_min

Values = npt.NDArray[np.float64]

RUNS_MIN: Final = 3
"""Fewer runs a side say nothing of how much runs differ by themselves."""

SIDES: Final = ("the runs", "the baseline")


class Difference(Struct, frozen=True):
    """One figure of two groups of runs.

    Parameters
    ----------
    figure, unit : str
        Which figure.
    baseline, runs : list of float
        Its value in each run, in order of time.
    ratio : bool
        Whether `change`, `low` and `high` are shares of the baseline (0.3 is 30 % more) or in the figure's unit.
    change : float
        How far the runs are from the baseline.
    low, high : float or None
        Where the true change lies, with 95 % confidence for all figures at once; None is infinite.
    p : float
        Probability of such a difference of any figure if the labels did not matter.
    said : str
        ``worse``, ``better``, ``higher``, ``lower``, ``too small to matter``, ``no difference shown``, ``equal`` within
        the least effect that matters, ``constant``, ``not measured`` or ``not tested``.
    """

    figure: str
    unit: str
    baseline: list[float]
    runs: list[float]
    ratio: bool = False
    change: float = 0.0
    low: float | None = None
    high: float | None = None
    p: float = 1.0
    said: str = "not measured"


class Contrast(Struct, frozen=True):
    """Two groups of runs compared.

    Parameters
    ----------
    differences : list of Difference
        One for each figure.
    warnings : list of str
        What makes the comparison unfair, and which runs were left out.
    n_runs, n_baseline : int
        Runs that count, of each side.
    effect_min : float
        Least share of a value that matters.
    relabelings : int
        How many ways there were to label the runs.
    conclusion : str
        One sentence.
    exit_code : int
        0, 2 or 4.
    """

    differences: list[Difference]
    warnings: list[str]
    n_runs: int
    n_baseline: int
    effect_min: float
    relabelings: int
    conclusion: str
    exit_code: int


def contrast(
    runs: Sequence[Path], baseline: Sequence[Path], figures: Sequence[str] = (), least_effect: float = EFFECT_MIN
) -> Contrast:
    """Compare runs with a baseline.

    Parameters
    ----------
    runs, baseline : sequence of Path
        Folders of Runs.
    figures : sequence of str
        Which figures, as in :mod:`reports.limits`; :data:`reports.cohort.DEFAULT_FIGURES` if none are named.
    least_effect : float
        A change of less than this share does not matter.
    """
    ours, theirs = open_cohort(runs, SIDES[0]), open_cohort(baseline, SIDES[1])
    warnings = [*ours.warnings, *theirs.warnings, *across(ours.runs, theirs.runs, SIDES)]
    return contrast_runs(ours.runs, theirs.runs, figures_of(figures), least_effect, warnings)


def contrast_runs(
    runs: Sequence[Run],
    baseline: Sequence[Run],
    figures: Sequence[Figure],
    least_effect: float = EFFECT_MIN,
    warnings: Sequence[str] = (),
) -> Contrast:
    """Compare runs that were opened."""
    first, second = values_of(baseline, figures), values_of(runs, figures)
    if few := _too_few(len(runs), len(baseline)):
        differences = [_unjudged(*row) for row in zip(figures, first.T, second.T, strict=True)]
        return Contrast(differences, list(warnings), len(runs), len(baseline), least_effect, 0, few, 4)
    differences, tried = _test(figures, first, second, least_effect)
    conclusion, code = _conclude(differences)
    return Contrast(
        differences, list(warnings), len(runs), len(baseline), least_effect, tried, conclusion, code
    )  # fmt: skip


def _too_few(n_runs: int, n_baseline: int) -> str:
    numbers = f"{n_runs} against {n_baseline} runs"
    if min(n_runs, n_baseline) < RUNS_MIN:
        return f"{numbers}: nothing can be concluded from fewer than {RUNS_MIN} a side"
    least = p_min(n_runs, n_baseline)
    if least > ALPHA:
        chance = f"{100 * least:.0f} %"
        return f"{numbers}: nothing can be concluded, even the clearest difference is chance in {chance} of cases"
    return ""


def _test(
    figures: Sequence[Figure], first: Values, second: Values, least_effect: float
) -> tuple[list[Difference], int]:
    pooled = np.vstack([first, second])
    measured = ~np.isnan(pooled).any(axis=0)
    moving = measured & (np.ptp(np.where(measured, pooled, 0), axis=0) > 0)
    ratios = np.array([by_ratio(figure, pooled[:, i]) for i, figure in enumerate(figures)])
    asked = np.flatnonzero(moving).tolist()
    scaled = [np.where(ratios[asked], _log(side[:, asked], ratios[asked]), side[:, asked]) for side in (first, second)]
    test = compare_groups(scaled[0], scaled[1])
    found = {i: _unjudged(figures[i], first[:, i], second[:, i]) for i in range(len(figures))}
    for place, i in enumerate(asked):
        shift, half, p = (float(column[place]) for column in (test.shift, test.half_width, test.p))
        found[i] = _judged(figures[i], first[:, i], second[:, i], (shift, half, p), bool(ratios[i]), least_effect)
    return list(found.values()), test.relabelings


def _log(values: Values, ratios: npt.NDArray[np.bool_]) -> Values:
    logs: Values = np.log(np.where(ratios, values, 1.0))
    return logs


def _unjudged(figure: Figure, first: Values, second: Values) -> Difference:
    both = np.concatenate([first, second])
    constant = bool(len(first) and len(second)) and not np.isnan(both).any() and np.ptp(both) == 0
    said = "constant" if constant else "not measured" if np.isnan(both).any() else "not tested"
    return Difference(str(figure), figure.unit, _plain(first), _plain(second), said=said)


def _judged(
    figure: Figure,
    first: Values,
    second: Values,
    tested: tuple[float, float, float],
    ratio: bool,  # noqa: FBT001 - the scale on which the figure was tested
    least_effect: float,
) -> Difference:
    shift, half, p = tested
    change, low, high = (_unscaled(value, ratio) for value in (shift, shift - half, shift + half))
    least = least_effect if ratio else effect_min(figure, float(first.mean()), least_effect)
    bounded = [value if math.isfinite(value) and math.isfinite(half) else None for value in (low, high)]
    said = _said(figure, change, (low, high), least)
    return Difference(
        str(figure), figure.unit, _plain(first), _plain(second), ratio, change, bounded[0], bounded[1], p, said
    )


def _said(figure: Figure, change: float, interval: tuple[float, float], least: float) -> str:
    low, high = interval
    if low <= 0 <= high:
        return "equal" if max(-low, high) < least else "no difference shown"
    if abs(change) < least:
        return "too small to matter"
    if not figure.better:
        return "higher" if change > 0 else "lower"
    return "better" if change * figure.better > 0 else "worse"


def _unscaled(shift: float, ratio: bool) -> float:  # noqa: FBT001 - as above
    if not ratio:
        return shift
    return math.expm1(shift) if shift < 700 else math.inf


def _plain(values: Values) -> list[float]:
    return [float(value) for value in values]


def _conclude(differences: Sequence[Difference]) -> tuple[str, int]:
    def named(said: str) -> str:
        return ", ".join(d.figure for d in differences if d.said == said)

    if worse := named("worse"):
        return f"worse than the baseline: {worse}", 2
    if all(d.said in ("not measured", "constant") for d in differences):
        measured = any(d.said == "constant" for d in differences)
        return ("every figure is the same in every run", 0) if measured else ("no figure was measured in every run", 4)
    if better := named("better"):
        return f"nothing is worse than the baseline; better: {better}", 0
    return "no difference shown that matters", 0
