"""What bets feel of video on a link that both share: with bands by precedence, and in one queue.

One run in a network namespace of its own, whose loopback is the link: the campaign ``shared-link``, whose viewers want
more than the link carries, at the only rendition that there is. From stretch to stretch the link is shared in another
way; as control, video has another link of that speed and fills it as well. So players, viewers, what is delivered and
the minute are the same, and neighbouring stretches can be compared (:mod:`reports.turns`).
"""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from loadtest.bench.link_leg import LEAD_S, STRETCH_S
from loadtest.bench.result import Result, summarise
from loadtest.link import Sharing, run_apart
from loadtest.progress import Progress
from reports.judgement import read_summary
from reports.latency import percentiles_ms
from reports.run import Run, open_run
from reports.turns import Slowdown, Values, bets_ms, busy_cores, slowdown

LINK_MBPS = 6.0
BESIDE_S_MAX = 120.0
"""What starting, finishing and judging may take beside the load."""
ALPHA = 0.05


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the run, without its beginning.

    Parameters
    ----------
    sharing : Sharing
        How the link was shared.
    start_ns, end_ns : int
        When.
    link_mbps, carried_mbps, video_mbps : float
        What the link can carry, and what it and video, wherever it went, carried in the median second.
    full_share : float
        Share of the seconds in which the link was full.
    dropped_packets : int
        How many found no room to wait.
    bets : int
        Answered bets that were sent in it.
    p50_ms, p95_ms, p99_ms : float or None
        Their latencies.
    busy_cores : float or None
        How many cores the whole machine was busy with.
    """

    sharing: Sharing
    start_ns: int
    end_ns: int
    link_mbps: float
    carried_mbps: float
    video_mbps: float
    full_share: float
    dropped_packets: int
    bets: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    busy_cores: float | None


class Shared(msgspec.Struct, frozen=True):
    """What was seen on the link: stretches in order of time."""

    run: Run
    stretches: list[Stretch]

    def of(self, sharing: Sharing) -> list[Stretch]:
        """Return the stretches of one kind."""
        return [stretch for stretch in self.stretches if stretch.sharing is sharing]

    def pooled_ms(self, sharing: Sharing) -> Values:
        """Return the latencies of all bets in stretches of one kind."""
        return np.concatenate([bets_ms(self.run, stretch.start_ns, stretch.end_ns) for stretch in self.of(sharing)])

    def slowdown(self, alpha: float = ALPHA) -> Slowdown:
        """Return by how much stretches' p99 of bets is higher in bands beside video than apart from it."""
        apart, bands = (
            np.array([stretch.p99_ms for stretch in self.of(kind)], dtype=np.float64)
            for kind in (Sharing.APART, Sharing.BANDS)
        )
        return slowdown(apart, bands, alpha)


def order(pairs: int, queues: int) -> list[Sharing]:
    """Return how the link is shared in turn: pairs whose order alternates, and stretches in one queue between them."""
    found = []
    for pair in range(pairs):
        found += [Sharing.APART, Sharing.BANDS][:: -1 if pair % 2 else 1]
        if (pair + 1) * queues // pairs > pair * queues // pairs:
            found.append(Sharing.ONE_QUEUE)
    return found


def share(turns: Sequence[Sharing], out: Path, mbps: float = LINK_MBPS) -> Shared:
    """Run the campaign on a link that is shared in turn.

    Raises
    ------
    ConfigError
        If there can be no such link here.
    OperationalError
        If the campaign fails, or does not end in time.
    """
    timeout_s = LEAD_S + len(turns) * STRETCH_S + BESIDE_S_MAX
    said = run_apart("loadtest.bench.link_leg", (str(mbps), str(out), *turns), timeout_s)
    run = open_run(said["run"])
    stretches = []
    for raw in said["stretches"]:
        values = bets_ms(run, raw["start_ns"], raw["end_ns"])
        busy = busy_cores(run, raw["start_ns"], raw["end_ns"])
        raw |= {"bets": len(values), "busy_cores": busy, **percentiles_ms(values)}
        stretches.append(msgspec.convert(raw, Stretch))
    return Shared(run, stretches)


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating stretches of each kind.

    Raises
    ------
    ConfigError
        If there can be no such link here.
    """
    turns = order(n, n)
    with tempfile.TemporaryDirectory(prefix="bench-link-") as folder:
        progress.say(f"{len(turns)} stretches of {STRETCH_S:g} s on a link of {LINK_MBPS:g} Mbit/s")
        seen = await asyncio.to_thread(share, turns, Path(folder) / "runs")
        said = read_summary(seen.run)
        pooled = {kind: percentiles_ms(seen.pooled_ms(kind)) for kind in Sharing}
    bands, queue = (
        [stretch.p99_ms or math.nan for stretch in seen.of(kind)] for kind in (Sharing.BANDS, Sharing.ONE_QUEUE)
    )
    detail: dict[str, Any] = {
        "verdict": said["verdict"],
        "unknown": said["bet"]["unknown"],
        "over_apart": {name: _finite(value) for name, value in seen.slowdown()._asdict().items()},
        "all_bets": pooled,
        "stretches": msgspec.to_builtins(seen.stretches),
    }
    return summarise("link", "ms, p99 of bets", bands, queue, "one queue", detail, lower_is_better=True)


def _finite(value: Any) -> Any:
    """Return None for a bound that so few pairs cannot have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
