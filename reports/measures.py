"""One number of a Run: the figures that limits, comparisons and trends are about.

A figure (:class:`reports.limits.Figure`) names a group, which part of it, and what of it. Percentiles interpolate
linearly between order statistics; those of operations count from the intended start and know answered operations only.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.records import FetchKind, OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports import latency, video
from reports.leaks import growths
from reports.limits import Figure
from reports.recovery import recoveries
from reports.run import Run
from reports.series import load_s

Values = npt.NDArray[np.float64]


class Measured(NamedTuple):
    """A figure's value, None if there was nothing to measure, and how many observations it rests on."""

    value: float | None
    n: int


class _Part(Run):
    """A Run of which some tables show a part."""

    def __init__(self, run: Run, tables: dict[str, pd.DataFrame]) -> None:
        super().__init__(run.path, run.manifest)
        self._tables = {**{name: run.table(name) for name in ("rounds", "faults")}, **tables}


def measure(run: Run, figure: Figure) -> Measured:
    """Return a figure of a Run."""
    found = _GROUPS[figure.group](run, figure)
    return Measured(None if found.value is None else round(float(found.value), 6), found.n)


def _operations(run: Run, figure: Figure) -> Measured:
    rows = _kept(run, latency.of_kind(run.ops, OpKind[figure.group.upper()]), figure, "due_ns")
    if figure.name.endswith("_ms"):
        return _span(latency.latency_ms(rows), figure)
    what, _, measured_as = figure.name.partition("_")
    count = len(rows) if what == "offered" else int((rows["outcome"] == int(Outcome[what.upper()])).sum())
    if measured_as == "share":
        return Measured(count / len(rows) if len(rows) else None, len(rows))
    return Measured(count / _duration_s(run, figure) if measured_as else count, len(rows))


def _video(run: Run, figure: Figure) -> Measured:
    rows = _kept(run, run.video, figure, "end_ns")
    glass = _kept(run, run.glass, figure, "captured_ns") if "edge" not in dict(figure.filters) else run.glass.iloc[:0]
    at_studios = "edge" not in dict(figure.filters)
    drops = _kept(run, run.drops, figure, "t_ns") if at_studios else run.drops.iloc[:0]
    part = _Part(run, {"video": rows, "glass": glass, "drops": drops})
    if figure.name in {"frames_dropped", "cuts"} and not at_studios:
        return Measured(None, 0)  # a frame that was never filmed is missing at every edge
    if figure.name.endswith("_ms"):
        return _span(_VIDEO_SPANS[figure.name.partition("_")[0]](part), figure)
    said = video.video_summary(part)
    if said is None:
        return Measured(None, 0)
    if figure.name == "failed_share":
        return Measured(said["failed"] / len(rows), len(rows))
    if figure.name == "fetches":
        return Measured(len(rows), len(rows))
    return Measured(said[figure.name], int(rows["kind"].eq(int(FetchKind.PART)).sum()))


def _rounds(run: Run, figure: Figure) -> Measured:
    rows = _kept(run, run.rounds, figure, "opens_ns")
    if figure.name == "count":
        return Measured(rows["round"].nunique(), len(rows))
    if figure.name == "void_share":
        voided = rows.groupby("round")["decision"].first() == "void"
        return Measured(voided.mean() if len(voided) else None, len(voided))
    begin, end = ("closes_ns", "bets_closed_ns") if figure.name.startswith("close") else ("result_ns", "settled_ns")
    return _span(_between_ms(rows, begin, end), figure)


def _faults(run: Run, figure: Figure) -> Measured:
    rows = _kept(run, run.faults, figure, "t_ns")
    if figure.name == "count":
        return Measured(len(rows), len(rows))
    if figure.name == "unrecovered":
        return Measured(int((rows["recovered_ns"] == 0).sum()), len(rows))
    what = {"recovery": "ready_ms", "served": "served_ms", "noticed": "noticed_ms"}[figure.name.partition("_")[0]]
    values = [getattr(one, what) for one in recoveries(run, rows)]
    return _span(np.array([value for value in values if value is not None], dtype=np.float64), figure)


def _leaks(run: Run, figure: Figure) -> Measured:
    """Return by how much at least the worst process grows."""
    what, target = figure.name.partition("_")[0], str(dict(figure.filters).get("target", ""))
    found = [one for one in growths(run) if one.what == what and one.node.startswith(target)]
    return Measured(max((one.low for one in found), default=None), sum(one.n for one in found))


_VIDEO_SPANS: Final[dict[str, Callable[[Run], Values]]] = {
    "latency": video.latency_ms, "delivery": video.delivery_ms, "glass": lambda run: video.glass_ms(run, "shown_ns"),
}  # fmt: skip
_GROUPS: Final[dict[str, Callable[[Run, Figure], Measured]]] = {
    **dict.fromkeys(("bet", "login", "connect", "lobby"), _operations), "video": _video, "round": _rounds,
    "fault": _faults, "leak": _leaks,
}  # fmt: skip


def _kept(run: Run, rows: pd.DataFrame, figure: Figure, instant: str) -> pd.DataFrame:
    """Return the rows that the figure's filters keep; `instant` is the column that places them in time."""
    keep = np.ones(len(rows), dtype=bool)
    for name, number in figure.filters:
        if isinstance(number, str):
            keep &= (rows[name] == number if name == "kind" else rows[name].str.startswith(number)).to_numpy(dtype=bool)
        elif name in ("from", "to"):
            since_s = (rows[instant].to_numpy() - run.manifest["load_start_ns"]) / NS_PER_S
            keep &= since_s >= number if name == "from" else since_s < number
        else:
            keep &= (rows[name] == number).to_numpy()
    return rows[keep]


def _duration_s(run: Run, figure: Figure) -> float:
    times = {name: value for name, value in figure.filters if not isinstance(value, str)}
    return max(min(times.get("to", np.inf), load_s(run)) - max(times.get("from", 0.0), 0.0), 1e-9)


def _between_ms(rows: pd.DataFrame, begin: str, end: str) -> Values:
    known = rows[(rows[begin] > 0) & (rows[end] > 0)]
    took: Values = (known[end] - known[begin]).to_numpy() / NS_PER_MS
    return took


def _span(values_ms: Values, figure: Figure) -> Measured:
    if not len(values_ms):
        return Measured(None, 0)
    if figure.percent is not None:
        return Measured(float(np.percentile(values_ms, figure.percent)), len(values_ms))
    reduced = values_ms.max() if figure.name.endswith("max_ms") else values_ms.mean()
    return Measured(float(reduced), len(values_ms))
