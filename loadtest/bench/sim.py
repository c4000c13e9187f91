"""Simulated seconds a wall second of a million players, against the model that has a process for each.

Speed is what it is while everybody is there: from the instant at which the last have settled down to the end of the
load. What it takes to set up, to bring a million players in and to end the last rounds is said beside it.

The naive model cannot hold a million players: its cost a player and simulated second is measured on fewer, alternating
with ours, as the difference of a longer run and a shorter one, and taken as constant: an assumption.
"""

import asyncio
import multiprocessing
import resource
import time
from typing import Any

from msgspec import structs

from loadtest.bench.result import Result, summarise
from loadtest.progress import Progress
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.round_timing import Timing
from sim.experiment import spread_starts
from sim.hybrid.system import Crowd
from sim.model import simulate
from sim.parameters import Model, Video, lognormal_table
from sim.scenario import Betting, Scenario

PLAYERS = 1_000_000
EDGES = 250
EDGES_PARTS = 640
"""Viewers of parts of 320 ms ask an edge six times as often as those of segments of two seconds."""
TABLES = 100
SETTLED_S = 10.0
LOAD_S = SETTLED_S + 49.0
"""A whole round of every table, whose rounds begin one after the other."""
NAIVE_PLAYERS = 1_000
NAIVE_LOADS_S = (8.0, 16.0)
SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
ROUND = Timing(window_ms=15_000, closing_soon_ms=5_000, dealing_ms=20_000, pause_ms=9_000)
PARTS = structs.replace(Video(), shields=32, origin_request_ns=12_000)
"""100 tables at 640 edges are 400,000 requests a second: [assumed] each needs a tenth of what it takes our origin."""
SEGMENTS = structs.replace(
    PARTS,
    timing=MediaTiming(part_frames=50, parts_per_segment=1, gop_frames=50),
    part_bytes=(lognormal_table(70_000, 110_000), lognormal_table(230_000, 370_000)),
)


