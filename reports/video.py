"""The video of a Run in figures: how far behind viewers were, what they waited for, what edges served.

Latency is that of the frame at the playhead, seen whenever a viewer had a part.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.records import CacheState, FetchKind, Switch
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.latency import percentiles_ms
from reports.run import Run
from reports.series import count_per_second, seconds, whole_seconds

Values = npt.NDArray[np.float64]

CACHED: Final = {"hit": CacheState.HIT, "coalesced": CacheState.COALESCED, "miss": CacheState.MISS}


class Stalls(NamedTuple):
    """Stretches in which a viewer's picture stood still: who, and from when to when in seconds of the load."""

    viewer: npt.NDArray[np.int64]
    start_s: Values
    end_s: Values


def parts(run: Run) -> pd.DataFrame:
    """Return the parts that viewers got."""
    rows = run.video
    return rows[(rows["kind"] == int(FetchKind.PART)) & (rows["status"] == 200)]


def latency_ms(run: Run) -> npt.NDArray[np.float64]:
    """Return the latency of the frame at the playhead, one value for each part that was got while playing."""
    rows = parts(run)
    values: Values = rows.loc[rows["latency_ms"] > 0, "latency_ms"].to_numpy(dtype=np.float64)
    return values


def latency_per_second(run: Run) -> pd.DataFrame:
    """Return ``p50`` and ``p95`` of the latency in ms in each second of load, NaN where nothing came."""
    rows = parts(run)
    rows = rows[rows["latency_ms"] > 0]
    second = np.floor(seconds(run, rows["end_ns"])).astype(np.int64)
    by_second = pd.Series(rows["latency_ms"].to_numpy(dtype=np.float64)).groupby(second)
    table = pd.DataFrame({"p50": by_second.quantile(0.5), "p95": by_second.quantile(0.95)})
    return table.reindex(range(whole_seconds(run)))


def stalls(run: Run) -> Stalls:
    """Return when whose picture stood still."""
    rows = run.video[run.video["stalled_ms"] > 0]
    end_s = seconds(run, rows["end_ns"])
    return Stalls(rows["viewer"].to_numpy(dtype=np.int64), end_s - rows["stalled_ms"].to_numpy() / 1000, end_s)


def stalled_viewers(run: Run, step_s: float = 0.1) -> pd.Series:
    """Return how many pictures stood still at each instant of the load."""
    found, grid = stalls(run), np.arange(0.0, whole_seconds(run), step_s)
    standing = np.searchsorted(np.sort(found.start_s), grid, side="right")
    standing = standing - np.searchsorted(np.sort(found.end_s), grid, side="right")
    return pd.Series(standing, index=grid)


def delivery_ms(run: Run) -> Values:
    """Return how long after its last frame was due each part was there, for parts that were asked for before that."""
    rows = parts(run)
    rows = rows[(rows["media_ns"] > 0) & (rows["start_ns"] < rows["media_ns"])]
    took: Values = (rows["end_ns"] - rows["media_ns"]).to_numpy() / NS_PER_MS
    return took


def part_ms(run: Run) -> float:
    """Return the duration of a part: the typical step from one to the next; 0 if it cannot be told."""
    steps = parts(run).sort_values(["viewer", "end_ns"]).groupby("viewer")["media_ns"].diff().dropna()
    return float(steps.median()) / NS_PER_MS if len(steps) else 0.0


def edge_load(run: Run) -> dict[int, pd.DataFrame]:
    """Return ``requests`` of each second and ``viewers`` at its end, by edge."""
    n, rows, stays = whole_seconds(run), run.video, _stays(run)
    ends = np.arange(1, n + 1)
    loads = {}
    for edge in sorted(int(e) for e in rows["edge"].unique() if e >= 0):
        own = stays[stays["edge"] == edge]
        came, left = (np.searchsorted(np.sort(own[name]), ends) for name in ("start_s", "end_s"))
        requests = count_per_second(run, rows.loc[rows["edge"] == edge, "start_ns"], n)
        loads[edge] = pd.DataFrame({"requests": requests, "viewers": came - left})
    return loads


def _stays(run: Run) -> pd.DataFrame:
    """Return ``edge``, ``start_s`` and ``end_s`` of each stretch that a viewer spent at one edge."""
    rows = run.video.sort_values(["viewer", "start_ns"], kind="stable", ignore_index=True)
    begins = (rows["viewer"] != rows["viewer"].shift()) | (rows["edge"] != rows["edge"].shift())
    stretch = rows.groupby(begins.cumsum().to_numpy())
    starts_ns, ends_ns = stretch["start_ns"].min(), stretch["end_ns"].max()
    return pd.DataFrame(
        {"edge": stretch["edge"].first(), "start_s": seconds(run, starts_ns), "end_s": seconds(run, ends_ns)}
    )


def cache_shares(run: Run) -> dict[str, float]:
    """Return the shares of answers that were hits, coalesced and misses, of those whose edge said which."""
    state = run.video.loc[run.video["cache"] != int(CacheState.UNKNOWN), "cache"].to_numpy()
    return {name: float((state == value).mean()) if len(state) else 0.0 for name, value in CACHED.items()}


def video_summary(run: Run) -> dict[str, Any] | None:
    """Return the video's figures for ``summary.json``; None if nobody watched."""
    rows = run.video
    if rows.empty:
        return None
    found, latency = stalls(run), percentiles_ms(latency_ms(run))
    watched_s = float((rows.groupby("viewer")["end_ns"].max() - rows.groupby("viewer")["start_ns"].min()).sum())
    stall_s = float((found.end_s - found.start_s).sum())
    return {
        "viewers": int(rows["viewer"].nunique()),
        "latency_p50_ms": latency["p50_ms"],
        "latency_p95_ms": latency["p95_ms"],
        "stalls": len(found.viewer),
        "stall_s": round(stall_s, 3),
        "stalled_viewers": len(np.unique(found.viewer)),
        "stalled_share": round(stall_s / (watched_s / NS_PER_S), 5) if watched_s else 0.0,
        "fetches": len(rows),
        "failed": int((rows["status"] != 200).sum()),
        "edge_switches": int((rows["switched"] == int(Switch.EDGE)).sum()),
        "glass_p50_ms": _glass_p50_ms(run),
        "frames_dropped": int(run.drops["frames"].sum()),
        "cuts": int(run.drops["cut"].sum()),
    }


def glass_ms(run: Run, until: str) -> Values:
    """Return how old the sampled frames were ``until`` they had ``arrived_ns`` or were ``shown_ns``."""
    age: Values = (run.glass[until] - run.glass["captured_ns"]).to_numpy() / NS_PER_MS
    return age


def _glass_p50_ms(run: Run) -> float | None:
    age = glass_ms(run, "shown_ns")
    return round(float(np.median(age)), 1) if len(age) else None
