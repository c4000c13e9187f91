"""What ``livetable sim million`` prints, draws and publishes: what a million players need, and how they fare.

A replication is the unit of every interval (Student's, 95 %). Changes are compared with no change, seed by seed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from reports.canvas import INK, QUIET, SIMULATED, grid_of, plain_numbers, stand_alone, style, to_svg
from reports.publishing import Recipe, Report, counted, markdown, short, spread
from sim.million import BETS, BUSY_MAX, LIMIT, PROBABILITY, VIDEO, Figures, Found
from sim.plan import bets_per_s_mean
from sim.scenario import bettors, size_of
from sim.statistics import Interval, interval

FIGURE: Final = "million.svg"
TOLD: Final = {
    "bet.per_s": ("bets/s over the load, its first rounds included", 1.0),
    "bet.p50_ms": ("a bet's answer, p50, ms", 1.0),
    "bet.p95_ms": ("p95, ms", 1.0),
    "bet.p99_ms": ("p99, ms", 1.0),
    "bet.p999_ms": ("p99.9, ms", 1.0),
    "bet.rejected_share": ("bets refused, %", 100.0),
    "bet.unknown_share": ("bets without an answer, %", 100.0),
    "settle.p50_ms": ("a round's settlement, p50, ms", 1.0),
    "settle.p95_ms": ("p95, ms", 1.0),
    "settle.p99_ms": ("p99, ms", 1.0),
    "gateway.pushes_per_s": ("events and payments told to players, thousands/s", 1e-3),
    "gateway.bps": ("gateways' egress, Gbit/s", 1e-9),
    "video.latency_p50_ms": ("the picture is behind, p50, ms", 1.0),
    "video.latency_p95_ms": ("p95, ms", 1.0),
    "video.latency_p99_ms": ("p99, ms", 1.0),
    "video.stalled_share": ("watched time that it stands still, %", 100.0),
    "edge.bps": ("edges' egress, Gbit/s", 1e-9),
    "edge.bps_max": ("of the busiest edge, Gbit/s", 1e-9),
    "origin.requests_per_s": ("edges' requests to origins, thousands/s", 1e-3),
    "shard.utilisation_max": ("the busiest shard's writer is busy, %", 100.0),
    "gateway.utilisation_max": ("the busiest gateway's core is busy, %", 100.0),
    "shard.busy_cores": ("writers at work, mean", 1.0),
    "gateway.busy_cores": ("gateways' cores at work, mean", 1.0),
    "edge.busy_cores": ("edges' cores at work, mean", 1.0),
}
"""Figures in the order in which they are told: what they are, and the factor to that unit."""

CHANGED: Final = {
    "bet.p50_ms": "bets' p50, ms", "bet.p95_ms": "p95, ms", "bet.p99_ms": "p99, ms",
    "settle.p95_ms": "settlement p95, ms", "shard.utilisation_max": "writer busy",
    "video.latency_p50_ms": "picture p50, ms", "video.latency_p99_ms": "p99, ms", "video.stalled_share": "stands still",
    "edge.busy_cores": "edges' cores at work", "edge.bps": "egress, bit/s",
}  # fmt: skip
NOTHING: Final = "nothing"


def summary(found: Found) -> str:
    """Return what was found, for a terminal and as the first lines of the page."""
    sizes = found.sizes
    p99, egress, behind = (interval(found.whole[name]) for name in ("bet.p99_ms", "edge.bps", "video.latency_p50_ms"))
    held = "" if found.holds else "**Not held by any size that was tried**: "
    return (
        f"{held}{size_of(bettors(found.scenario)):,} players at {found.scenario.tables} tables,"
        f" {bets_per_s_mean(found.scenario):,.0f} bets/s, everybody watching: {counted(sizes.shards, 'wallet shard')},"
        f" {counted(sizes.gateways, 'gateway')}, {counted(sizes.edges, 'edge')}, {counted(sizes.origins, 'origin')} and"
        f" {egress.mean / 1e9:,.0f} Gbit/s"
        f" of pictures. Then 99 of 100 bets are answered within {_told(p99)} ms, and the picture is"
        f" {_told(behind)} ms behind."
    )


def report_of(found: Found) -> Report:
    """Return what was found, as people read it."""
    return Report(tables=tables(found), figures={FIGURE: figure(found)}, opening=OPENING, closing=CLOSING)


def tables(found: Found) -> str:
    """Return the page's tables, as Markdown."""
    parts = [
        summary(found) + "\n",
        *(f"**Extrapolation:** {why}.\n" for why in extrapolations(found)),
        _whole(found),
        f"Bets in a cell ({found.asked.pairs} seeds), under one change: the mean, and its difference from no change.\n",
        _changes(found.bets, BETS),
        f"The picture in a cell ({found.asked.pairs} seeds), under one change.\n",
        _changes(found.video, VIDEO),
        _took(found),
    ]
    return "\n".join(parts)


