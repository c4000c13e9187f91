"""The figures of a report: each an SVG and one sentence that says what to see, computed from the same data.

Blue is measured and orange is simulated in every figure; what differs within a world differs by line style.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from reference_impl.domain.money import EXPONENT, Currency
from reports import fault_figures, sentences, series, video_figures
from reports.canvas import (
    CSS_LIGHT,
    INK,
    QUIET,
    grid_of,
    name_line,
    plain_numbers,
    shade,
    style,
    to_svg,
)
from reports.latency import latency_ms
from reports.run import Run
from reports.worlds import World, worlds

GATEWAYS_MAX: Final = 4
WINDOW_S_MAX: Final = 120.0
CDF_PERCENTS: Final = np.unique(np.concatenate([np.linspace(0, 99, 400), np.linspace(99, 100, 200)]))
DASHED: Final = (0, (4, 2))
DOTTED: Final = (0, (1, 1.5))


class Picture(NamedTuple):
    """A figure: its key, title, what its line styles mean, SVG element, and the sentence under it."""

    key: str
    title: str
    styles: str
    svg: str
    sentence: str

    def _repr_html_(self) -> str:
        return f'<figure style="{CSS_LIGHT}">{self.svg}<figcaption>{self.sentence}</figcaption></figure>'


def pictures(run: Run, twin: Run | None) -> list[Picture]:
    """Return all figures that the Run's data allow."""
    both = worlds(run, twin)
    made = []
    for key, (title, styles, draw) in FIGURES.items():
        with style(key):
            drawn = draw(both)
        if drawn:
            made.append(Picture(key, title, styles, *drawn))
    return made


def latency_cdf(both: list[World]) -> tuple[str, str] | None:
    """Draw the share of bets answered within a time."""
    drawn = [(world, values) for world in both if len(values := latency_ms(series.bets(world.run)))]
    if not drawn or drawn[0][0] is not both[0]:
        return None
    figure, (axes,) = grid_of(1, 1, 3.4)
    for world, values in drawn:
        axes.plot(np.maximum(np.percentile(values, CDF_PERCENTS), 0.01), CDF_PERCENTS, **world.line())
    by_median = sorted(drawn, key=lambda pair: float(np.median(pair[1])))
    for percent, (world, values) in zip((75, 25), by_median, strict=False):
        left = percent == 75
        at_ms = float(np.percentile(values, percent))
        name_line(
            axes, at_ms, percent, world.name, world.color, xytext=(-6 if left else 6, 0), ha="right" if left else "left"
        )
    axes.set(xscale="log", xlabel="answered within, ms", ylabel="% of bets", ylim=(0, 101))
    for percent, side in ((50, "bottom"), (99, "top")):
        axes.axhline(percent, color=QUIET, linewidth=0.6, linestyle=DOTTED)
        axes.text(
            0.995,
            percent,
            f"p{percent}",
            transform=axes.get_yaxis_transform(),
            color=QUIET,
            fontsize=8,
            ha="right",
            va=side,
        )
    plain_numbers(axes.xaxis)
    quantiles = [(float(np.percentile(values, 50)), float(np.percentile(values, 99))) for _, values in drawn]
    return to_svg(figure), sentences.of_latency(quantiles)


def throughput(both: list[World]) -> tuple[str, str] | None:
    """Draw offered, accepted and rejected bets per second."""
    names = ("offered", "accepted", "rejected")
    tables = [series.per_second(world.run) for world in both]
    if not tables[0]["offered"].sum():
        return None
    figure, panels = grid_of(3, 1, 5.2, sharex=True, height_ratios=(3, 3, 2))
    bands = series.bands(both[0].run)
    for row, (axes, name) in enumerate(zip(panels, names, strict=True)):
        shade(axes, bands, label=row == 0)
        for world, table in zip(both, tables, strict=True):
            axes.plot(table.index + 0.5, table[name], **world.line(), drawstyle="steps-mid")
        axes.set(ylabel=f"{name}/s", ylim=(0, None), xlim=(0, series.load_s(both[0].run)))
    panels[-1].set_xlabel("seconds since the load started")
    figure.align_ylabels(panels)
    return to_svg(figure), sentences.of_throughput(tables)


