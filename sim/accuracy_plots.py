"""How far a model can be believed, drawn: predictions beside the runs that followed, and what a fit left over."""

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import LogLocator

from reports.canvas import MEASURED, QUIET, SIMULATED, grid_of, plain_numbers, stand_alone, style, to_svg
from reports.figures import Picture
from sim.ensemble import Card
from sim.hold_out import Accuracy
from sim.outcome import TOLD

LATENCY = {name: TOLD[name] for name in ("bet_p50_ms", "bet_p95_ms", "bet_p99_ms")}
CONSISTENCY = {name: TOLD[name] for name in ("balance_age_p95_ms", "result_age_p95_ms", "money_age_p95_ms")}

MARKED = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Of each power of ten: most panels span less than one."""
ROOM = 1.45
"""A load whose neighbour above is nearer than that many times it has no room for its number."""


def plot_accuracy(found: Accuracy, panels: dict[str, str] | None = None) -> Picture:
    """Draw each load's predicted interval beside its runs.

    Parameters
    ----------
    found : Accuracy
        Loads that were predicted from the others.
    panels : dict, optional
        Figures and their labels; latencies without it.
    """
    shown = panels or LATENCY
    with style("".join(shown)):
        drawing, axes = grid_of(1, len(shown), 3.2)
        for panel, (name, label) in zip(axes, shown.items(), strict=True):
            loads = [held for held in found.loads if name in held.predicted]
            players = np.array([held.players for held in loads], dtype=np.float64)
            intervals = [held.predicted[name] for held in loads]
            middle = np.array([interval.median for interval in intervals])
            reach = np.abs(np.array([(interval.low, interval.high) for interval in intervals]).T - middle)
            panel.errorbar(players * 0.96, middle, reach, color=SIMULATED, marker="s", markersize=4, capsize=3,
                           linestyle="none")  # fmt: skip
            for held in loads:
                values = [run.measured[name] for run in held.runs if name in run.measured]
                panel.plot([held.players * 1.04] * len(values), values, color=MEASURED, marker="o", markersize=3.5,
                           linestyle="none", alpha=0.8)  # fmt: skip
            panel.set(xscale="log", yscale="log", xlabel="players", title=label)
            panel.set_xticks(players, [_label(count, players) for count in players], minor=False)
            panel.set_xticks([], minor=True)
            panel.yaxis.set_major_locator(LogLocator(subs=MARKED))
            plain_numbers(panel.yaxis)
        axes[0].annotate("predicted, 90 %", (0.04, 0.95), xycoords="axes fraction", color=SIMULATED, fontsize=8.5)
        axes[0].annotate("measured, each run", (0.04, 0.88), xycoords="axes fraction", color=MEASURED, fontsize=8.5)
        svg = to_svg(drawing)
    return Picture("accuracy", "Predicted and measured", "", svg, "Each load was predicted from all the others.")


def _label(count: float, players: npt.NDArray[np.float64]) -> str:
    above = players[players > count]
    return "" if len(above) and above.min() < ROOM * count else f"{count:.0f}"


def plot_residuals(card: Card) -> str:
    """Return, as an SVG file, what a fit left over: measured over simulated, run by run, figure by figure."""
    names = [name for name in card.residuals if name in {*LATENCY, *CONSISTENCY, "accepted_per_s", "own_cores"}]
    with style("residuals"):
        drawing, (axes,) = grid_of(1, 1, 0.9 + 0.3 * len(names))
        axes.axvline(1.0, color=QUIET, linewidth=0.8)
        for row, name in enumerate(reversed(names)):
            ratios = np.exp(card.residuals[name])
            axes.plot(ratios, [row] * len(ratios), color=MEASURED, marker="o", markersize=3.5, linestyle="none",
                      alpha=0.6)  # fmt: skip
            axes.plot([float(np.median(ratios))] * 2, [row - 0.3, row + 0.3], color=SIMULATED)
        axes.set_yticks(range(len(names)), list(reversed(names)))
        axes.set(xscale="log", xlabel="measured / simulated under the run's own conditions; median marked")
        plain_numbers(axes.xaxis)
        return stand_alone(to_svg(drawing))
