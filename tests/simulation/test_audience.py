"""The crowd's video against the model of single viewers, and its rules against the domain's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playout import Playback
from reference_impl.domain.records import FetchKind, Switch
from sim.fault_kinds import Fault
from sim.hybrid.handles import made
from sim.hybrid.playback import quick, quick_table_ns, take_part
from sim.hybrid.screens import VIEWER, HallHandle, empty_hall, steps
from sim.hybrid.system import Crowd
from sim.kernels import quantile_ns
from sim.model import simulate
from sim.parameters import LEVELS, Model, Video, lognormal_table
from sim.scenario import Scenario

MS = 1_000_000
LONGER = pytest.mark.soak
"""One simulation of the video is quick enough for every day; its loops alone compile for seven seconds of CPU."""

WATCHED = Scenario(
    tables=2, players_per_table=1, viewers_per_table=40, edges=2, ramp_s=4.0, load_s=20.0, answer_s_max=3.0
)
LONG = structs.replace(
    Video(),
    timing=MediaTiming(part_frames=50, parts_per_segment=1, gop_frames=50),
    part_bytes=(lognormal_table(70_000, 110_000), lognormal_table(230_000, 370_000)),
)


def crowd(scenario, video, **wishes):
    simulated = Crowd(scenario, structs.replace(Model(), video=video), {}, **wishes)
    simulated.run()
    return simulated


def figures(tables):
    parts = tables["video"][tables["video"]["kind"] == int(FetchKind.PART)]
    parts = parts[parts["status"] == 200]
    edges = tables["nodes"][tables["nodes"]["node"].str.startswith("edge")].groupby("node").last()
    delay_ms = (parts["end_ns"] - parts["media_ns"]) / MS
    seen = parts[parts["latency_ms"] > 0]["latency_ms"]
    return {
        "parts": len(parts), "latency p50": seen.quantile(0.5), "latency p95": seen.quantile(0.95),
        "delay p50": delay_ms.quantile(0.5), "transfer p50": ((parts["end_ns"] - parts["first_byte_ns"]) / MS).median(),
        "egress": edges["egress_bytes"].sum(), "requests": edges["ops"].sum(), "cpu": edges["cpu_ns"].sum(),
        "better rendition": (parts["rendition"] == 1).mean(),
    }  # fmt: skip


@LONGER
@pytest.mark.parametrize("video", [Video(), LONG], ids=["parts of 320 ms", "segments of 2 s"])
def test_viewers_agree_with_the_model_of_single_viewers_within_stated_intervals(video):
    ratios = {}
    for seed in (1, 2):
        scenario = structs.replace(WATCHED, seed=seed)
        ours = figures(crowd(scenario, video).tables())
        single = figures(simulate(scenario, structs.replace(Model(), video=video)))
        for name, value in ours.items():
            ratios.setdefault(name, []).append(value / single[name])
    limits = dict.fromkeys(ratios, 0.06) | {
        "requests": 0.12, "cpu": 0.10, "latency p95": 0.08, "delay p50": 0.08, "transfer p50": 0.15
    }  # fmt: skip
    found = {name: float(np.mean(values)) - 1 for name, values in ratios.items()}
    assert {name: error for name, error in found.items() if abs(error) > limits[name]} == {}


@LONGER
@pytest.mark.parametrize("video", [Video(), LONG], ids=["parts of 320 ms", "segments of 2 s"])
def test_viewers_share_a_saturated_link_as_single_viewers_do(video):
    ratios = {}
    for seed in (1, 2):
        scenario = structs.replace(WATCHED, viewers_per_table=50, edges=1, load_s=30.0, seed=seed)
        crowded = structs.replace(video, edge_link_bps=60_000_000)
        ours = figures(crowd(scenario, crowded).tables())
        single = figures(simulate(scenario, structs.replace(Model(), video=crowded)))
        for name in ("parts", "latency p50", "latency p95", "delay p50", "transfer p50", "egress"):
            ratios.setdefault(name, []).append(ours[name] / single[name])
    limits = dict.fromkeys(ratios, 0.05) | {"parts": 0.08, "latency p95": 0.10}
    found = {name: float(np.mean(values)) - 1 for name, values in ratios.items()}
    assert {name: error for name, error in found.items() if abs(error) > limits[name]} == {}


@pytest.mark.soak  # compiles the viewers
def test_a_dead_edges_viewers_go_on_at_the_other():
    scenario = structs.replace(WATCHED, faults=(Fault(kind="kill", target="edge-1", at_s=8.0),))
    simulated = crowd(scenario, Video())
    video, fault = simulated.tables()["video"], simulated.tables()["faults"].iloc[0]
    after = video[video["due_ns"] > fault["t_ns"] + 4 * MS]
    before_back = after[after["due_ns"] < fault["recovered_ns"]]
    assert set(before_back["edge"]) == {0}
    assert (video["switched"] == int(Switch.EDGE)).sum() >= 25
    last = video.groupby("viewer")["end_ns"].max()
    assert (last > last.max() - 3_000 * MS).all()


@LONGER
def test_whom_one_follows_changes_no_total():
    everybody, few = crowd(WATCHED, Video()), crowd(WATCHED, Video(), share=0.1)
    assert everybody.audience.watched() == few.audience.watched()
    assert 0 < few.tables()["video"]["viewer"].nunique() < 40


@LONGER
def test_a_shield_spares_the_origin_and_slows_nobody_much():
    many = structs.replace(WATCHED, edges=8)
    plain, shielded = (crowd(many, structs.replace(Video(), shields=n)) for n in (0, 2))
    assert shielded.audience._cores_ns[0] <= plain.audience._cores_ns[0]
    assert shielded.audience.watched().latency_ms["p50"] == pytest.approx(
        plain.audience.watched().latency_ms["p50"], rel=0.02
    )


@LONGER
def test_tables_that_are_dealt_out_to_more_origins_do_not_wait_for_each_other():
    dear = structs.replace(Video(), origin_request_ns=20 * MS)
    one, four = (
        crowd(structs.replace(WATCHED, tables=4), structs.replace(dear, origins=n)).audience.watched() for n in (1, 4)
    )
    assert one.stalled_share > 10 * max(four.stalled_share, 0.001)
    assert four.latency_ms["p50"] < one.latency_ms["p50"]


@given(u=st.floats(1e-9, 1 - 1e-9), p50=st.integers(10, 10**9))
@settings(max_examples=300, deadline=None)
def test_the_quick_look_up_is_the_search(u, p50):
    tabled = lognormal_table(p50, 10 * p50)
    table, levels = np.array(tabled, dtype=np.float64), np.array(LEVELS)
    i = int(np.searchsorted(levels, u))
    searched = table[i - 1] + (table[i] - table[i - 1]) * (u - levels[i - 1]) / (levels[i] - levels[i - 1])
    assert quick_table_ns(u, steps(tabled)) == pytest.approx(searched, rel=1e-9)
    assert quick(u, steps(tabled)) == pytest.approx(searched, rel=1e-9)
    assert quantile_ns(u, levels, table) == pytest.approx(searched, rel=1e-9, abs=1.0)


@given(
    waits=st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    hold=st.integers(1, 3),
    hurried=st.lists(st.booleans(), min_size=40, max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_a_viewers_playback_is_the_domains(waits, hold, hurried):
    part_ns, first = 320 * MS, 30
    hall = empty_hall(WATCHED, Video())._replace(part_ns=part_ns, hold_ns=hold * part_ns, hurry=1.1)
    handle = made(HallHandle, hall)
    viewer = np.zeros(1, dtype=VIEWER)
    viewer["wanted"], viewer["playhead_ns"] = first, first * part_ns
    playback, now_ns = Playback(hold * part_ns, 1.1), 0
    for step, wait in enumerate(waits):
        now_ns += wait * MS
        viewer["hurried"] = hurried[step]
        playback._rate = 1.1 if hurried[step] else 1.0
        number = int(viewer["wanted"][0])
        stall_ns = playback.take(number * part_ns, (number + 1) * part_ns, now_ns)
        assert take_part(handle, viewer[0], now_ns) == pytest.approx(stall_ns, abs=2)
        assert bool(viewer["started"][0]) == playback.started
        if playback.started:
            assert int(viewer["playhead_ns"][0]) == pytest.approx(playback.playhead_ns, abs=2)
