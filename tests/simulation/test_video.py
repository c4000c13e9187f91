"""The video in simulated Runs: what viewers see, what failures cost them, and that no bet notices."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playout import SLACK_NS
from reference_impl.domain.records import CacheState, FetchKind, Switch
from reference_impl.domain.round_timing import Timing
from reports.checks import allowed_skips, run_checks
from reports.columns import TABLES
from sim.fault_kinds import Fault
from sim.model import simulate
from sim.parameters import Model, Video
from sim.scenario import Betting, Campaign, Scenario, Viewing
from sim.twin import sim_run

WATCHED = Scenario(
    edges=2,
    viewers_per_table=10,
    players_per_table=20,
    ramp_s=2.0,
    load_s=16.0,
    timing=Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300),
    betting=Betting(participation=1.0),
)
MONEY = ("ops", "pushes", "rounds", "ledger", "accounts", "sessions", "generator")
MEDIA = MediaTiming()
MS = 1_000_000
PLAIN = Video(
    publish_ns=(30 * MS,), fetch_ns=(0,), trip_ns=(0,), wake_ns=(0,), body_ns=(0,), place_ns=(5 * MS,),
    detect_ns=(20 * MS,), restart_ns=(1000 * MS,), part_bytes=((12_000,), (40_000,)), edge_request_ns=0,
    edge_answer_ns=0, origin_request_ns=0,
)  # fmt: skip


def with_video(**changes):
    return structs.replace(Model(), video=structs.replace(PLAIN, **changes))


def with_faults(*faults):
    return structs.replace(WATCHED, faults=tuple(Fault(kind="kill", target=t, at_s=at_s) for t, at_s in faults))


def digest(tables):
    content = "".join(f"{name}{tables[name].to_csv(index=False)}" for name in TABLES)
    return hashlib.sha256(content.encode()).hexdigest()


def parts_of(tables, status=200):
    video = tables["video"]
    return video[(video["kind"] == int(FetchKind.PART)) & (video["status"] == status)]


@pytest.fixture(scope="module")
def watched():
    return simulate(WATCHED, Model())


@pytest.fixture(scope="module")
def plain():
    return simulate(WATCHED, with_video())


def test_equal_scenarios_with_video_give_equal_tables(watched):
    assert digest(watched) == digest(simulate(WATCHED, Model()))


def test_viewers_and_their_faults_change_no_bet(watched):
    money_faults = (Fault(kind="kill", target="gateway-1", at_s=6.0), Fault(kind="kill", target="wallet-0", at_s=9.0))
    streaming_faults = tuple(
        Fault(kind="kill", target=target, at_s=at_s)
        for target, at_s in (("edge-0", 5.0), ("studio-1", 7.0), ("origin", 10.0))
    )
    alone = simulate(structs.replace(WATCHED, edges=0, viewers_per_table=0, faults=money_faults), Model())
    both = simulate(structs.replace(WATCHED, faults=streaming_faults + money_faults), Model())
    for table in MONEY:
        pd.testing.assert_frame_equal(alone[table], both[table])
    for table, name in (("faults", "target"), ("nodes", "node")):
        money = both[table][~both[table][name].str.startswith(("edge-", "origin", "studio-"))]
        pd.testing.assert_frame_equal(alone[table], money.reset_index(drop=True))


def test_without_edges_nobody_watches():
    tables = simulate(structs.replace(WATCHED, edges=0), Model())
    assert tables["video"].empty
    assert set(tables["placements"]["what"]) == {"gateway"}
    assert not tables["nodes"]["node"].str.startswith(("edge-", "origin", "studio-")).any()


@pytest.mark.parametrize("viewers", [5, 40])
def test_the_origin_is_asked_once_an_edge_for_each_part_whatever_the_audience(viewers):
    tables = simulate(structs.replace(WATCHED, viewers_per_table=viewers), Model())
    parts = parts_of(tables)
    asked = parts[parts["cache"] == int(CacheState.MISS)]
    assert asked.groupby(["edge", "table", "rendition", "msn", "part"]).size().max() == 1
    served = parts.groupby(["edge", "table", "rendition", "msn", "part"]).size()
    assert len(asked) == len(served)


def test_the_origin_counts_the_misses_of_its_edges(watched):
    nodes, video = watched["nodes"], watched["video"]
    assert nodes[nodes["node"] == "origin"]["ops"].max() <= (video["cache"] == int(CacheState.MISS)).sum()
    for number in (0, 1):
        asked = nodes[nodes["node"] == f"edge-{number}"]["ops"].max()
        assert asked == pytest.approx((video["edge"] == number).sum(), abs=2 * WATCHED.viewers_per_table)


@pytest.mark.parametrize("publish_ms", [20, 60, 140])
@pytest.mark.parametrize("hold_back_s", [0.0, 1.6])
def test_live_latency_is_the_hold_back_and_what_the_newest_part_took(publish_ms, hold_back_s):
    scenario = structs.replace(WATCHED, load_s=30.0, viewing=Viewing(hold_back_s=hold_back_s))
    parts = parts_of(simulate(scenario, with_video(publish_ns=(publish_ms * MS,))))
    late = parts[parts["end_ns"] > 20e9]["latency_ms"]
    age_ms = publish_ms - MEDIA.frame_ns / MS  # of a part's end when the part comes
    least_ms = (hold_back_s or MEDIA.part_hold_back_s) * 1000 + age_ms
    a_part_of_hurry_ms = MEDIA.part_s * 1000 * 0.1
    assert late.min() >= least_ms - a_part_of_hurry_ms
    assert late.max() <= least_ms + SLACK_NS / MS + 1


def test_a_part_is_there_when_it_was_published_and_has_come_all_the_way():
    parts = parts_of(simulate(WATCHED, with_video(fetch_ns=(6 * MS,), wake_ns=(4 * MS,), body_ns=(2 * MS,))))
    waited = parts[parts["start_ns"] < parts["media_ns"]]
    assert set((waited["first_byte_ns"] - waited["media_ns"]) / MS) == {30 + 6 / 2 + 4}
    body_ms = (waited["end_ns"] - waited["first_byte_ns"]) / MS
    assert body_ms.min() >= 2.0
    assert body_ms.max() < 2.5  # a few answers share the link


def test_waking_a_crowd_takes_as_long_as_its_last_answer():
    one_ns = 200_000
    parts = parts_of(simulate(structs.replace(WATCHED, viewers_per_table=40), with_video(edge_answer_ns=one_ns)))
    woken = parts[parts["end_ns"] > 10e9].groupby(["edge", "table", "rendition", "msn", "part"])["first_byte_ns"]
    spread_ns = woken.max() - woken.min()
    assert (spread_ns >= (woken.size() - 1) * one_ns).all()


def test_every_viewer_follows_without_a_hole(plain):
    for _, parts in parts_of(plain).groupby("viewer"):
        numbers = parts["msn"] * MEDIA.parts_per_segment + parts["part"]
        assert set(numbers.diff().dropna()) == {1}
        assert parts["stalled_ms"].sum() == 0


def test_viewers_begin_low_and_rise_to_what_their_link_carries(plain):
    for _, parts in parts_of(plain).groupby("viewer"):
        assert parts["rendition"].iloc[0] == 0
        assert parts["rendition"].iloc[-1] == 1
        assert list(parts["switched"][parts["switched"] != 0]) == [int(Switch.BETTER)]


def test_a_crowded_link_makes_viewers_choose_a_lower_rendition(plain):
    crowded = parts_of(simulate(WATCHED, with_video(edge_link_bps=6_000_000)))
    assert crowded["rendition"].mean() < 0.7 * parts_of(plain)["rendition"].mean()


def test_viewers_of_a_link_that_carries_too_little_skip_and_stay_near_the_live_end():
    skip_s = 1.0
    starved = structs.replace(WATCHED, viewing=Viewing(skip_behind_s=skip_s))
    parts = parts_of(simulate(starved, with_video(edge_link_bps=1_500_000)))
    behind_s = parts["latency_ms"] / 1000 - MEDIA.part_hold_back_s
    assert behind_s.max() > skip_s
    assert behind_s.max() < 2 * skip_s + MEDIA.segment_s + 1.0, "and what one look and one part take"


def test_viewers_of_a_killed_edge_go_on_at_the_other_one():
    tables = simulate(with_faults(("edge-1", 8.0)), with_video())
    struck_ns, back_ns = tables["faults"].iloc[0][["t_ns", "recovered_ns"]]
    video = tables["video"]
    lost = video[video["status"] == 0]
    assert set(lost["edge"]) == {1}
    assert set(lost["end_ns"]) == {struck_ns}
    moved = parts_of(tables)[parts_of(tables)["switched"] == int(Switch.EDGE)]
    assert set(moved["viewer"]) == set(lost["viewer"])
    assert set(moved["edge"]) == {0}
    assert set(video[(video["start_ns"] > struck_ns)]["edge"]) == {0}
    assert parts_of(tables)["stalled_ms"].sum() == 0  # the hold-back covers a quick change
    notes = tables["nodes"][tables["nodes"]["node"] == "edge-1"].set_index("t_ns")["connections"]
    assert notes[notes.index > back_ns].max() == 0


def test_a_slow_change_of_edge_stalls_the_picture_and_the_viewer_catches_up():
    tables = simulate(structs.replace(with_faults(("edge-1", 5.0)), load_s=40.0), with_video(place_ns=(1500 * MS,)))
    parts = parts_of(tables)
    stalls = parts[parts["stalled_ms"] > 0]
    moved = set(parts[parts["switched"] == int(Switch.EDGE)]["viewer"])
    assert set(stalls["viewer"]) == moved
    assert stalls["stalled_ms"].between(100, 1500).all()
    after = parts[parts["viewer"].isin(moved)].sort_values("end_ns").groupby("viewer")["latency_ms"]
    assert (after.max() > 1400).all()
    assert (after.last() < 1150).all()


def test_a_killed_studio_stops_its_own_table_only():
    model = with_video(edge_link_bps=10**15)  # an edge's link is all that the tables share here
    tables, whole = (simulate(scenario, model) for scenario in (with_faults(("studio-1", 7.0)), WATCHED))
    other, undisturbed = (
        t["video"][t["video"]["table"] == 2].sort_values(["viewer", "end_ns", "kind"], ignore_index=True)
        for t in (tables, whole)
    )
    pd.testing.assert_frame_equal(other, undisturbed)
    fault, parts = tables["faults"].iloc[0], parts_of(tables)
    mine = parts[parts["table"] == 1]
    stalls = mine[mine["stalled_ms"] > 0]
    assert (stalls.groupby("viewer").size() == 1).all()
    assert stalls["viewer"].nunique() == WATCHED.viewers_per_table
    first_after = mine[mine["media_ns"] > fault["recovered_ns"]].groupby("viewer").first()
    assert fault["t_ns"] // MEDIA.segment_ns < fault["recovered_ns"] // MEDIA.segment_ns
    number = first_after["msn"] * MEDIA.parts_per_segment + first_after["part"]
    assert set(number) == {MEDIA.next_part(fault["recovered_ns"])}


def test_a_host_that_starves_its_studios_cuts_all_films_at_once():
    tables = simulate(structs.replace(WATCHED, load_s=40.0), with_video(cut_share=0.02, cut_ns=(900 * MS,)))
    parts = parts_of(tables)
    numbers = [np.unique(own["msn"] * MEDIA.parts_per_segment + own["part"]) for _, own in parts.groupby("table")]
    assert set(numbers[0]) == set(numbers[1])
    back = numbers[0][1:][np.diff(numbers[0]) > 1]
    assert len(back) > 0
    assert set(back % MEDIA.parts_per_segment) == {0}
    assert (parts["stalled_ms"] > 0).any()


def test_a_killed_origin_stops_everything_and_everyone_comes_back():
    tables = simulate(structs.replace(with_faults(("origin", 6.0)), load_s=25.0), with_video())
    video, recovered_ns = tables["video"], int(tables["faults"]["recovered_ns"].iloc[0])
    bad = video[video["status"] != 200]
    assert set(bad["status"]) <= {0, 404, 502, 503}
    assert len(bad) >= 2 * WATCHED.viewers_per_table
    last = video.sort_values("end_ns").groupby("viewer").last()
    assert (last["status"] == 200).all()
    assert parts_of(tables)[parts_of(tables)["start_ns"] > recovered_ns + 5e9]["stalled_ms"].sum() == 0


@pytest.mark.parametrize("target", ["edge-0", "origin", "studio-2"])
def test_every_check_holds_with_viewers_and_a_fault(target, tmp_path):
    run = sim_run(Campaign(name="test", scenario=with_faults((target, 6.0), ("gateway-1", 7.0))), tmp_path)
    verdicts = run_checks(run)
    expected = dict.fromkeys(verdicts, "ok") | dict.fromkeys(allowed_skips(run), "skipped")
    assert {name: verdict.status for name, verdict in verdicts.items()} == expected, verdicts


def test_placement_spreads_viewers_over_the_edges(watched):
    placed = watched["placements"]
    counts = placed[placed["what"] == "edge"]["chosen"].value_counts()
    assert set(counts.index) == {"edge-0", "edge-1"}
    assert counts.min() >= 6
    assert (placed["alternatives"] == 2).all()


def test_playback_figures_agree_with_one_another(watched):
    parts = parts_of(watched)
    playing = parts[parts["latency_ms"] > 0]
    # media at the playhead + buffer = media at the end of the newest part
    behind_ms = (playing["end_ns"] - playing["media_ns"] - MEDIA.frame_ns) / MS
    assert np.abs(playing["latency_ms"] - playing["buffer_ms"] - behind_ms).max() <= 2