def latency_over_time(both: list[World]) -> tuple[str, str] | None:
    """Draw p50 and p99 of the bets due in each second."""
    tables = [series.latency_per_second(world.run) for world in both]
    if tables[0]["p99"].isna().all():
        return None
    figure, (axes,) = grid_of(1, 1, 3.3)
    bands = series.bands(both[0].run)
    shade(axes, bands, label=True)
    for world, table in zip(both, tables, strict=True):
        for name, style_of in (("p50", "solid"), ("p99", DASHED)):
            axes.plot(table.index + 0.5, table[name], **world.line(style_of), marker=".", markersize=3)
    last = tables[0].dropna().iloc[-1]
    end = float(tables[0].dropna().index[-1]) + 0.5
    for name in ("p50", "p99"):
        name_line(axes, end, float(last[name]), name, both[0].color)
    axes.set(yscale="log", ylabel="ms", xlabel="seconds since the load started", xlim=(0, series.load_s(both[0].run)))
    plain_numbers(axes.yaxis)
    return to_svg(figure), sentences.of_latency_over_time(tables[0]["p99"], bands)


def deadline(both: list[World]) -> tuple[str, str] | None:
    """Draw when bets reached their gateway, against the cut-off."""
    tables = [series.to_deadline_s(world.run) for world in both]
    if tables[0].empty:
        return None
    figure, (whole, near) = grid_of(1, 2, 3.2, width_ratios=(3, 2))
    start_s = max(min(float(table["offset_s"].min()) for table in tables if len(table)), -WINDOW_S_MAX)
    edges_s, edges_ms = np.arange(np.floor(start_s), 0.3, 0.1), np.arange(-200.0, 201.0, 10.0)
    for world, table in zip(both, tables, strict=True):
        accepted, rejected = (table.loc[table["accepted"] == said, "offset_s"] for said in (True, False))
        _steps(whole, accepted, edges_s, world.line())
        _steps(near, 1000 * accepted, edges_ms, world.line())
        _steps(near, 1000 * rejected, edges_ms, world.line(DOTTED))
    for axes in (whole, near):
        axes.axvline(0, color=INK, linewidth=1.0)
        axes.set_ylim(0, None)
    whole.set(title="The whole window", xlabel="received, seconds from the cut-off", ylabel="accepted bets per 0.1 s")
    near.set(
        title="Around the cut-off",
        xlabel="received, ms from the cut-off",
        ylabel="bets per 10 ms",
    )
    return to_svg(figure), sentences.of_deadline(tables[0])


