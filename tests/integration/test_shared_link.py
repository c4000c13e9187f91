"""Bets and video on one link of the kernel's: bets go first, whatever video wants."""

import os
import shutil
from statistics import median

import pytest

from loadtest.bench.link import LEG_S_MAX, LEGS
from loadtest.link import TOOLS, run_apart

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, unshare, ip and tc"),
]

PAIRS = 3
OVER_ROOM_MAX = 1.5
OVER_ALONE_MAX = 1.5
BURST_S_MAX = 30.0
FULL_SHARE = 0.9


@pytest.fixture(scope="module")
def legs(tmp_path_factory):
    """Legs of each kind, taken in turn."""
    found = {name: [] for name in LEGS}
    for pair in range(PAIRS):
        for name in sorted(LEGS, reverse=bool(pair % 2)):
            mbps, queueing = LEGS[name]
            out = tmp_path_factory.mktemp("link") / name.replace(" ", "-")
            found[name].append(run_apart("loadtest.bench.link_leg", (str(mbps), queueing, str(out)), LEG_S_MAX))
    return found


def test_a_message_to_everybody_passes_video_that_fills_the_link():
    said = run_apart("tests.link_burst", (), BURST_S_MAX)
    assert median(said["took_ms"]) <= OVER_ALONE_MAX * said["alone_ms"], said


def p99_ms(legs, name):
    return median(leg["p99_ms"] for leg in legs[name])


def test_video_fills_the_link_and_no_bet_is_lost(legs):
    for name in ("bands", "one queue"):
        for leg in legs[name]:
            assert leg["carried_mbps"] >= FULL_SHARE * leg["link_mbps"]
    assert all(leg["unknown"] == 0 for name in LEGS for leg in legs[name])


def test_bets_keep_their_p99_where_they_go_first(legs):
    assert p99_ms(legs, "bands") <= OVER_ROOM_MAX * p99_ms(legs, "room"), legs


def test_in_one_queue_bets_would_wait_behind_video(legs):
    typical_ms = {name: median(leg["p50_ms"] for leg in legs[name]) for name in LEGS}
    assert typical_ms["one queue"] > 2 * typical_ms["bands"]
