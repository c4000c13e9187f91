"""What bets feel of video on a link that both share: with bands by precedence, and in one queue.

Each leg is the campaign ``shared-link`` in a network namespace of its own, whose loopback is the link. Its viewers want
more than the link carries. The same load on a link with room for everybody says what bets take without a shortage.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from loadtest.bench.result import Result, summarise
from loadtest.link import run_apart
from loadtest.progress import Progress

LEGS = {"room": (500.0, "bands"), "bands": (8.0, "bands"), "one queue": (8.0, "one-queue")}
"""Mbit/s and how packets wait."""
LEG_S_MAX = 150.0


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs.

    Raises
    ------
    ConfigError
        If there can be no such link here.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LEGS}
    with tempfile.TemporaryDirectory(prefix="bench-link-") as folder:
        for turn in range(n):
            for name, (mbps, queueing) in LEGS.items():
                progress.say(f"{turn + 1}/{n} {name}: {mbps:g} Mbit/s")
                out = Path(folder) / f"{turn}-{name.replace(' ', '-')}"
                arguments = (str(mbps), queueing, str(out))
                found[name].append(await asyncio.to_thread(run_apart, "loadtest.bench.link_leg", arguments, LEG_S_MAX))
    bands, room = ([leg["p99_ms"] for leg in found[name]] for name in ("bands", "room"))
    return summarise(
        "link",
        "ms, p99 of bets",
        bands,
        [leg["p99_ms"] for leg in found["one queue"]],
        "one queue",
        {"over_room": [round(a / b, 2) for a, b in zip(bands, room, strict=True)], **found},
        lower_is_better=True,
    )
