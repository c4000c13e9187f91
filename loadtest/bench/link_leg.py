"""A leg of ``livetable bench link``, in its namespace: ``python -m loadtest.bench.link_leg MBPS QUEUEING OUT``."""

import asyncio
import json
import statistics
import sys
import threading
from itertools import pairwise
from pathlib import Path

from loadtest.campaign import run_campaign
from loadtest.config import CAMPAIGNS, load_campaign
from loadtest.link import LATER, SHARED, carried, shape
from reference_impl.domain.errors import LabError

LOOK_S = 1.0


def watch(over: threading.Event) -> list[dict[str, tuple[int, int]]]:
    """Look at the link each second until it is over."""
    seen = [carried()]
    while not over.wait(LOOK_S):
        seen.append(carried())
    return seen


def main() -> None:
    """Shape the link, run the campaign on it, print what bets took and how full the link was."""
    mbps, queueing, out = float(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    campaign = load_campaign(CAMPAIGNS / "shared-link.toml")
    out.mkdir(parents=True)
    over = threading.Event()
    try:
        shape(mbps, bands=queueing == "bands")
        with_link: list[dict[str, tuple[int, int]]] = []
        watcher = threading.Thread(target=lambda: with_link.extend(watch(over)))
        watcher.start()
        try:
            result = asyncio.run(run_campaign(campaign, out, progress=False))
        finally:
            over.set()
            watcher.join()
    except LabError as error:
        sys.exit(f"link: {error}")
    summary = json.loads((result.run_path / "summary.json").read_text(encoding="utf-8"))
    rates = [(b[SHARED][0] - a[SHARED][0]) * 8 / LOOK_S / 1e6 for a, b in pairwise(with_link)]
    busy = sorted(rates)[-round(campaign.scenario.load_s - campaign.scenario.ramp_s) :]
    print(  # noqa: T201 - the bench reads it
        json.dumps(
            {
                **{key: summary["bet"][key] for key in ("offered", "unknown", "p50_ms", "p95_ms", "p99_ms")},
                "verdict": summary["verdict"],
                "link_mbps": mbps,
                "carried_mbps": round(statistics.median(busy), 2),
                "dropped_packets": with_link[-1][LATER][1],
                "video_p95_ms": summary["video"]["latency_p95_ms"],
                "video_stalled_share": summary["video"]["stalled_share"],
            }
        )
    )


if __name__ == "__main__":
    main()
