"""What is counted exactly, of everybody, whoever is followed."""

from typing import Any

import msgspec
import numpy as np

from reference_impl.domain.bets import Status
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.hybrid import layout
from sim.hybrid.layout import World
from sim.kernels import Int64s

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


class Exact(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a crowd's run.

    Parameters
    ----------
    players, offered, accepted, rejected, refused, unanswered, resent, reconnects : int
        Players; bets that were due, how they ended (refused: never sent, the window was over), bets sent again.
    rejected_by : dict
        Rejections by status.
    latency_ms, wallet_ms, queue_ms : dict
        Quantiles, exact to 0.8 %: due to answer; handed to the wallet to committed; waiting in the wallet.
    bets_per_s, pushes_per_s : float
        Over the load.
    shard_utilisation, gateway_utilisation : list of float
        Share of the simulated time that each writer, and each gateway's core, was busy.
    events : int
        Kernel events.
    """

    players: int
    offered: int
    accepted: int
    rejected: int
    refused: int
    unanswered: int
    resent: int
    reconnects: int
    rejected_by: dict[str, int]
    latency_ms: dict[str, float]
    wallet_ms: dict[str, float]
    queue_ms: dict[str, float]
    bets_per_s: float
    pushes_per_s: float
    shard_utilisation: list[float]
    gateway_utilisation: list[float]
    events: int


def exact(w: World, now_ns: int, load_start_ns: int, load_end_ns: int) -> Exact:
    """Return the totals so far."""
    counts = w.counts
    load_s = (load_end_ns - load_start_ns) / NS_PER_S
    working = w.shards["working"] > 0
    # A shard whose queue was given up on writes it all the same, after everything else is over.
    busy_ns = np.minimum(w.shards["busy_ns"] + np.where(working, now_ns - w.shards["started_ns"], 0), now_ns)
    core_ns = w.gateways["work_ns"] - np.maximum(0, w.gateways["free_ns"] - now_ns)
    by_status = {status.name.lower(): int(counts[layout.BY_STATUS + status]) for status in Status}
    return Exact(
        players=len(w.players) - 1,
        offered=int(counts[layout.OFFERED]),
        accepted=int(counts[layout.OK]),
        rejected=int(counts[layout.REJECTED]),
        refused=int(counts[layout.REFUSED]),
        unanswered=int(counts[layout.UNANSWERED_N]),
        resent=int(counts[layout.RESENT]),
        reconnects=int(counts[layout.RECONNECTS]),
        rejected_by={name: n for name, n in by_status.items() if n and name != "accepted"},
        latency_ms=quantiles_ms(w.histograms[layout.LATENCY]),
        wallet_ms=quantiles_ms(w.histograms[layout.WALLET]),
        queue_ms=quantiles_ms(w.histograms[layout.QUEUE]),
        bets_per_s=float(counts[layout.OFFERED] / load_s),
        pushes_per_s=float(counts[layout.PUSHED] / load_s),
        shard_utilisation=(busy_ns / max(now_ns, 1)).round(4).tolist(),
        gateway_utilisation=(core_ns / max(now_ns, 1)).round(4).tolist(),
        events=int(counts[layout.EVENTS_DONE]),
    )


def busiest(found: Exact) -> dict[str, float]:
    """Return how busy the busiest shard and gateway were, and all of them together."""
    return {
        "shard.utilisation_max": max(found.shard_utilisation),
        "gateway.utilisation_max": max(found.gateway_utilisation),
        "shard.busy_cores": sum(found.shard_utilisation),
        "gateway.busy_cores": sum(found.gateway_utilisation),
    }


def middle_of(buckets: Int64s) -> Any:
    """Return the middle of histogram buckets, in ns."""
    octave, part = np.divmod(buckets, layout.BUCKETS_PER_OCTAVE)
    scale = 2.0 ** np.maximum(octave - 1, 0)
    return np.where(octave == 0, part, (layout.BUCKETS_PER_OCTAVE + part + 0.5) * scale)


def quantiles_ms(histogram: Int64s) -> dict[str, float]:
    """Return the usual quantiles of a histogram in ms; none if it is empty."""
    total = int(histogram.sum())
    if not total:
        return {}
    cumulated = np.cumsum(histogram)
    at = np.array([int(np.searchsorted(cumulated, q * total)) for q in QUANTILES.values()])
    return {name: round(float(ns) / NS_PER_MS, 4) for name, ns in zip(QUANTILES, middle_of(at), strict=True)}
