"""What is no fault of the film, and what leaves it undecided."""

from histories import MS
from judging import verdict_of
from planted.changing import put
from planted.video import part_rows, refuse_an_announced_part

from reports.checks import CHECKS, History
from reports.checks.history import Terms
from reports.run import frame_of


def test_a_part_that_was_hinted_and_never_came_is_no_violation(tables):
    put(tables, "video", part_rows(tables)[6], status=404)
    assert verdict_of("video_advances", tables).status == "ok"


def test_an_announced_part_that_a_new_origin_has_forgotten_is_excused(tables):
    refuse_an_announced_part(tables)
    at = int(tables["video"].loc[part_rows(tables)[6], "start_ns"]) - 100 * MS
    tables["faults"] = frame_of(
        "faults", {"t_ns": [at], "kind": ["kill"], "target": ["origin"], "recovered_ns": [at + MS]}
    )
    verdict = verdict_of("video_advances", tables)
    assert (verdict.status, verdict.counts["excused"]) == ("ok", 1)


def test_a_viewer_who_saw_nothing_leaves_the_video_unknown(tables):
    tables["video"] = tables["video"][tables["video"]["viewer"] != tables["video"]["viewer"].min()]
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=6))).status == "unknown"


def test_without_viewers_there_is_no_video_to_judge(tables):
    tables["video"] = frame_of("video", {})
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=0))).status == "ok"
    assert CHECKS["video_advances"].function(History(tables, terms=Terms(viewers=6))).status == "unknown"


def test_parts_that_do_not_say_when_they_were_filmed_leave_the_video_unknown(tables):
    tables["video"]["media_ns"] = 0
    assert verdict_of("video_advances", tables).status == "unknown"
