"""The figures of comparisons and trends: a dot is a run."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from reports.canvas import INK, MEASURED, QUIET, SURGE, grid_of, style, to_svg
from reports.contrast import Contrast, Difference
from reports.figures import Picture
from reports.trend import Line, Trend

_REACH: Final = 0.28
"""How far the dots of a group stand from its middle; they are in order of time."""


def contrast_pictures(found: Contrast) -> list[Picture]:
    """Return the figures of a comparison that its data allow."""
    shown = [d for d in found.differences if d.said not in ("not measured", "constant")]
    tested = [d for d in shown if d.ratio and d.said != "not tested"]
    made = []
    if shown:
        with style("runs"):
            drawn = _every_run(shown)
        key = "hollow baseline, filled runs, in order of time; bar: mean"
        made.append(Picture("runs", "Every run", key, drawn, _of_every_run(shown)))
    if tested:
        with style("change"):
            drawn = _changes(tested, found.effect_min)
        key = "dot: change; line: where the true one lies, all figures at once; band: too small to matter"
        made.append(Picture("change", "How far the runs are from the baseline", key, drawn, _of_changes(tested)))
    return made


def trend_pictures(found: Trend) -> list[Picture]:
    """Return the figure of a trend, nothing without runs."""
    if not found.lines:
        return []
    with style("trend"):
        figure, panels = grid_of(len(found.lines), 1, 0.6 + 1.5 * len(found.lines), sharex=True)
        for axes, line in zip(panels, found.lines, strict=True):
            _levels(axes, line)
        panels[-1].set_xlabel("run, in order of time")
        panels[-1].set_xticks(*_ticks(len(found.runs)))
        figure.align_ylabels(panels)
        drawn = to_svg(figure)
    return [Picture("trend", "Figures over the runs", "line: level; dashed: where it changed", drawn, _of_trend(found))]


def _every_run(shown: Sequence[Difference]) -> str:
    figure, panels = grid_of(1, len(shown), 2.9)
    for axes, difference in zip(panels, shown, strict=True):
        sides = ((0, difference.baseline, "none"), (1, difference.runs, MEASURED))
        for place, values, fill in sides:
            at = place + np.linspace(-_REACH, _REACH, len(values)) if len(values) > 1 else np.array([place])
            axes.plot(at, values, "o", markerfacecolor=fill, markeredgecolor=MEASURED, markersize=5)
            mean = float(np.exp(np.log(values).mean()) if difference.ratio else np.mean(values))
            axes.hlines(mean, place - 0.38, place + 0.38, color=INK, linewidth=1.2)
        axes.set(xlim=(-0.6, 1.6), ylabel=difference.unit)
        axes.set_title(difference.figure, fontsize=8)
        axes.set_xticks([0, 1], ["baseline", "runs"])
        axes.grid(visible=False, axis="x")
        _from_zero(axes, difference.unit, [*difference.baseline, *difference.runs])
    return to_svg(figure)


def _changes(tested: Sequence[Difference], least: float) -> str:
    figure, (axes,) = grid_of(1, 1, 0.9 + 0.42 * len(tested))
    axes.axvspan(-100 * least, 100 * least, color=SURGE, alpha=0.45, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    ends = [100 * (end if end is not None else d.change) for d in tested for end in (d.low, d.high)]
    for place, difference in enumerate(tested):
        low, high = (100 * end if end is not None else side * 1e6
                     for end, side in ((difference.low, -1), (difference.high, 1)))  # fmt: skip
        axes.hlines(place, low, high, color=MEASURED, linewidth=2)
        axes.plot(100 * difference.change, place, "o", color=MEASURED, markersize=6)
    axes.set_yticks(range(len(tested)), [d.figure for d in tested])
    axes.set(ylim=(len(tested) - 0.5, -0.5), xlabel="change, % of the baseline")
    axes.set_xlim(1.1 * min(*ends, -20.0), 1.1 * max(*ends, 20.0))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    return to_svg(figure)


def _levels(axes: Axes, line: Line) -> None:
    axes.plot(np.arange(len(line.values)) + 1, line.values, "o", color=MEASURED, markersize=4)
    for level in line.levels:
        axes.hlines(level.mean, level.begin + 0.6, level.end + 0.4, color=INK, linewidth=1.3)
        if level.begin:
            axes.axvline(level.begin + 0.5, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_title(line.figure)
    axes.set_ylabel(line.unit)
    _from_zero(axes, line.unit, line.values)


def _from_zero(axes: Axes, unit: str, values: Sequence[float]) -> None:
    """Draw durations and rates from 0 on; shares and counts where they are."""
    if unit:
        axes.set_ylim(0, 1.1 * max(*values, 1e-9))


def _ticks(n: int) -> tuple[list[int], list[str]]:
    places = list(range(1, n + 1, max(1, n // 12)))
    return places, [str(place) for place in places]


def _of_every_run(shown: Sequence[Difference]) -> str:
    first = shown[0]
    spreads = [np.std(side, ddof=1) / np.mean(side) for side in (first.baseline, first.runs) if len(side) > 1]
    if not spreads or not first.unit:
        return f"{len(first.baseline)} runs of the baseline against {len(first.runs)}."
    return (
        f"{first.figure} of runs that should be alike differs by {100 * max(spreads):.0f} % (standard deviation); a "
        "difference between the groups has to stand out from that."
    )


def _of_changes(tested: Sequence[Difference]) -> str:
    widest = max(tested, key=lambda d: abs(d.change))
    return f"The largest change is that of {widest.figure}: {100 * widest.change:+.0f} %, {widest.said}."


def _of_trend(found: Trend) -> str:
    steps = [(line, level) for line in found.lines for level in line.levels if level.begin]
    if not steps:
        return f"{found.conclusion[0].upper()}{found.conclusion[1:]}."
    line, level = max(steps, key=lambda pair: abs(pair[1].change or 0))
    size = f"{100 * level.change:+.0f} %" if level.change is not None else f"to {level.mean:.3g}"
    return f"The largest step is that of {line.figure} at run {level.begin + 1} ({found.runs[level.begin]}): {size}."
