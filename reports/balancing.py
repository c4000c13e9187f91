"""Balancing policies side by side: a figure and a page, from what ``livetable bench balance`` found.

The input is the bench's ``detail["simulated"]``: for each policy, figures over all surges and by their kinds.
"""

from collections.abc import Mapping
from typing import Final

from matplotlib.axes import Axes

from reports.canvas import INK, MEASURED, QUIET, SIMULATED, grid_of, plain_numbers, stand_alone, style, to_svg

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]

OURS: Final = "forecast"
ORACLE: Final = "oracle"
MARKERS: Final = {
    "pile-up": "o", "flash-crowd": "^", "slow-edge": "s", "hot-gateway": "D", "rolling-deploy": "v",
}  # fmt: skip
MOST: Final = 100.0
"""Whatever is more stands at this end."""

PANELS: Final = (
    ("bet_p99_of_oracle", "bets' p99 / oracle's", 1.10),
    ("gateway_max_mean", "gateways: load, max / mean", 1.15),
    ("edge_max_mean", "edges: load, max / mean", 1.15),
    ("copies", "edges a table, mean", 2.0),
)
"""Figure, what it is, and the limit that it should keep."""


def figure(found: Figures) -> str:
    """Return the figure as an SVG file: a row a policy, a mark a kind of surge (its median), the limit dashed."""
    names = list(found)[::-1]
    with style("balancing"):
        drawing, axes = grid_of(1, len(PANELS), 3.6, sharey=True)
        for axis, (key, title, limit) in zip(axes, PANELS, strict=True):
            _panel(axis, found, names, key, limit)
            axis.set_title(title)
        axes[0].set_yticks(range(len(names)), names)
        for label, name in zip(axes[0].get_yticklabels(), names, strict=True):
            label.set_color(_color(name))
        handles, labels = axes[0].get_legend_handles_labels()
        drawing.legend(
            handles, labels, loc="outside lower center", ncols=len(MARKERS), frameon=False, labelcolor=QUIET
        )  # fmt: skip
        return stand_alone(to_svg(drawing))


def _panel(axis: Axes, found: Figures, names: list[str], key: str, limit: float) -> None:
    axis.axvline(limit, color=QUIET, linewidth=1.0, linestyle=(0, (4, 2)))
    for place, (kind, marker) in enumerate(MARKERS.items()):
        values = [min(MOST, found[name][kind][key]) for name in names if kind in found[name]]
        aside = 0.14 * (2 - place)
        rows = [row + aside for row, name in enumerate(names) if kind in found[name]]
        axis.scatter([], [], marker=marker, facecolors="none", edgecolors=QUIET, s=26, label=kind)
        colors = [_color(names[round(row)]) for row in rows]
        axis.scatter(values, rows, marker=marker, s=26, facecolors="none", edgecolors=colors, clip_on=False)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.95), max(high, 1.3 * limit))
    plain_numbers(axis.xaxis)
    axis.grid(visible=False, axis="x")
    axis.margins(y=0.08)


def _color(name: str) -> str:
    return {OURS: MEASURED, ORACLE: SIMULATED}.get(name, INK)


def table(found: Figures) -> str:
    """Return policies side by side over all surges, as a Markdown table."""
    head = (
        "| policy | bets' p99, ms | over the oracle's: median / 95th / worst | video p99 over the oracle's |"
        " gateways max/mean: median / 95th | edges max/mean: median / 95th | copies a table | in time |"
        " moved a surge | twice in 60 s | dropped a surge |"
    )
    rows = [head, "|" + "---|" * 11]
    for name, kinds in found.items():
        x = kinds["all"]
        rows.append(
            f"| `{name}` | {x['bet_p99_ms']:.3g} | {_many(x['bet_p99_of_oracle'])} /"
            f" {_many(x['bet_p99_of_oracle_p95'])} / {_many(x['bet_p99_of_oracle_max'])} |"
            f" {_many(x['video_p99_of_oracle'])} | {_many(x['gateway_max_mean'])} / {_many(x['gateway_max_mean_p95'])}"
            f" | {_many(x['edge_max_mean'])} / {_many(x['edge_max_mean_p95'])} | {x['copies']:.2f}"
            f" | {x['in_time_share']:.0%} | {x['moved']:,.0f} | {x['moved_twice']:,.0f} | {x['dropped']:,.0f} |"
        )
    return "\n".join(rows) + "\n"


def kinds_table(found: Figures) -> str:
    """Return ours and the oracle by the kinds of surges, as a Markdown table."""
    head = (
        "| surge | policy | bets' p99, ms | over oracle's: median / worst | gateways max/mean: mean / settled, 95th |"
        " edges max/mean, 95th | copies | felt slow somewhere | in time | moved |"
    )
    rows = [head, "|" + "---|" * 10]
    for kind in MARKERS:
        for name in (OURS, ORACLE, "two-choices"):
            x = found[name][kind]
            rows.append(
                f"| {kind} | `{name}` | {x['bet_p99_ms']:.3g} | {_many(x['bet_p99_of_oracle'])} /"
                f" {_many(x['bet_p99_of_oracle_max'])} | {_many(x['gateway_max_mean'])} /"
                f" {_many(x['gateway_max_mean_settled_p95'])} | {_many(x['edge_max_mean_p95'])} | {x['copies']:.2f} |"
                f" {x['felt']:.0f} of {x['surges']:.0f} | {x['in_time_share']:.0%} | {x['moved']:,.0f} |"
            )
    return "\n".join(rows) + "\n"


def _many(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