def scenario(players: int, load_s: float, video: Video) -> Scenario:
    """Return a crowd that bets some 12,000 times a second if it is a million, each of them watching, too."""
    tables = min(TABLES, max(1, players // 100))
    share, edges = players / PLAYERS, EDGES_PARTS if video == PARTS else EDGES
    return Scenario(
        tables=tables, players_per_table=players // tables, viewers_per_table=players // tables,
        gateways=max(1, round(200 * share)), shards=max(1, round(4 * share)), edges=max(2, round(edges * share)),
        ramp_s=5.0, load_s=load_s, timing=ROUND, betting=Betting(participation=0.45, bets_per_round_mean=1.2),
    )  # fmt: skip


def once(players: int, video: Video, load_s: float, seed: int = 1) -> dict[str, float]:
    """Simulate; return the speed with everybody there, wall seconds of the whole and its parts, and what was seen."""
    chosen = structs.replace(scenario(players, load_s, video), seed=seed)
    marks = [time.perf_counter()]
    crowd = Crowd(chosen, structs.replace(Model(), video=video), spread_starts(chosen), share=0.001)
    for at_s in (0.0, min(SETTLED_S, load_s / 2), load_s):
        crowd.call_at(at_s, lambda: marks.append(time.perf_counter()))
    crowd.run()
    began_s, _, settled_s, ended_s = marks
    wall_s = time.perf_counter() - began_s
    bets, watched = crowd.exact(), crowd.audience.watched()
    return {
        "simulated_s_per_wall_s": (load_s - min(SETTLED_S, load_s / 2)) / (ended_s - settled_s),
        "wall_s": wall_s, "set_up_s": marks[1] - began_s, "coming_s": settled_s - marks[1], "simulated_s": load_s,
        "bets_per_s": bets.bets_per_s,
        "bet_p99_ms": bets.latency_ms["p99"], "parts": float(watched.parts),
        "video_p50_ms": watched.latency_ms["p50"], "video_p95_ms": watched.latency_ms["p95"],
        "stalled_share": watched.stalled_share, "edge_bps": sum(watched.edge_bps),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def naive_s_per_player_second(video: Video, seed: int) -> float:
    """Return the naive model's wall seconds for one player and one simulated second."""
    took_s = []
    for load_s in NAIVE_LOADS_S:
        chosen = structs.replace(scenario(NAIVE_PLAYERS, load_s, video), seed=seed)
        started_s = time.perf_counter()
        simulate(chosen, structs.replace(Model(), video=structs.replace(video, shields=0)), spread_starts(chosen))
        took_s.append(time.perf_counter() - started_s)
    return (took_s[1] - took_s[0]) / NAIVE_PLAYERS / (NAIVE_LOADS_S[1] - NAIVE_LOADS_S[0])


def apart(players: int, video: Video, load_s: float, seed: int = 1) -> dict[str, float]:
    """Simulate in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_warm, (players, video, load_s, seed))


def side_by_side(players: int, video: Video, load_s: float) -> float:
    """Return how much faster two processes carry two replications out than one after the other."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_warm, [(1_000, video, 2.0, seed) for seed in (1, 2)])
        started_s = time.perf_counter()
        for seed in (1, 2):
            pool.apply(once, (players, video, load_s, seed))
        alone_s, started_s = time.perf_counter() - started_s, time.perf_counter()
        pool.starmap(once, [(players, video, load_s, seed) for seed in (1, 2)], chunksize=1)
        return alone_s / (time.perf_counter() - started_s)


def _warm(players: int, video: Video, load_s: float, seed: int) -> dict[str, float]:
    once(1_000, video, 2.0)
    return once(players, video, load_s, seed)


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    return await asyncio.to_thread(_measure, n, progress)


def _measure(n: int, progress: Progress) -> Result:
    once(1_000, SEGMENTS, 2.0)  # compiles what ours needs
    simulate(scenario(100, 2.0, SEGMENTS), structs.replace(Model(), video=structs.replace(SEGMENTS, shields=0)), {})
    ours: list[float] = []
    peers: list[float] = []
    legs: list[dict[str, float]] = []
    for leg in range(n):
        legs.append(apart(PLAYERS, SEGMENTS, LOAD_S, leg + 1))
        ours.append(legs[-1]["simulated_s_per_wall_s"])
        peers.append(1.0 / (naive_s_per_player_second(SEGMENTS, leg + 1) * PLAYERS))
        progress.say(f"{leg + 1}/{n}: ours {ours[-1]:.1f}, naive {peers[-1]:.4f} simulated s per wall s")
    progress.say("parts of 320 ms, sizes, two at a time")
    parts = apart(PLAYERS, PARTS, LOAD_S / 2)
    sizes = {str(size): apart(size, SEGMENTS, LOAD_S / 2) for size in SIZES}
    detail: dict[str, Any] = {
        "legs": [{name: round(value, 4) for name, value in leg.items()} for leg in legs],
        "whole_run": round(legs[0]["simulated_s"] / legs[0]["wall_s"], 2),
        "parts_320_ms": {name: round(value, 4) for name, value in parts.items()},
        "coarse_error": {
            name: round(legs[0][name] / parts[name] - 1, 4)
            for name in ("bet_p99_ms", "bets_per_s", "video_p50_ms", "video_p95_ms", "edge_bps") if parts[name]
        },
        "us_per_player_and_simulated_s": {
            size: round(1e6 / each["simulated_s_per_wall_s"] / int(size), 4) for size, each in sizes.items()
        },
        "rss_mib": {size: round(each["rss_mib"]) for size, each in sizes.items()},
        "two_replications_on_two_cores": round(side_by_side(PLAYERS // 4, SEGMENTS, LOAD_S), 2),
    }  # fmt: skip
    return summarise(
        "sim", f"simulated s per wall s, {PLAYERS:,} players, 2 s segments", ours, peers,
        f"a process a player, from {NAIVE_PLAYERS:,} players", detail,
    )  # fmt: skip
