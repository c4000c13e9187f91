"""The figures of the video, with their sentences."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from reports import series, video
from reports.canvas import QUIET, grid_of, name_line, shade, to_svg
from reports.sentences import milliseconds, percent, percent_off
from reports.series import Band
from reports.worlds import World

EDGES_MAX: Final = 4
PERCENTS: Final = np.linspace(0, 100, 401)
DASHED: Final = (0, (4, 2))


def behind(both: list[World]) -> tuple[str, str] | None:
    """Draw the latency of the frame on the screen, and how many pictures stood still."""
    tables = [video.latency_per_second(world.run) for world in both]
    if tables[0]["p50"].isna().all():
        return None
    figure, (latency, standing) = grid_of(2, 1, 4.4, sharex=True, height_ratios=(3, 2))
    run = both[0].run
    bands = series.bands(run)
    for axes in (latency, standing):
        shade(axes, bands, label=axes is latency)
    for world, table in zip(both, tables, strict=True):
        for name, line in (("p50", "solid"), ("p95", DASHED)):
            latency.plot(table.index + 0.5, table[name] / 1000, **world.line(line))
        still = video.stalled_viewers(world.run)
        standing.plot(still.index, still, **world.line(), drawstyle="steps-post")
    last = tables[0].dropna()
    name_line(latency, float(last.index[-1]) + 0.5, float(last["p50"].iloc[-1]) / 1000, "p50", both[0].color)
    latency.set(ylabel="s behind", ylim=(0, None), xlim=(0, series.load_s(run)))
    standing.set(ylabel="pictures that\nstand still", xlabel="seconds since the load started")
    standing.set_ylim(0, max(1.0, standing.get_ylim()[1]))
    standing.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels([latency, standing])
    return to_svg(figure), _of_behind(both, bands)


def delivery(both: list[World]) -> tuple[str, str] | None:
    """Draw the share of parts that were there within a time after their last frame, against a part's duration."""
    drawn = [(world, values) for world in both if len(values := video.delivery_ms(world.run))]
    if not drawn or drawn[0][0] is not both[0]:
        return None
    figure, (axes,) = grid_of(1, 1, 3.0)
    for world, values in drawn:
        axes.plot(np.percentile(values, PERCENTS), PERCENTS, **world.line())
    duration_ms = video.part_ms(both[0].run)
    reach_ms = max(float(np.percentile(values, 99.5)) for _, values in drawn)
    axes.axvline(duration_ms, color=QUIET, linewidth=0.8)
    name_line(axes, duration_ms, 8, "duration of a part", QUIET)
    axes.set(xlabel="ms after the part's last frame", ylabel="% of parts", ylim=(0, 101))
    axes.set_xlim(0, 1.05 * max(reach_ms, 1.25 * duration_ms))
    return to_svg(figure), _of_delivery([values for _, values in drawn], duration_ms)


