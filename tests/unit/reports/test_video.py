"""The video of a Run in figures."""

import numpy as np
import pytest
from histories import MS, PART_NS, Shape, make_manifest, make_tables, write_history

from reference_impl.domain.records import CacheState, Switch
from reports import video
from reports.figures import pictures
from reports.judgement import judge, read_summary
from reports.page import render_report, terminal_table
from reports.run import frame_of, update_manifest, write_run

VIDEO_KEYS = {"video", "delivery", "edges", "glass"}


def shown_on(page):
    return {key for key in VIDEO_KEYS if f'id="{key}"' in page}


@pytest.fixture
def run(tmp_path):
    return write_history(tmp_path / "run")


def changed(tmp_path, change):
    tables = make_tables(Shape())
    change(tables["video"])
    tables["video"] = frame_of("video", {**tables["video"]})
    return write_run(tmp_path / "changed", make_manifest(Shape()), tables)


def test_summary_counts_viewers_fetches_and_the_one_stall(run):
    said = video.video_summary(run)
    assert said is not None
    assert (said["viewers"], said["stalls"], said["stall_s"], said["failed"]) == (6, 1, 0.8, 0)
    assert said["fetches"] == len(run.video)
    assert 980 <= said["latency_p50_ms"] <= said["latency_p95_ms"] <= 1010
    assert said["glass_p50_ms"] == 1000.0
    assert (said["frames_dropped"], said["cuts"]) == (46, 1)
    judge(run)
    assert read_summary(run)["video"] == said


def test_time_in_which_nobody_played_is_no_latency(tmp_path):
    run = changed(tmp_path, lambda v: v.__setitem__("latency_ms", 0))
    assert video.video_summary(run)["latency_p50_ms"] is None
    assert video.latency_per_second(run)["p50"].isna().all()


def test_picture_stands_still_from_the_start_to_the_end_of_its_stall(run):
    still = video.stalled_viewers(run)
    assert still.max() == 1
    assert still.sum() * 0.1 == pytest.approx(0.8, abs=0.11)
    end_s = video.stalls(run).end_s[0]
    assert still[still > 0].index.max() == pytest.approx(end_s, abs=0.11)


def test_part_takes_what_it_lasts_and_delivery_counts_from_its_last_frame(run):
    assert video.part_ms(run) == PART_NS / MS
    took = video.delivery_ms(run)
    assert len(took) == len(video.parts(run))
    assert took.min() >= 20


def test_parts_asked_for_after_they_were_filmed_say_nothing_of_delivery(tmp_path):
    run = changed(tmp_path, lambda v: v.__setitem__("start_ns", v["media_ns"] + 5))
    assert not len(video.delivery_ms(run))


def test_every_request_is_some_edges_and_every_viewer_is_at_one(run):
    loads = video.edge_load(run)
    within = run.video["start_ns"].between(run.manifest["load_start_ns"], run.manifest["load_end_ns"])
    assert sum(load["requests"].sum() for load in loads.values()) == within.sum()
    assert [load["viewers"][10] for load in loads.values()] == [3, 3]
    assert [load["viewers"].iloc[-1] for load in loads.values()] == [0, 0]


def test_cache_shares_leave_out_answers_that_do_not_say(tmp_path):
    def change(rows):
        rows["cache"] = int(CacheState.UNKNOWN)
        rows.loc[:3, "cache"] = [1, 1, 2, 3]

    shares = video.cache_shares(changed(tmp_path, change))
    assert shares == {"hit": 0.5, "coalesced": 0.25, "miss": 0.25}


def test_changes_of_the_edge_are_counted(tmp_path):
    run = changed(tmp_path, lambda v: v.__setitem__("switched", np.where(v.index == 9, int(Switch.EDGE), 0)))
    assert video.video_summary(run)["edge_switches"] == 1


def test_unwatched_run_has_no_video_on_its_page(tmp_path):
    run = write_history(tmp_path / "unwatched", Shape(viewers=0))
    assert video.video_summary(run) is None
    page = render_report(run, judge(run)).read_text()
    assert "what the viewers saw" not in page
    assert not shown_on(page)


def test_twin_without_video_stands_beside_a_watched_run(tmp_path, run):
    twin = write_history(tmp_path / "twin", Shape(viewers=0), "simulated")
    keys = {picture.key for picture in pictures(run, twin)}
    assert keys >= VIDEO_KEYS
    pair = update_manifest(run, twin="../twin")
    assert "behind the table, p50, ms" in terminal_table(pair, judge(pair))


def test_run_that_was_watched_without_a_part_has_a_page(tmp_path):
    tables = {**make_tables(Shape()), "glass": frame_of("glass", {})}
    tables["video"] = tables["video"][tables["video"]["kind"] == 2]
    run = write_run(tmp_path / "empty", make_manifest(Shape()), tables)
    assert shown_on(render_report(run, judge(run)).read_text()) == {"edges"}


def test_sentences_say_the_stall_and_the_cache(run):
    said = {picture.key: picture.sentence for picture in pictures(run, None)}
    assert "1 viewer saw 1 stall of 0.8 s" in said["video"]
    assert "% coalesced" in said["edges"]
    assert "came within the 320 ms of a part" in said["delivery"]
    assert "frames were read" in said["glass"]
