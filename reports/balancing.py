"""Balancing policies side by side: a figure and a page, from what ``livetable bench balance`` found.

The input is the bench's ``detail["simulated"]``: for each policy, figures over all surges and by their kinds.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from matplotlib.axes import Axes

from reports.canvas import INK, MEASURED, QUIET, SIMULATED, grid_of, plain_numbers, stand_alone, style, to_svg
from reports.publishing import kept, markdown

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]

OURS: Final = "forecast"
PEER: Final = "two-choices"
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


Columns = Mapping[str, str]

POLICY_COLUMNS: Final[Columns] = {
    "bets' p99, ms": "{bet_p99_ms:.3g}",
    "over the oracle's: median / 95th / worst":
        "{bet_p99_of_oracle~} / {bet_p99_of_oracle_p95~} / {bet_p99_of_oracle_max~}",
    "video p99 over the oracle's": "{video_p99_of_oracle~}",
    "gateways max/mean: median / 95th": "{gateway_max_mean~} / {gateway_max_mean_p95~}",
    "edges max/mean: median / 95th": "{edge_max_mean~} / {edge_max_mean_p95~}",
    "copies a table": "{copies:.2f}",
    "in time": "{in_time_share:.0%}",
    "moved a surge": "{moved:,.0f}",
    "twice in 60 s": "{moved_twice:,.0f}",
    "dropped a surge": "{dropped:,.0f}",
}  # fmt: skip
"""Heads of the table of policies, and what stands below them (:class:`_Shown`)."""

KIND_COLUMNS: Final[Columns] = {
    "bets' p99, ms": "{bet_p99_ms:.3g}",
    "over oracle's: median / worst": "{bet_p99_of_oracle~} / {bet_p99_of_oracle_max~}",
    "gateways max/mean: mean / settled, 95th": "{gateway_max_mean~} / {gateway_max_mean_settled_p95~}",
    "edges max/mean, 95th": "{edge_max_mean_p95~}",
    "copies": "{copies:.2f}",
    "felt slow somewhere": "{felt:.0f} of {surges:.0f}",
    "in time": "{in_time_share:.0%}",
    "moved": "{moved:,.0f}",
}


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
    rows = (([f"`{name}`"], kinds["all"]) for name, kinds in found.items())
    return _side_by_side(["policy"], POLICY_COLUMNS, rows)


def kinds_table(found: Figures) -> str:
    """Return ours, the oracle and two choices by the kinds of surges, as a Markdown table."""
    rows = (
        ([kind, f"`{name}`"], found[name][kind])
        for kind in MARKERS
        for name in (OURS, ORACLE, PEER)
        if kind in found[name]
    )
    return _side_by_side(["surge", "policy"], KIND_COLUMNS, rows)


def _side_by_side(of: list[str], columns: Columns, rows: Iterable[tuple[list[str], Mapping[str, float]]]) -> str:
    lines = ([*names, *(told.format_map(_Shown(figures)) for told in columns.values())] for names, figures in rows)
    return markdown([*of, *columns], lines)


ASKED: Final[tuple[tuple[str, str, Callable[[Mapping[str, float]], bool]], ...]] = (
    (
        "bets' p99 within 10 % of the oracle's",
        "in {within_p99_share:.1%} of surges; worst {bet_p99_of_oracle_max~}",
        lambda x: x["within_p99_share"] >= 1.0,
    ),
    (
        "loads' max/mean at most 1.15",
        "in {within_max_mean_share:.1%} of surges; 95th {gateway_max_mean_p95~} and {edge_max_mean_p95~}",
        lambda x: x["within_max_mean_share"] >= 1.0,
    ),
    (
        "at most 2 copies of a table on average",
        "median {copies:.2f}, most {copies_max:.2f}",
        lambda x: x["copies"] <= 2.0,
    ),
    (
        "shifting begins before a hot place's p99 has doubled, in at least 95 %",
        "{in_time_share:.1%} of surges; {in_time_share_where_felt:.1%} of the {felt:.0f} in which one was felt",
        lambda x: x["in_time_share_where_felt"] >= 0.95,
    ),
    ("moved at most 1.5 times what the oracle moves", "{moved_of_oracle~}", lambda x: x["moved_of_oracle"] <= 1.5),
    ("nobody moved twice within 60 s", "{moved_twice:,.0f}", lambda x: x["moved_twice"] == 0),
)
"""What is asked of ours, what tells it, and whether it is kept."""


def tables(found: Figures) -> str:
    """Return the published page's tables, as Markdown."""
    ours = found[OURS]["all"]
    asked = [
        (asked, told.format_map(_Shown(ours)), kept(holds(ours))) for asked, told, holds in ASKED
    ]  # fmt: skip
    verdicts = markdown(("asked of ours", "found", "kept?"), asked)
    return TABLES.format(surges=int(ours["surges"]), policies=table(found), asked=verdicts, kinds=kinds_table(found))


OPENING: Final = """\
# Balancing policies side by side

**Question.** A surge meets a million people: whose placing and moving keeps bets and pictures quick, and how near is
ours to one who knows what will happen?

**Answer.** The first table below says it policy by policy, the second what was asked of ours and what of it is kept.

**Method.** Simulated: seeded surges at 1,000,000 people, 256 gateways, 100 edges and 500 tables, for every policy and
an oracle. The model, its assumptions and how far its waits agree with the simulation of single players:
[BALANCING.md](../../../docs/BALANCING.md).

![policies side by side](policies.svg)
"""

TABLES: Final = """\
{surges} surges, each policy meets the same.

{policies}
Median of surges, unless it says otherwise. *In time*: of all surges, those in which every place that ran hot (1.15
times the mean, for what it is fit for) and was felt to (its p99 over 10 s twice what it was, both over that of its
kind) had begun to be relieved before. p99 is over all bets from the surge's beginning on, each with its wait at its
gateway.

{asked}
Loads are means over 10 s, averaged over the surge: a host that slows down to a tenth within 15 s is out of balance
until its players are between rounds, whoever decides; the oracle empties hosts ahead.

{kinds}"""

CLOSING: Final = """\
**Intervals.** None: a surge is the unit, and its 95th percentile and its worst over all surges stand beside each
median.

**Threats.**

* In three of five kinds of surges the power of two choices does as well for bets: equal gateways need no more. What it
  cannot do is leave a slow host, keep tables on few edges, or drain: it drops everybody on a gateway that is deployed.
* Few copies have a price: whoever spreads tables over all edges answers smaller crowds at once, so its viewers' p99 is
  lower, and every edge fetches and keeps every table.
* `least-loaded` is told nothing of what was placed since the report, as is usual; with it, it would do better.
* Simulated gateways finish a broadcast before the next bet, so a bet behind a popular table's waits longer than at a
  real one, which lets bets pass.

**Command.** `livetable bench balance --out FOLDER`; with `--check` it simulates again and requires the same figures.
"""


class _Shown(dict[str, float]):
    """Figures by name; with a ``~`` behind it, as people read it: no decimals where they say nothing."""

    def __missing__(self, name: str) -> str:
        value = self[name.removesuffix("~")]
        return f"{value:.2f}" if value < MOST else f"{value:,.0f}"