def edges(both: list[World]) -> tuple[str, str] | None:
    """Draw requests per second and viewers of each edge."""
    tables = [video.edge_load(world.run) for world in both]
    shown = sorted(tables[0])[:EDGES_MAX]
    if not shown:
        return None
    figure, panels = grid_of(2, len(shown), 3.9, sharex=True, sharey="row")
    bands = series.bands(both[0].run)
    rows = (("viewers", "viewers"), ("requests", "requests/s"))
    for place, axes in enumerate(panels):
        (name, label), edge = rows[place // len(shown)], shown[place % len(shown)]
        shade(axes, bands, label=False)
        for world, loads in zip(both, tables, strict=True):
            if edge in loads:
                axes.plot(loads[edge].index + 0.5, loads[edge][name], **world.line(), drawstyle="steps-mid")
        axes.set(ylim=(0, None), xlim=(0, series.load_s(both[0].run)))
        axes.set_ylabel(label if edge == shown[0] else "")
        axes.set_title(f"edge-{edge}" if name == "viewers" else "")
        axes.set_xlabel("seconds since the load started" if name == "requests" else "")
    return to_svg(figure), _of_edges(both, {edge: tables[0][edge] for edge in shown})


def glass(both: list[World]) -> tuple[str, str] | None:
    """Draw how old sampled frames were when they arrived and when they were shown."""
    if both[0].run.glass.empty:
        return None
    figure, (axes,) = grid_of(1, 1, 3.0)
    run = both[0].run
    shade(axes, series.bands(run), label=True)
    for world in both:
        samples = world.run.glass
        at_s = series.seconds(world.run, samples["arrived_ns"])
        for until, marker in (("shown_ns", "o"), ("arrived_ns", "x")):
            age_s = video.glass_ms(world.run, until) / 1000
            axes.plot(at_s, age_s, marker, color=world.color, markersize=3.5, zorder=world.layer)
    axes.set(xlabel="seconds since the load started", ylabel="s since it was filmed", ylim=(0, None))
    axes.set_xlim(0, series.load_s(run))
    return to_svg(figure), _of_glass(both)


def _of_behind(both: Sequence[World], bands: Sequence[Band]) -> str:
    said = []
    for world in both:
        latency, stalls = video.latency_ms(world.run), video.stalls(world.run)
        if not len(latency):
            continue
        p50, p95 = (milliseconds(float(np.percentile(latency, p))) for p in (50, 95))
        total_s = float((stalls.end_s - stalls.start_s).sum())
        waited = _of_stalls(stalls.viewer, stalls.end_s - stalls.start_s, total_s)
        subject = "Viewers were" if world is both[0] else "simulated:"
        said.append(f"{subject} typically {p50} behind the table, {p95} at p95, and {waited}")
    text = "; ".join(said)
    drops = both[0].run.drops
    if len(drops):
        text += f"; studios were too late for {int(drops['frames'].sum()):,} frames and cut {int(drops['cut'].sum())} ×"
    stalls = video.stalls(both[0].run)
    within = [b for b in bands if np.any((stalls.start_s >= b.start_s - 1) & (stalls.start_s <= b.end_s + 2))]
    return f"{text}; stalls began during {_listed(within)}." if within else f"{text}."


def _of_stalls(viewer: np.ndarray, took_s: np.ndarray, total_s: float) -> str:
    if not len(viewer):
        return "no picture stood still"
    by_viewer = pd.Series(took_s).groupby(viewer).sum()
    text = f"{_counted(len(by_viewer), 'viewer')} saw {_counted(len(viewer), 'stall')} of {total_s:,.1f} s"
    worst = milliseconds(1000 * float(by_viewer.max()))
    return f"{text} together, the unluckiest one {worst}" if len(by_viewer) > 1 else text


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _of_delivery(values: Sequence[video.Values], duration_ms: float) -> str:
    p50, p99 = (float(np.percentile(values[0], p)) for p in (50, 99))
    in_time = float((values[0] <= duration_ms).mean())
    text = (
        f"Half of the parts were with their viewer {milliseconds(p50)} after their last frame, 99 % within "
        f"{milliseconds(p99)}; {percent(in_time, 1)} came within the {milliseconds(duration_ms)} of a part"
    )
    for other in values[1:]:
        s50 = float(np.percentile(other, 50))
        text += f"; the simulation says {milliseconds(s50)} ({percent_off(s50, p50)})"
    return f"{text}."


def _of_edges(both: Sequence[World], loads: dict[int, pd.DataFrame]) -> str:
    parts = [
        f"edge-{edge} served up to {load['viewers'].max():,} viewers and {load['requests'].max():,} requests/s"
        for edge, load in loads.items()
    ]
    shares = video.cache_shares(both[0].run)
    text = "; ".join(parts)
    cached = ", ".join(f"{percent(share, 1)} {name}" for name, share in shares.items())
    said = f"; answers were {cached}" if any(shares.values()) else ""
    for world in both[1:]:
        other = video.cache_shares(world.run)
        if any(other.values()):
            said += f" (simulated: {', '.join(f'{percent(share, 1)} {name}' for name, share in other.items())})"
    return f"{text[0].upper()}{text[1:]}{said}."


def _of_glass(both: Sequence[World]) -> str:
    said = []
    for world in both:
        if world.run.glass.empty:
            continue
        arrived, shown = (float(np.median(video.glass_ms(world.run, name))) for name in ("arrived_ns", "shown_ns"))
        subject = f"{len(world.run.glass):,} frames were read" if world is both[0] else "simulated"
        said.append(
            f"{subject}: typically a frame was {milliseconds(arrived)} old when its part had arrived and "
            f"{milliseconds(shown)} when it was on the screen"
        )
    return f"{'; '.join(said)}."


def _listed(bands: Sequence[Band]) -> str:
    return ", ".join(f"“{band.label}”" for band in bands)
