"""Bets and video on one link of the kernel's: bets go first, whatever video wants.

One run in which bets are alone on the link, share it with video in two bands, or wait with video in one queue, in turn.
"""

import os
import shutil
from statistics import median

import pytest

from loadtest.bench.link import LINK_MBPS, order, share
from loadtest.bench.link_leg import FULL_SHARE
from loadtest.link import TOOLS, Sharing, run_apart
from reports.judgement import read_summary
from reports.latency import percentiles_ms

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(700),
    pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, unshare, ip and tc"),
]

PAIRS, QUEUES = 26, 2
OVER_APART_MAX = 1.5
OVER_ALONE_MAX = 1.5
BURST_S_MAX = 30.0
DOUBT = 0.05
FULL_SECONDS_MIN = 0.75
BETS_MIN = 5_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    seen = share(order(PAIRS, QUEUES), tmp_path_factory.mktemp("link") / "runs")
    pooled = {kind: (len(values := seen.pooled_ms(kind)), percentiles_ms(values)) for kind in Sharing}
    print("\n".join([*map(told, seen.stretches), str(pooled), str(seen.slowdown())]))  # noqa: T201 - for -rP
    return seen


def told(stretch):
    return (
        f"{stretch.sharing:9} {stretch.bets} bets, p50 {stretch.p50_ms:.1f} p95 {stretch.p95_ms:.1f} p99"
        f" {stretch.p99_ms:.1f} ms; link {stretch.carried_mbps}, video {stretch.video_mbps} Mbit/s, full"
        f" {stretch.full_share:.0%}; {stretch.busy_cores} cores busy"
    )


def test_a_message_to_everybody_passes_video_that_fills_the_link():
    said = run_apart("tests.link_burst", (), BURST_S_MAX)
    assert median(said["took_ms"]) <= OVER_ALONE_MAX * said["alone_ms"], said


def test_video_fills_the_link_wherever_it_shares_it_and_nowhere_else(shared):
    assert [len(shared.of(sharing)) for sharing in Sharing] == [PAIRS, PAIRS, QUEUES]
    for stretch in shared.stretches:
        if stretch.sharing is Sharing.APART:
            assert stretch.carried_mbps < LINK_MBPS / 4 < LINK_MBPS * FULL_SHARE < stretch.video_mbps, stretch
        else:
            assert stretch.carried_mbps >= LINK_MBPS * FULL_SHARE, stretch
            assert stretch.full_share >= FULL_SECONDS_MIN, stretch


def test_no_bet_is_lost(shared):
    said = read_summary(shared.run)
    assert (said["verdict"], said["bet"]["unknown"]) == ("pass", 0), said["because"]


def test_bets_keep_their_p99_where_they_go_first(shared):
    """With 95 % confidence: a run of which that cannot be said proves nothing."""
    assert min(len(shared.pooled_ms(sharing)) for sharing in (Sharing.APART, Sharing.BANDS)) >= BETS_MIN
    assert shared.slowdown(DOUBT).high <= OVER_APART_MAX, shared.slowdown(DOUBT)


def test_in_one_queue_bets_would_wait_behind_video(shared):
    typical_ms = {sharing: median(stretch.p50_ms for stretch in shared.of(sharing)) for sharing in Sharing}
    assert typical_ms[Sharing.ONE_QUEUE] > 2 * typical_ms[Sharing.BANDS]