def extrapolations(found: Found) -> list[str]:
    """Return why figures lie beyond what was ever measured."""
    sizes = found.sizes
    return [
        *found.extrapolates,
        (
            f"{counted(sizes.origins, 'origin')}, {counted(sizes.gateways, 'gateway')} and"
            f" {counted(sizes.edges, 'edge')}, each on a core of its own: the lab has run one origin and a few of the"
            " others, all on one machine"
        ),
    ]


def differences(published: Found, found: Found) -> Iterable[str]:
    """Return which figures are others, a line each: all but the time that it took follows from seeds."""
    for name in ("asked", "sizes", "scenario", "model", "holds", "extrapolates"):
        if getattr(published, name) != getattr(found, name):
            yield f"{name} is {getattr(found, name)}, published is {getattr(published, name)}"
    known, now = _flat(published), _flat(found)
    for name, values in known.items():
        again = now.get(name, [])
        if len(again) != len(values) or not np.allclose(again, values, rtol=1e-9, atol=0.0):
            yield f"{name} is {again}, published is {values}"


REPORT: Final = Recipe(file="million.json", content=Found, report_of=report_of, differences=differences)


def _flat(found: Found) -> dict[str, list[float]]:
    flat = dict(found.whole)
    for changes in (found.bets, found.video):
        flat |= {f"{change or NOTHING}: {name}": row for change, rows in changes.items() for name, row in rows.items()}
    return flat


def _told(found: Interval, factor: float = 1.0) -> str:
    middle, half = found.mean * factor, abs(found.half * factor)
    return f"{short(middle)} ± {half:.2g}" if half else short(middle)


def _whole(found: Found) -> str:
    rows = []
    for name, (told, factor) in TOLD.items():
        if name in found.whole:
            values = found.whole[name]
            rows.append((told, _told(interval(values), factor), spread([value * factor for value in values])))
    return markdown(("the whole system", "mean ± 95 %", f"{found.asked.replications} replications, from – to"), rows)


def _changes(changes: Mapping[str, Figures], names: Sequence[str]) -> str:
    rows = []
    for change, figures in changes.items():
        cells = [_changed(figures[name], changes[""][name], plain=not change) for name in names]
        rows.append((change or NOTHING, *cells))
    return markdown(("changed", *(CHANGED[name] for name in names)), rows)


def _changed(values: Sequence[float], base: Sequence[float], *, plain: bool) -> str:
    mean = _number(float(np.mean(values)))
    if plain or values == base:
        return mean
    apart = interval(np.subtract(values, base))
    level = abs(float(np.mean(base)))
    if not level:
        return mean
    percent = f"{100 * apart.mean / level:+.0f} ± {100 * apart.half / level:.0f} %"
    return f"{mean} ({percent})" if abs(apart.mean) > apart.half else f"{mean} (not told apart)"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 or abs(value) >= 1e6 else f"{value:,.0f}"


def _took(found: Found) -> str:
    took = found.took_s
    cpu_s = sum(seconds for name, seconds in took.items() if name != "wall")
    return (
        f"It took {took['wall']:,.0f} s, and {cpu_s:,.0f} s of CPU: {took['plan']:,.0f} for the plan,"
        f" {took['whole']:,.0f} for {found.asked.replications} replications of the whole, {took['bets']:,.0f} and"
        f" {took['video']:,.0f} for the changes."
    )


def figure(found: Found) -> str:
    """Return the figure as an SVG file: which cores are at work, and what each change does to the bets' p99."""
    with style("million"):
        drawing, (left, right) = grid_of(1, 2, 3.2, width_ratios=(2, 3))
        _draw_cores(left, found)
        _draw_changes(right, found)
        return stand_alone(to_svg(drawing))


