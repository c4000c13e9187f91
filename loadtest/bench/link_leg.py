"""The load of ``livetable bench link``, in its namespace: ``python -m loadtest.bench.link_leg MBPS OUT SHARING …``.

One run on one link, which is shared in another way from stretch to stretch. Says where the Run is, and of each stretch
when it was and how full the link was.
"""

import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from loadtest.campaign import run_campaign
from loadtest.config import CAMPAIGNS, load_campaign
from loadtest.link import ELSEWHERE, LATER, SHARED, Sharing, carried, shape
from loadtest.plan import START_FILE
from reference_impl.domain.errors import LabError, OperationalError
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Campaign

LEAD_S = 10.0
STRETCH_S = 8.0
SETTLE_S = 3.0
"""The beginning of a stretch that does not count: what waited was lost and is sent again."""
LOOK_S = 1.0
FULL_SHARE = 0.95
"""A second in which the link carried at least this share of its speed was full."""
_POLL_S = 0.1

Looks = list[tuple[int, dict[str, tuple[int, int]]]]


def campaign_of(stretches: int) -> Campaign:
    """Return the campaign ``shared-link``, as long as so many stretches."""
    known = load_campaign(CAMPAIGNS / "shared-link.toml")
    scenario = msgspec.structs.replace(known.scenario, load_s=LEAD_S + stretches * STRETCH_S)
    return msgspec.structs.replace(known, scenario=scenario)


def take_turns(mbps: float, order: Sequence[Sharing], out: Path, over: threading.Event) -> list[dict[str, Any]]:
    """Share the link in one way after the other; return what each stretch carried."""
    start_ns = None
    while start_ns is None and not over.wait(_POLL_S):
        start_ns = next((int(file.read_text()) for file in out.glob(f"*/records/{START_FILE}")), None)
    if start_ns is None:
        return []
    found = []
    for number, sharing in enumerate(order):
        begin_ns = start_ns + round((LEAD_S + number * STRETCH_S) * NS_PER_S)
        if _wait_until(begin_ns, over):
            break
        shape(mbps, sharing)
        looks = _look(begin_ns + round(SETTLE_S * NS_PER_S), begin_ns + round(STRETCH_S * NS_PER_S), over)
        if len(looks) > 1:
            found.append({"sharing": sharing, "link_mbps": mbps, **_carried(looks, mbps)})
    return found


def _look(from_ns: int, until_ns: int, over: threading.Event) -> Looks:
    """Look at the link each second."""
    looks: Looks = []
    at_ns = from_ns
    while at_ns <= until_ns and not _wait_until(at_ns, over):
        looks.append((time.monotonic_ns(), carried()))
        at_ns += round(LOOK_S * NS_PER_S)
    return looks


def _wait_until(at_ns: int, over: threading.Event) -> bool:
    """Wait, and tell whether the load ended meanwhile."""
    return over.wait(max(at_ns - time.monotonic_ns(), 0) / NS_PER_S)


def _carried(looks: Looks, mbps: float) -> dict[str, Any]:
    shared, video = _rates_mbps(looks, SHARED), _rates_mbps(looks, ELSEWHERE if ELSEWHERE in looks[0][1] else LATER)
    return {
        "start_ns": looks[0][0],
        "end_ns": looks[-1][0],
        "carried_mbps": round(statistics.median(shared), 2),
        "video_mbps": round(statistics.median(video), 2),
        "full_share": round(sum(rate >= FULL_SHARE * mbps for rate in shared) / len(shared), 2),
        "dropped_packets": sum(dropped for _, dropped in looks[-1][1].values()),
    }


def _rates_mbps(looks: Looks, name: str) -> list[float]:
    return [
        (after[name][0] - before[name][0]) * 8 / (later_ns - earlier_ns) * NS_PER_S / 1e6
        for (earlier_ns, before), (later_ns, after) in pairwise(looks)
    ]


def main() -> None:
    """Run the campaign on the link; print its Run and its stretches."""
    mbps, out, order = float(sys.argv[1]), Path(sys.argv[2]), [Sharing(word) for word in sys.argv[3:]]
    out.mkdir(parents=True)
    over = threading.Event()
    try:
        shape(mbps, Sharing.APART)
        with ThreadPoolExecutor(1) as pool:
            turns = pool.submit(take_turns, mbps, order, out, over)
            try:
                result = asyncio.run(run_campaign(campaign_of(len(order)), out, progress=False))
            finally:
                over.set()
        if result.evaluation is None:
            raise OperationalError(result.message)
        stretches = turns.result()
    except LabError as error:
        sys.exit(f"link: {error}")
    print(json.dumps({"run": str(result.run_path), "stretches": stretches}))  # noqa: T201 - the bench reads it


if __name__ == "__main__":
    main()
