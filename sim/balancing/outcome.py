"""What came of a surge, in a few figures."""

import numpy as np
from msgspec import Struct

from sim.balancing import crowd
from sim.balancing.crowd import EDGE, GATEWAY
from sim.balancing.play import Trace
from sim.balancing.serving import BUCKETS_PER_E, SHORTEST_S
from sim.balancing.surges import BEGINS_S
from sim.kernels import Floats

LOAD_S = 10
"""Loads are compared as means over so long: within a second chance alone makes them differ."""

SETTLED_S = 30
"""The last seconds: what the surge left behind."""

DOUBLED = 2.0
FELT_S = 5
"""A place is felt to be slow when, over so long, it takes twice what the median place of its kind takes."""


class Outcome(Struct, frozen=True, kw_only=True):
    """One surge under one policy, from its beginning on.

    Parameters
    ----------
    bet_p99_ms, bet_p50_ms : float
        How long bets stay at their gateways, over all of them.
    video_p99_ms : float
        How long a part takes from its edge's memory to a viewer.
    gateway_max_mean, edge_max_mean : float
        Load of the most loaded place over the mean, averaged over the seconds.
    gateway_max_mean_worst, edge_max_mean_worst, gateway_max_mean_settled, edge_max_mean_settled : float
        In its worst moment, and at the end.
    copies : float
        Edges that serve a table, on average over tables and seconds.
    moved, moved_views, moved_twice, dropped : int
        Sessions and views that were moved; those that were moved twice within a minute; sessions that lost a gateway.
    doubled : int
        Places that were felt to be slow.
    late : int
        Those of them from which nothing had been shifted before.
    """

    bet_p99_ms: float
    bet_p50_ms: float
    video_p99_ms: float
    gateway_max_mean: float
    edge_max_mean: float
    gateway_max_mean_worst: float
    edge_max_mean_worst: float
    gateway_max_mean_settled: float
    edge_max_mean_settled: float
    copies: float
    moved: int
    moved_views: int
    moved_twice: int
    dropped: int
    doubled: int
    late: int


def outcome_of(trace: Trace) -> Outcome:
    """Return the figures of what was seen."""
    spread = [max_mean(used, counted) for used, counted in zip(trace.used, trace.counted, strict=True)]
    slow = [_slow(trace, kind) for kind in (GATEWAY, EDGE)]
    after = [ratios[BEGINS_S:] for ratios in spread]
    counts = trace.counts
    return Outcome(
        bet_p99_ms=quantile_ms(trace.histograms[GATEWAY], 0.99),
        bet_p50_ms=quantile_ms(trace.histograms[GATEWAY], 0.50),
        video_p99_ms=quantile_ms(trace.histograms[EDGE], 0.99, drawn_out=True),
        gateway_max_mean=float(after[GATEWAY].mean()), edge_max_mean=float(after[EDGE].mean()),
        gateway_max_mean_worst=float(after[GATEWAY].max()), edge_max_mean_worst=float(after[EDGE].max()),
        gateway_max_mean_settled=float(after[GATEWAY][-SETTLED_S:].mean()),
        edge_max_mean_settled=float(after[EDGE][-SETTLED_S:].mean()),
        copies=float(trace.copies[BEGINS_S:].mean()), moved=int(counts[crowd.MOVED]),
        moved_views=int(counts[crowd.MOVED_EDGE]), moved_twice=int(counts[crowd.TWICE]),
        dropped=int(counts[crowd.DROPPED]), doubled=sum(one for one, _ in slow), late=sum(late for _, late in slow),
    )  # fmt: skip


def rolling(values: Floats, seconds: int) -> Floats:
    """Return means over the last seconds; shape (seconds, places)."""
    summed = np.cumsum(np.vstack([np.zeros(values.shape[1]), values]), axis=0)
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - seconds, 0)
    means: Floats = (summed[last] - summed[first]) / (last - first)[:, None]
    return means


def max_mean(used: Floats, counted: Floats) -> Floats:
    """Return the most loaded place's load over the mean, in each second, among those that count."""
    load = np.where(counted > 0, rolling(used, LOAD_S), np.nan)
    ratios: Floats = np.nanmax(load, axis=1) / np.nanmean(load, axis=1)
    return ratios


def quantile_ms(histogram: Floats, q: float, *, drawn_out: bool = False) -> float:
    """Return a quantile of exponentials whose means are counted in a histogram, in ms.

    With `drawn_out`, of uniforms from 0 to twice that mean: answers that go out one after the other.
    """
    means = SHORTEST_S * np.exp((np.arange(len(histogram)) + 0.5) / BUCKETS_PER_E)
    share = histogram / histogram.sum()
    low, high = SHORTEST_S, 1e4
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        beyond = np.maximum(0.0, 1.0 - middle / (2.0 * means)) if drawn_out else np.exp(-middle / means)
        low, high = (middle, high) if (share * beyond).sum() > 1 - q else (low, middle)
    return round(1e3 * low, 3)


def _slow(trace: Trace, kind: int) -> tuple[int, int]:
    """Return how many places were felt to be slow, and how many of these before anything had been shifted away."""
    took = rolling(trace.response[kind], FELT_S)
    usual = np.median(took, axis=1, keepdims=True)
    before = np.maximum(1.0, (took[:BEGINS_S] / usual[:BEGINS_S]).mean(axis=0))
    felt = (took / usual > DOUBLED * before) & (trace.counted[kind] > 0)
    felt[:BEGINS_S] = False
    places = np.flatnonzero(felt.any(axis=0))
    first = felt[:, places].argmax(axis=0)
    begun = trace.given[kind][BEGINS_S - 1, places]
    late = trace.given[kind][first, places] <= begun
    return len(places), int(late.sum())