def _draw_cores(axes: Axes, found: Found) -> None:
    sizes, video = found.sizes, "edge.busy_cores"
    kinds = {
        counted(sizes.edges, "edge"): video, counted(sizes.gateways, "gateway"): "gateway.busy_cores",
        counted(sizes.shards, "shard"): "shard.busy_cores",
    }  # fmt: skip
    for row, (label, name) in enumerate(reversed(kinds.items())):
        if name in found.whole:
            known = interval(found.whole[name])
            axes.barh(row, known.mean, color=SIMULATED, height=0.5)
            axes.annotate(_told(known), (known.mean, row), xytext=(5, 0), textcoords="offset points", va="center",
                          color=INK, fontsize=8.5, annotation_clip=False)  # fmt: skip
        axes.annotate(label, (0, row + 0.27), xytext=(0, 2), textcoords="offset points", color=QUIET, fontsize=8.5)
    axes.set_yticks([])
    axes.set_xlim(0, 1.3 * axes.get_xlim()[1])
    axes.set_ylim(-0.5, len(kinds) - 0.2)
    axes.set_title("cores at work")
    axes.grid(visible=False, axis="y")


def _draw_changes(axes: Axes, found: Found) -> None:
    names = list(found.bets)[::-1]
    for row, name in enumerate(names):
        values = found.bets[name][LIMIT.figure]
        known = interval(values)
        color = INK if not name else SIMULATED
        half = known.half if math.isfinite(known.half) else 0.0
        reach = min(half, 0.95 * known.mean)
        axes.errorbar(known.mean, row, xerr=reach, color=color, marker="o", markersize=4, capsize=3)
        axes.annotate(f"{known.mean:,.0f}", (known.mean, row), xytext=(0, 6), textcoords="offset points", ha="center",
                      color=color, fontsize=8.5)  # fmt: skip
    axes.axvline(LIMIT.value, color=QUIET, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.set_yticks(range(len(names)), [name or "as planned" for name in names])
    axes.set(xscale="log", title=f"bets' p99 under one change, ms (dashed: at most {LIMIT.value:g})")
    axes.margins(y=0.1)
    plain_numbers(axes.xaxis)
    axes.grid(visible=False, axis="y")


OPENING: Final = """\
# A million players, simulated

**Question.** What does it take to let a million players bet at live tables and watch them, how do they fare then, and
what would upset it?

**Answer.** The first lines below say it, with what in them is extrapolated.

![which cores are at work, and what changes do to the bets' p99](million.svg)
"""

CLOSING: Final = f"""\
**Method.** Everybody is simulated: each player arrives, logs in, is placed, plans bets, sends them, waits and is paid,
and each of as many viewers fetches every part of 320 ms from an edge, by the domain's own rules
([SIMULATION.md](../../../docs/SIMULATION.md)). Rounds take 44 s, 15 of them with open bets; nine of ten players bet in
each, 2.5 times on average. *Shards and gateways*: the first size, from what the utilisation law demands upwards, at
which the next run of a cell (one shard with its share of everything) keeps its bets' p99 below {LIMIT.value:g} ms with
a probability of {PROBABILITY:g}. *Edges and origins*: as many as leave {1 - BUSY_MAX:.0%} of their cores free by what
a request costs. The whole system is then simulated with other seeds; latencies count from ten seconds after the load's
start, when everybody is there. *Changes* are simulated in a cell, with and without the change on the same seeds.

**Intervals.** Student's, 95 %, over replications; of changes, over differences seed by seed. They hold the
simulation's own chance and nothing of what is unknown about its parameters: that is what the changes are for.

**Threats.**

* The model's parameters are documented assumptions unless a fitted model is given, and none was fitted on a machine
  like those that would be built. How far the simulation errs at loads of one small machine: the published accuracy
  report.
* Nothing fails, nobody reconnects, and tables' rounds are spread evenly; logging in has no queue of its own.
* Cores are simulated, and links between edges and viewers; the bus, the switches and the origins' disks are not.
* In a cell the tables of other shards do not smooth its load, so its p99 lies above the whole system's.
* Utilisation includes the last rounds after the load, so it lies below what a busy hour shows.

**Command.**

```
livetable sim million --out reports/published/NAME
```

With `--check` it simulates again and requires every figure to be the same, save how long it took.
"""
