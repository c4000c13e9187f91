"""A sequence of runs: where a figure's level changed, for better or worse.

Each figure is asked by itself for change points (:func:`reports.statistics.change_points`), at a share of the accepted
chance of a false alarm, so that the chance of any false alarm over all figures stays what it is said to be.

Exit codes: 0 no level is worse than the one before it, 2 the newest level of a figure is, 4 too few runs.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from reports.cohort import by_ratio, effect_min, figures_of, open_cohort, values_of
from reports.limits import EFFECT_MIN, Figure
from reports.statistics import ALPHA, change_points, trend_runs_min

Values = npt.NDArray[np.float64]


class Level(Struct, frozen=True):
    """A stretch of runs without a change: which they are (`end` excluded), their mean, and what the step to it was.

    Parameters
    ----------
    begin, end : int
        Places in the sequence of runs.
    mean : float
        Geometric mean of figures that are compared by ratios.
    change : float or None
        From the level before, as a share of it; None in the first one or if that was 0.
    said : str
        ``worse``, ``better``, ``higher``, ``lower``, ``too small to matter``; nothing in the first one.
    """

    begin: int
    end: int
    mean: float
    change: float | None = None
    said: str = ""


class Line(Struct, frozen=True):
    """One figure over the runs."""

    figure: str
    unit: str
    values: list[float]
    levels: list[Level]


class Trend(Struct, frozen=True):
    """A sequence of runs: their names in order, a line for each figure that was measured in all of them, what is said.

    Parameters
    ----------
    runs : list of str
        Names of the runs' folders, in order of time.
    lines : list of Line
        One for each figure.
    warnings : list of str
        What makes the runs unlike, and which were left out.
    conclusion : str
        One sentence.
    exit_code : int
        0, 2 or 4.
    """

    runs: list[str]
    lines: list[Line]
    warnings: list[str]
    conclusion: str
    exit_code: int


def trend(paths: Sequence[Path], figures: Sequence[str] = (), least_effect: float = EFFECT_MIN) -> Trend:
    """Look for change points in a sequence of runs, in order of their start."""
    cohort = open_cohort(paths)
    asked = figures_of(figures)
    names = [run.path.name for run in cohort.runs]
    return trend_of(names, asked, values_of(cohort.runs, asked), least_effect, cohort.warnings)


def trend_of(
    names: Sequence[str],
    figures: Sequence[Figure],
    values: Values,
    least_effect: float = EFFECT_MIN,
    warnings: Sequence[str] = (),
) -> Trend:
    """Look for change points in a table with a row for each run and a column for each figure."""
    known = [i for i in range(len(figures)) if len(values) and not np.isnan(values[:, i]).any()]
    alpha = ALPHA / max(len(known), 1)
    needed = trend_runs_min(alpha)
    enough = len(values) >= needed
    lines = [_line(figures[i], values[:, i], alpha if enough else 0.0, least_effect) for i in known]
    said = list(warnings)
    if missing := [str(figure) for i, figure in enumerate(figures) if i not in known]:
        said.append(f"not measured in every run: {', '.join(missing)}")
    if not enough:
        few = f"{len(values)} runs: nothing can be concluded from fewer than {needed}, for {len(known)} figure(s)"
        return Trend(list(names), lines, said, few, 4)
    conclusion, code = _conclude(lines)
    return Trend(list(names), lines, said, conclusion, code)


def _line(figure: Figure, values: Values, alpha: float, least_effect: float) -> Line:
    ratio = by_ratio(figure, values)
    scaled = np.log(values) if ratio else values
    bounds = [0, *(change_points(scaled, alpha) if alpha else []), len(values)]
    levels: list[Level] = []
    for begin, end in itertools.pairwise(bounds):
        mean = float(np.exp(scaled[begin:end].mean()) if ratio else values[begin:end].mean())
        levels.append(_level(figure, begin, end, mean, levels[-1].mean if levels else None, least_effect))
    return Line(str(figure), figure.unit, [float(value) for value in values], levels)


def _level(figure: Figure, begin: int, end: int, mean: float, before: float | None, least_effect: float) -> Level:
    if before is None:
        return Level(begin, end, mean)
    step = mean - before
    change = step / abs(before) if before else None
    if abs(step) < effect_min(figure, before, least_effect):
        said = "too small to matter"
    elif not figure.better:
        said = "higher" if step > 0 else "lower"
    else:
        said = "better" if step * figure.better > 0 else "worse"
    return Level(begin, end, mean, change, said)


def _conclude(lines: Sequence[Line]) -> tuple[str, int]:
    if worse := [line.figure for line in lines if line.levels[-1].said == "worse"]:
        return f"the newest level is worse: {', '.join(worse)}", 2
    changed = [line.figure for line in lines if len(line.levels) > 1]
    if changed:
        return f"the newest level of no figure is worse; {', '.join(changed)} changed before", 0
    return "no change of level shown", 0
