"""What bets feel of video on a link that both share: with bands by precedence, and in one queue.

One run in a network namespace of its own, whose loopback is the link: the campaign ``shared-link``, whose viewers want
more than the link carries, at the only rendition that there is. From stretch to stretch the link is shared in another
way; the control is the same link without video, which has one of its own then. So players, viewers, processes and the
minute are the same, and stretches are compared in neighbouring pairs (:mod:`reports.turns`).
"""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from loadtest.bench.link_leg import LEAD_S, STRETCH_S
from loadtest.bench.result import Result, summarise
from loadtest.link import Sharing, run_apart
from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError
from reports.judgement import read_summary
from reports.latency import percentiles_ms
from reports.run import Run, open_run
from reports.turns import PAIRS_MAX, Pair, Slowdown, Values, bets_ms, busy_cores, slowdown

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
        What the link can carry, and what it and video's share of it carried in the median second; where it is apart,
        `video_mbps` is what viewers take who may have what they want.
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
    """What was seen on the link: stretches in order of time, and bets' latencies in each of them, in ms."""

    run: Run
    stretches: list[Stretch]
    latencies: list[Values]

    def of(self, sharing: Sharing) -> list[Stretch]:
        """Return the stretches of one kind."""
        return [stretch for stretch in self.stretches if stretch.sharing is sharing]

    def pairs(self) -> list[Pair]:
        """Return bets' latencies apart and in bands, in neighbouring pairs."""
        both = [
            (stretch.sharing, values)
            for stretch, values in zip(self.stretches, self.latencies, strict=True)
            if stretch.sharing is not Sharing.ONE_QUEUE
        ]
        found = []
        for (kind, values), (_, others) in list(pairwise(both))[::2]:
            found.append((values, others) if kind is Sharing.APART else (others, values))
        return found

    def slowdown(self, alpha: float = ALPHA) -> Slowdown:
        """Return by how much bets' p99 is slower in bands beside video than apart from it."""
        return slowdown(self.pairs(), alpha)


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
    stretches, latencies = [], []
    for raw in said["stretches"]:
        values = bets_ms(run, raw["start_ns"], raw["end_ns"])
        busy = busy_cores(run, raw["start_ns"], raw["end_ns"])
        raw |= {"bets": len(values), "busy_cores": busy, **percentiles_ms(values)}
        latencies.append(values)
        stretches.append(msgspec.convert(raw, Stretch))
    return Shared(run, stretches, latencies)


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating stretches of each kind.

    Raises
    ------
    ConfigError
        If there can be no such link here, or `n` is too large.
    """
    if n > PAIRS_MAX:
        raise ConfigError(f"{n} legs: bench link takes at most {PAIRS_MAX}, since all ways to swap pairs are tried")
    turns = order(n, n)
    with tempfile.TemporaryDirectory(prefix="bench-link-") as folder:
        progress.say(f"{len(turns)} stretches of {STRETCH_S:g} s on a link of {LINK_MBPS:g} Mbit/s")
        seen = await asyncio.to_thread(share, turns, Path(folder) / "runs")
        said = read_summary(seen.run)
    bands, queue = (
        [stretch.p99_ms or math.nan for stretch in seen.of(kind)] for kind in (Sharing.BANDS, Sharing.ONE_QUEUE)
    )
    detail: dict[str, Any] = {
        "verdict": said["verdict"],
        "unknown": said["bet"]["unknown"],
        "over_apart": {name: _finite(value) for name, value in seen.slowdown()._asdict().items()},
        "stretches": msgspec.to_builtins(seen.stretches),
    }
    return summarise("link", "ms, p99 of bets", bands, queue, "one queue", detail, lower_is_better=True)


def _finite(value: Any) -> Any:
    """Return None for a bound that so few pairs cannot have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
