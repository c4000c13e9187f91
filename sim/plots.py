"""Experiments drawn, one call each: means never without their intervals."""

from collections.abc import Sequence

import pandas as pd

from reference_impl.domain.errors import ConfigError
from reports.canvas import QUIET, SIMULATED, grid_of, name_line, style, to_svg
from reports.figures import Picture
from sim.experiment import summarise

DASHES: tuple[object, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
LINES_MAX = len(DASHES)


def plot_sweep(
    rows: pd.DataFrame, by: Sequence[str], figure: str = "bet.p99_ms", *, confidence: float = 0.95
) -> Picture:  # fmt: skip
    """Draw a sweep's figure over one of its fields, a line for each value of a second one.

    Parameters
    ----------
    rows : DataFrame
        What :func:`sim.experiment.sweep` returned.
    by : sequence of str
        One field, or two: the first is the axis.
    figure : str
        What is drawn, with its Student intervals.
    confidence : float
        Of each interval.

    Raises
    ------
    ConfigError
        If there is no such field or figure, or no room for so many lines.
    """
    table = summarise(rows, by, figure, confidence)
    if (lines := len(table.groupby(list(by[1:]))) if by[1:] else 1) > LINES_MAX:
        raise ConfigError(f"by {', '.join(by)} is {lines} lines: at most {LINES_MAX} can be told apart")
    with style(figure):
        drawing, (axes,) = grid_of(1, 1, 3.3)
        groups = table.groupby(list(by[1:])) if by[1:] else [("", table)]
        span = table[by[0]].max() - table[by[0]].min() or 1
        for row, (value, group) in enumerate(groups):
            beside = 0.012 * span * (row - (lines - 1) / 2)
            axes.errorbar(group[by[0]] + beside, group["mean"], group["half_width"], color=SIMULATED,
                          linestyle=DASHES[row], marker="o", markersize=3, capsize=3)  # fmt: skip
            last = group.iloc[-1]
            text = ", ".join(f"{name} {each}" for name, each in zip(by[1:], value, strict=False))
            name_line(axes, last[by[0]], last["mean"], text, SIMULATED, xytext=(12, 10 * (row - (lines - 1) / 2)))
        axes.set(xlabel=by[0], ylabel=figure, ylim=(0, None))
        axes.set_xticks(sorted(table[by[0]].unique()))
        svg = to_svg(drawing)
    least = table.iloc[int(table["mean"].to_numpy().argmin())]
    where = ", ".join(f"{name} {least[name]:g}" for name in by)
    return Picture(figure, figure, "", svg, f"Least with {where}: {least['mean']:.4g} ± {least['half_width']:.2g} "
                   f"(n = {least['n']:g}, {confidence:.0%} intervals).")  # fmt: skip


def plot_comparison(table: pd.DataFrame) -> Picture:
    """Draw what :func:`sim.experiment.compare` returned: each figure's change in percent, with its interval."""
    shown = table[table["one"] != 0].iloc[::-1]
    percent = 100.0 / shown["one"].abs()
    with style("compare"):
        drawing, (axes,) = grid_of(1, 1, 0.8 + 0.22 * len(shown))
        axes.axvline(0, color=QUIET, linewidth=0.8)
        axes.errorbar(shown["difference"] * percent, range(len(shown)), xerr=shown["half_width"] * percent,
                      color=SIMULATED, linestyle="none", marker="o", markersize=3, capsize=2)  # fmt: skip
        axes.set_yticks(range(len(shown)), list(shown.index))
        axes.set(xlabel="change, %", ylim=(-0.6, len(shown) - 0.4))
        svg = to_svg(drawing)
    apart = list(table.index[table["told_apart"]])
    said = f"Told apart from no change: {', '.join(apart)}." if apart else "Nothing is told apart from no change."
    return Picture("compare", "change", "", svg, said)