def gateways(both: list[World]) -> tuple[str, str] | None:
    """Draw connections and bets per second of each gateway."""
    tables = [series.gateway_load(world.run) for world in both]
    shown = sorted(tables[0])[:GATEWAYS_MAX]
    if not shown:
        return None
    figure, panels = grid_of(2, len(shown), 3.9, sharex=True, sharey="row")
    bands = series.bands(both[0].run)
    rows = (("connections", "connections"), ("bets", "answered bets/s"))
    for place, axes in enumerate(panels):
        (name, label), gateway = rows[place // len(shown)], shown[place % len(shown)]
        shade(axes, bands, label=False)
        for world, loads in zip(both, tables, strict=True):
            if gateway in loads:
                axes.plot(loads[gateway].index + 0.5, loads[gateway][name], **world.line(), drawstyle="steps-mid")
        axes.set(ylim=(0, None), xlim=(0, series.load_s(both[0].run)))
        axes.set_ylabel(label if gateway == shown[0] else "")
        axes.set_title(f"gateway-{gateway}" if name == "connections" else "")
        axes.set_xlabel("seconds since the load started" if name == "bets" else "")
    return to_svg(figure), sentences.of_gateways({g: tables[0][g] for g in shown}, len(tables[0]))


def money_line(both: list[World]) -> tuple[str, str] | None:
    """Draw what players, house and escrow gained; their total with cash must stay 0."""
    # entries are placed in time by their rounds: without those there is no line to draw
    tables = [series.money(world.run) if len(world.run.ledger) and len(world.run.rounds) else None for world in both]
    first = tables[0]
    if first is None:
        return None
    currency = Currency(int(both[0].run.accounts["currency"].iloc[0])) if len(both[0].run.accounts) else Currency.EUR
    whole = 10 ** EXPONENT[currency]
    figure, panels = grid_of(1, len(both), 3.3, sharey=True)
    for axes, world, table in zip(panels, both, tables, strict=True):
        axes.set(title=world.name, xlabel="seconds since the load started")
        if table is None:
            continue
        for name, line in (("players", "solid"), ("house", DASHED), ("escrow", DOTTED)):
            axes.plot(table.index, table[name] / whole, color=world.color, linestyle=line, drawstyle="steps-post")
        _spread_names(axes, table / whole, world.color)
        axes.plot(table.index, table["total"] / whole, color=INK, linewidth=1.0)
        axes.set_xlim(0, table.index[-1] * 1.14)
    panels[0].set_ylabel(f"gained since the load started, {currency.name}")
    panels[0].yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return to_svg(figure), sentences.of_money(first, currency)


def stage_breakdown(both: list[World]) -> tuple[str, str] | None:
    """Draw p50 and p99 of each stage of a bet's way."""
    tables = [series.stages(world.run) for world in both]
    if not tables[0]:
        return None
    figure, (axes,) = grid_of(1, 1, 4.2)
    names = [stage.name for stage in tables[0]]
    places = np.arange(len(names), dtype=np.float64)
    for offset, world, table in zip((-0.17, 0.17), both, tables, strict=False):
        if not table:
            continue
        p50, p99 = (np.maximum([getattr(stage, p) for stage in table], 0.001) for p in ("p50_ms", "p99_ms"))
        axes.hlines(places + offset, p50, p99, color=world.color, linewidth=1.2)
        axes.plot(p50, places + offset, "o", color=world.color, markersize=5)
        axes.plot(p99, places + offset, "|", color=world.color, markersize=8, markeredgewidth=1.8)
    axes.set_yticks(places, names)
    axes.set(xscale="log", xlabel="ms: dot p50, bar p99", ylim=(len(names) - 0.5, -0.7))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    plain_numbers(axes.xaxis)
    return to_svg(figure), sentences.of_stages(tables)


FIGURES: Final[dict[str, tuple[str, str, Callable[[list[World]], tuple[str, str] | None]]]] = {
    "latency": ("How long players waited for an answer", "", latency_cdf),
    "throughput": ("What was offered and what became of it", "", throughput),
    "over-time": ("Waiting time over the load", "solid p50, dashed p99 of each second", latency_over_time),
    "faults": ("How soon people were served again", "dot p50, bar p95", fault_figures.recovery),
    "deadline": ("Bets against the cut-off", "solid accepted, dotted rejected", deadline),
    "gateways": ("Load of each gateway", "", gateways),
    "money": (
        "Where the money was", "solid players, dashed house, dotted escrow; the thin line at 0 is all accounts' total",
        money_line,
    ),
    "stages": ("Where a bet's time goes", "dot p50, bar p99", stage_breakdown),
    "video": (
        "How far behind the table the viewers were", "solid p50, dashed p95 of each second", video_figures.behind,
    ),
    "delivery": ("How soon after filming viewers had a part", "", video_figures.delivery),
    "edges": ("Load of each edge", "", video_figures.edges),
    "glass": (
        "From the camera to the screen, by the picture's own clock", "dot on the screen, cross in the viewer's memory",
        video_figures.glass,
    ),
}  # fmt: skip
"""All figures in the order of the page."""


def _steps(axes: Axes, values: pd.Series, edges: npt.NDArray[np.float64], line: dict[str, Any]) -> None:
    counts, _ = np.histogram(values, edges)
    axes.stairs(counts, edges, **line)


def _spread_names(axes: Axes, table: pd.DataFrame, color: str) -> None:
    """Name the three lines at their ends, pushed apart where they would overlap."""
    ends = table[["players", "house", "escrow"]].iloc[-1].sort_values()
    reach = max(float(table[["players", "house", "escrow"]].abs().max().max()), 1.0)
    gap, at = 0.13 * reach, -np.inf
    for name, value in ends.items():
        at = max(float(value), at + gap)
        name_line(axes, float(table.index[-1]), at, str(name), color)
