"""The figure of faults: how soon people were served again, and how long bets took meanwhile, by kind and target."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes

from reports.canvas import INK, grid_of, plain_numbers, to_svg
from reports.recovery import Recovery, group_of, recoveries
from reports.worlds import World

_SHIFT: Final = 0.17
_MS_MIN: Final = 1.0


def recovery(both: list[World]) -> tuple[str, str] | None:
    """Draw for each kind of fault and target the times until service, and the 99th percentile of bets under way."""
    found = [recoveries(world.run) for world in both]
    if not found[0]:
        return None
    return drawn([(world.color, ones) for world, ones in zip(both, found, strict=True)]), _sentence(found[0])


def drawn(colored: list[tuple[str, list[Recovery]]]) -> str:
    """Return the figure of these faults, each list in its colour; the first one's kinds and targets are the rows."""
    names = sorted({fault_name(one) for one in colored[0][1]})
    figure, (served, late) = grid_of(1, 2, 1.1 + 0.24 * len(names), sharey=True)
    for place, (color, ones) in enumerate(colored):
        offset = (2 * place - 1) * _SHIFT if len(colored) > 1 else 0.0
        for row, name in enumerate(names):
            same = [one for one in ones if fault_name(one) == name]
            _mark(served, row + offset, [one.served_ms for one in same], color)
            _mark(late, row + offset, [one.p99_ms for one in same], color)
    for axes, label in ((served, "until served again, ms"), (late, "p99 of bets under way, ms")):
        axes.set(xscale="log", xlabel=f"{label}: dot p50, bar p95", ylim=(len(names) - 0.5, -0.7))
        axes.grid(visible=False, axis="y")
        plain_numbers(axes.xaxis)
    served.set_yticks(np.arange(len(names)), names)
    served.tick_params(axis="y", length=0, labelcolor=INK)
    return to_svg(figure)


def fault_name(one: Recovery) -> str:
    """Return what was done to what, such as ``kill gateway``."""
    return f"{one.kind} {group_of(one.target)}"


def _mark(axes: Axes, place: float, values: list[float | None], color: str) -> None:
    known = [max(value, _MS_MIN) for value in values if value is not None]
    if not known:
        return
    p50, p95 = np.percentile(known, (50, 95))
    axes.hlines(place, p50, p95, color=color, linewidth=1.2)
    axes.plot(p50, place, "o", color=color, markersize=4)
    axes.plot(p95, place, "|", color=color, markersize=8, markeredgewidth=1.8)


def _sentence(found: list[Recovery]) -> str:
    times = {one: one.served_ms for one in found if one.served_ms is not None}
    if not times:
        return f"{len(found)} faults struck; nobody was served afterwards."
    slowest = max(times, key=lambda one: times[one])
    p50, p95 = np.percentile(list(times.values()), (50, 95))
    unknown = sum(one.unknown for one in found)
    return (
        f"{len(found)} faults struck; half of them were over for those whom they struck {p50:,.0f} ms after the strike "
        f"or its undoing, 95 % within {p95:,.0f} ms, the slowest ({slowest.kind} of {slowest.target} at "
        f"{slowest.at_s:.0f} s) after {times[slowest]:,.0f} ms; {unknown:,} bets under way stayed without an answer."
    )
