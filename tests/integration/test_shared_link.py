"""Bets and video on one link of the kernel's: bets go first, whatever video wants.

One run in which bets are alone on the link, share it with video in two bands, or wait with video in one queue, in turn.
"""

import os
import shutil
from statistics import median

import pytest

from loadtest.bench.link import LINK_MBPS, order, share
from loadtest.link import TOOLS, Sharing, run_apart
from reports.judgement import read_summary

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(700),
    pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, unshare, ip and tc"),
]

PAIRS, QUEUES = 6, 2
OVER_APART_MAX = 1.5
OVER_ALONE_MAX = 1.5
BURST_S_MAX = 30.0
WANTED_MIN = 1.2
FULL_SHARE = 0.95
IN_BANDS_MIN = 5_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    seen = share(order(PAIRS, QUEUES), tmp_path_factory.mktemp("link") / "runs")
    print("\n".join([*map(told, seen.stretches), str(seen.slowdown())]))  # noqa: T201 - for -rP
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


def test_viewers_want_more_than_the_link_carries_and_fill_it(shared):
    wanted = median(stretch.video_mbps for stretch in shared.of(Sharing.APART))
    assert wanted >= WANTED_MIN * LINK_MBPS
    for sharing, count in ((Sharing.BANDS, PAIRS), (Sharing.ONE_QUEUE, QUEUES)):
        assert len(shared.of(sharing)) == count
        assert all(stretch.full_share >= FULL_SHARE for stretch in shared.of(sharing)), shared.of(sharing)
    assert not any(stretch.full_share for stretch in shared.of(Sharing.APART))


def test_no_bet_is_lost(shared):
    said = read_summary(shared.run)
    assert (said["verdict"], said["bet"]["unknown"]) == ("pass", 0), said["because"]


def test_bets_keep_their_p99_where_they_go_first(shared):
    found = shared.slowdown()
    assert min(found.n) >= IN_BANDS_MIN
    assert found.ratio <= OVER_APART_MAX, found
    assert found.high <= 2 * OVER_APART_MAX, found


def test_in_one_queue_bets_would_wait_behind_video(shared):
    typical_ms = {sharing: median(stretch.p50_ms for stretch in shared.of(sharing)) for sharing in Sharing}
    assert typical_ms[Sharing.ONE_QUEUE] > 2 * typical_ms[Sharing.BANDS]
