"""Video dies, bets go on: kills and calm take turns in one run, so that the noise of the same minutes is known.

In every other stretch each streaming process is killed once. Bets of those stretches are held against bets of the calm
ones (:mod:`reports.turns`); neighbouring stretches are pairs. Were kills harmless, p99 would look too high in at most
1 of 128 runs, whatever the machine's own pauses: only one of the ways to swap the pairs looks worst.
"""

import asyncio
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from loadtest.campaign import run_campaign
from loadtest.config import CAMPAIGNS, load_campaign
from reference_impl.domain.units import NS_PER_S
from reports.judgement import read_summary
from reports.run import open_run
from reports.turns import bets_ms, busy_cores, slowdown
from reports.video import parts

pytestmark = [pytest.mark.soak, pytest.mark.timeout(700)]

PAIRS = 7
LEAD_S, STRETCH_S, TAIL_S = 8.0, 30.0, 8.0
BETWEEN_KILLS_S = 6.0
"""Rounds take about 5 s, so each kill falls into another phase."""
KILLING = [killing for pair in range(PAIRS) for killing in (False, True)[:: -1 if pair % 2 else 1]]
"""Whether processes are killed, stretch by stretch."""
KILLED = ("studio-1", "origin", "edge-0", "studio-2", "edge-1")
ALARM = 1 / 2**PAIRS
DOUBT = 0.05
HARM_MAX = 1.5
"""The run must be calm enough to say, with 95 % confidence, that bets' p99 rises by less than this."""
BACK_S_MAX = 3.0
SERVED_BEFORE_NS = 2 * NS_PER_S


def campaign():
    """Return the campaign ``kill-video``, longer, with its kills in every other stretch."""
    known = load_campaign(CAMPAIGNS / "kill-video.toml")
    faults = tuple(
        msgspec.structs.replace(fault, at_s=LEAD_S + stretch * STRETCH_S + number * BETWEEN_KILLS_S)
        for stretch, killing in enumerate(KILLING)
        for number, fault in enumerate(known.scenario.faults if killing else ())
    )
    load_s = LEAD_S + len(KILLING) * STRETCH_S + TAIL_S
    scenario = msgspec.structs.replace(known.scenario, load_s=load_s, faults=faults)
    slo = tuple(line for line in known.slo if not line.startswith("video["))
    return msgspec.structs.replace(known, name="kill-video-in-turn", scenario=scenario, slo=slo)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    result = asyncio.run(run_campaign(campaign(), tmp_path_factory.mktemp("runs"), progress=False))
    assert result.evaluation is not None, result.message
    return open_run(result.run_path)


def stretches(run):
    """Return start and end of each stretch, in ns."""
    bounds_s = [LEAD_S + number * STRETCH_S for number in range(len(KILLING) + 1)]
    return list(pairwise(run.manifest["load_start_ns"] + round(at_s * NS_PER_S) for at_s in bounds_s))


def neighbours(run):
    """Return bets' latencies of calm and of struck stretches, pair by pair."""
    latencies = [bets_ms(run, *stretch) for stretch in stretches(run)]
    pairs = zip(latencies[::2], latencies[1::2], strict=True)
    return [pair[::-1] if killing else pair for pair, killing in zip(pairs, KILLING[::2], strict=True)]


class Back(NamedTuple):
    """A kill, how many viewers the process served, and how long after it was ready all of them saw what came later."""

    target: str
    viewers: int
    back_s: float


def back_s(run):
    """Return a row for each kill. Film that was taken before the process was ready does not count."""
    seen, found = parts(run), []
    for fault in run.faults.itertuples():
        before = seen[seen["end_ns"].between(fault.t_ns - SERVED_BEFORE_NS, fault.t_ns)]
        role, _, number = fault.target.partition("-")
        served = before[before[{"studio": "table", "edge": "edge"}[role]] == int(number)] if number else before
        fresh = seen[seen["media_ns"] > fault.recovered_ns].groupby("viewer")["end_ns"].min()
        last_ns = fresh.reindex(served["viewer"].unique()).max(skipna=False)  # NaN if anybody is not back
        found.append(Back(fault.target, served["viewer"].nunique(), (last_ns - fault.recovered_ns) / NS_PER_S))
    return found


def told(run, stretch, killing):
    values = bets_ms(run, *stretch)
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return (
        f"{'kills' if killing else 'calm ':5} {len(values)} bets, p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} ms,"
        f" {busy_cores(run, *stretch)} cores busy"
    )


def test_bets_are_as_fast_as_without_kills_within_the_noise_of_repetition(run):
    found = slowdown(neighbours(run), DOUBT)
    print("\n".join(told(run, *one) for one in zip(stretches(run), KILLING, strict=True)))  # noqa: T201 - for -rP
    print(found)  # noqa: T201
    assert found.p > ALARM, found
    assert found.high <= HARM_MAX, found


def test_ledger_is_consistent_and_no_bet_or_round_is_lost(run):
    said = read_summary(run)
    assert said["verdict"] in {"pass", "slo"}, said["because"]
    assert said["bet"]["unknown"] == 0
    assert not (run.rounds["decision"] == "void").any()


def test_every_process_is_back_and_within_three_seconds_so_is_the_picture_of_everybody_whom_it_served(run):
    assert sorted(run.faults["target"]) == sorted(KILLED * PAIRS)
    assert (run.faults["recovered_ns"] > 0).all()
    found = back_s(run)
    print("\n".join(map(str, found)))  # noqa: T201
    assert [one for one in found if not one.viewers] == [], "killed while nobody watched"
    assert [one for one in found if not one.back_s <= BACK_S_MAX] == []


def test_an_edge_that_was_killed_serves_again(run):
    """What nobody can tell of the last kill: its viewers are elsewhere, and nothing drives them back."""
    seen = parts(run)
    for fault in run.faults.sort_values("t_ns")[:-1].itertuples():
        role, _, number = fault.target.partition("-")
        if role == "edge":
            fresh = (seen["media_ns"] > fault.recovered_ns) & (seen["edge"] == int(number))
            assert fresh.any(), fault


def test_viewers_recover_alone(run):
    ended_ns = run.faults["recovered_ns"].max() + round(BACK_S_MAX * NS_PER_S)
    late = parts(run)[parts(run)["media_ns"] > ended_ns]
    assert late["viewer"].nunique() == run.video["viewer"].nunique()
