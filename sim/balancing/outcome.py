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
HOT = 1.15
FELT_S = 10
"""A hot place carries so many times the mean, for what it is fit for. It is felt when its p99 over so long is twice
what it was, both over that of all places of its kind. A p99 doubles elsewhere, too: by whose broadcasts come
together."""


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
    bets, views = (took[BEGINS_S:].sum(axis=(0, 1)) for took in trace.took)
    counts = trace.counts
    return Outcome(
        bet_p99_ms=float(quantile_ms(bets, 0.99)), bet_p50_ms=float(quantile_ms(bets, 0.50)),
        video_p99_ms=float(quantile_ms(views, 0.99)),
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


def quantile_ms(histograms: Floats, q: float) -> Floats:
    """Return a quantile of times that are counted in histograms, in ms, to a bucket's fraction; 0 of none.

    Parameters
    ----------
    histograms : array, shape (..., BUCKETS)
        Counts.
    q : float
        Which, above 0 and below 1.
    """
    summed = np.cumsum(histograms, axis=-1, dtype=np.float64)
    wanted = q * summed[..., -1:]
    at = np.argmax(summed >= wanted, axis=-1)[..., None]
    below = np.where(at > 0, np.take_along_axis(summed, np.maximum(at - 1, 0), axis=-1), 0.0)
    inside = np.take_along_axis(summed, at, axis=-1) - below
    share = (wanted - below) / np.where(inside > 0.0, inside, 1.0)
    ms: Floats = 1e3 * SHORTEST_S * np.exp((at + share) / BUCKETS_PER_E)
    return np.where(summed[..., -1] > 0.0, ms[..., 0], 0.0)


def _slow(trace: Trace, kind: int) -> tuple[int, int]:
    """Return how many places were felt to be slow, and how many of these before anything had been shifted away.

    A place is held against all of its kind at the same time, since rounds make everybody's waits rise and fall.
    """
    load, counted = trace.carried[kind], trace.counted[kind] > 0
    hot = counted & (load > HOT * load.mean(axis=1, keepdims=True, where=counted))
    places = np.flatnonzero(hot[BEGINS_S:].any(axis=0))
    everybody = quantile_ms(summed_over(trace.took[kind].sum(axis=1), FELT_S), 0.99)[:, None]
    ratio = quantile_ms(summed_over(trace.took[kind][:, places], FELT_S), 0.99) / everybody
    felt = hot[:, places] & (ratio > DOUBLED * np.maximum(1.0, np.median(ratio[:BEGINS_S], axis=0)))
    felt[:BEGINS_S] = False
    places, felt = places[felt.any(axis=0)], felt[:, felt.any(axis=0)]
    first = felt.argmax(axis=0)
    begun = trace.given[kind][BEGINS_S - 1, places]
    late = trace.given[kind][first, places] <= begun
    return len(places), int(late.sum())


def summed_over(counts: Floats, seconds: int) -> Floats:
    """Return sums over the last seconds; shape as `counts`, seconds first."""
    summed = np.cumsum(counts, axis=0, dtype=np.float64)
    sums: Floats = summed.copy()
    sums[seconds:] -= summed[:-seconds]
    return sums
