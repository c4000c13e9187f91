"""What a build server reads."""

import xml.etree.ElementTree as ET

from histories import Shape, make_manifest, make_tables, write_history

from reports.checks import CHECKS
from reports.judgement import judge
from reports.junit import write_error_junit, write_junit
from reports.run import Run, update_manifest, write_run


def suites(run: Run) -> dict[str, ET.Element]:
    root = ET.fromstring(write_junit(run, judge(run)).read_text())  # noqa: S314 - our own file
    return {suite.get("name"): suite for suite in root}


def broken(suite: ET.Element, tag: str) -> list[str]:
    return [case.get("name") for case in suite if case.find(tag) is not None]


def test_every_check_limit_and_condition_of_health_is_a_case(tmp_path):
    found = suites(write_history(tmp_path))
    assert list(found) == ["demo.checks", "demo.slo", "demo.health"]
    assert [case.get("name") for case in found["demo.checks"].findall("testcase")] == list(CHECKS)
    assert [int(suite.get("tests")) for suite in found.values()] == [len(CHECKS), 2, 6]
    assert {suite.get("failures") + suite.get("errors") for suite in found.values()} == {"00"}
    assert found["demo.slo"].get("timestamp") == "2026-09-21T14:13:20+00:00"


def test_a_broken_limit_is_a_failure_and_an_unhealthy_generator_an_error(tmp_path):
    tables = make_tables(Shape(lost_share=0.2))
    tables["generator"]["lag_ns_max"] = 10**9
    found = suites(write_run(tmp_path, make_manifest(Shape()), tables))
    assert broken(found["demo.slo"], "failure") == ["bet.unknown_share <= 0"]
    assert broken(found["demo.health"], "error") == ["generator.timer_lag_p95_ms <= 100"]


def test_a_broken_rule_is_a_failure_with_its_witness(tmp_path):
    tables = make_tables(Shape())
    tables["accounts"].loc[3, "balance"] += 1
    rules = suites(write_run(tmp_path, make_manifest(Shape()), tables))["demo.checks"]
    failure = next(case.find("failure") for case in rules if case.get("name") == "conservation")
    assert "not the sum of its entries" in failure.get("message")
    assert '"exported"' in failure.text


def test_a_check_that_is_skipped_without_leave_is_an_error(tmp_path):
    run = write_history(tmp_path, capabilities={"video": False})
    assert broken(suites(run)["demo.checks"], "error") == ["video_advances"]
    campaign = {**run.manifest["campaign"], "skippable": ["video_advances"]}
    assert broken(suites(update_manifest(run, campaign=campaign))["demo.checks"], "skipped") == ["video_advances"]


def test_a_campaign_that_failed_has_one_case_that_says_why(tmp_path):
    root = ET.fromstring(write_error_junit(write_history(tmp_path), "no port is free").read_text())  # noqa: S314
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert root.find(".//error").get("message") == "no port is free"
