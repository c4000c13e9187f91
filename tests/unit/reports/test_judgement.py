import xml.etree.ElementTree as ET

import pytest
from histories import LOAD_START_NS, S, Shape, make_manifest, make_tables, write_history

from reference_impl.domain.errors import ConfigError
from reports.checks.verdict import Verdict
from reports.judgement import (
    EXIT_CODES,
    SloResult,
    error_summary,
    generator_health,
    judge,
    read_summary,
    slo_results,
    verdict,
)  # fmt: skip
from reports.junit import write_junit
from reports.run import frame_of, update_manifest, write_run

OK, ILLEGAL, UNKNOWN, SKIPPED = (Verdict(status, "") for status in ("ok", "illegal", "unknown", "skipped"))
HELD, BROKEN = SloResult("p99", 250.0, 20.0, "ms"), SloResult("p99", 250.0, 251.0, "ms")


@pytest.mark.parametrize(
    ("checks", "slo", "generator_ok", "skippable", "expected"),
    [
        ([OK], HELD, True, (), "pass"),
        ([OK], BROKEN, True, (), "slo"),
        ([ILLEGAL, UNKNOWN], BROKEN, False, (), "consistency"),
        ([OK, UNKNOWN], BROKEN, True, (), "invalid"),
        ([OK], BROKEN, False, (), "invalid"),
        ([OK, SKIPPED], HELD, True, (), "invalid"),
        ([OK, SKIPPED], HELD, True, ("check1",), "pass"),
    ],
)
def test_a_broken_rule_outweighs_an_invalid_run_and_that_a_broken_limit(checks, slo, generator_ok, skippable, expected):
    named = {f"check{i}": check for i, check in enumerate(checks)}
    assert verdict(named, [slo], generator_ok=generator_ok, skippable=skippable) == expected


def test_exit_codes_are_those_of_the_command_line():
    assert EXIT_CODES == {"pass": 0, "error": 1, "slo": 2, "consistency": 3, "invalid": 4}


def test_a_limit_that_could_not_be_measured_is_broken():
    assert not SloResult("p99", 250.0, None, "ms").ok


def test_a_value_at_the_limit_holds():
    assert SloResult("p99", 250.0, 250.0, "ms").ok


def test_a_clean_run_passes_and_says_so_in_its_summary(tmp_path):
    run = write_history(tmp_path)
    judgement = judge(run)
    summary = read_summary(run)
    assert (judgement.verdict, judgement.exit_code, summary["verdict"]) == ("pass", 0, "pass")
    assert set(summary["checks"].values()) == {"ok"}
    assert summary["bet"]["offered"] == 96
    assert summary["bet"]["p50_ms"] < summary["bet"]["p95_ms"] <= summary["bet"]["p99_ms"]
    assert {"bet", "login", "connect"} <= summary.keys()
    assert summary["simulated"] is None


def test_the_summary_holds_the_twins_figures(tmp_path):
    write_history(tmp_path / "s", Shape(seed=2, players=5), "simulated")
    run = update_manifest(write_history(tmp_path / "m"), twin="../s")
    judge(run)
    assert read_summary(run)["simulated"]["bet"]["offered"] == 60


def test_bets_without_an_answer_break_their_limit(tmp_path):
    run = write_history(tmp_path, Shape(lost_share=0.2))
    share = next(result for result in slo_results(run) if result.name == "bets without an answer")
    assert not share.ok
    assert judge(run).verdict == "slo"


def test_a_late_generator_makes_the_run_invalid(tmp_path):
    tables = make_tables(Shape())
    tables["ops"]["due_ns"] -= S // 10
    run = write_run(tmp_path, make_manifest(Shape()), tables)
    assert not generator_health(run).ok
    assert judge(run).verdict == "invalid"


def test_a_generator_that_missed_operations_is_not_healthy(tmp_path):
    tables = make_tables(Shape())
    tables["generator"].loc[10, ["missed", "ops"]] = [50, 1000]
    assert not generator_health(write_run(tmp_path, make_manifest(Shape()), tables)).ok


def test_a_measured_run_needs_a_record_of_its_generator_and_a_simulated_one_does_not(tmp_path):
    tables = make_tables(Shape())
    tables["generator"] = frame_of("generator", {"t_ns": [LOAD_START_NS - S]})
    for kind, healthy in (("measured", False), ("simulated", True)):
        run = write_run(tmp_path / kind, make_manifest(Shape(), kind), tables)
        assert generator_health(run).ok is healthy


def test_a_run_that_was_not_judged_has_no_summary(tmp_path):
    with pytest.raises(ConfigError, match="check it first"):
        read_summary(write_history(tmp_path))


def test_a_failed_campaign_has_a_summary_with_its_reason():
    assert error_summary("no port is free")["verdict"] == "error"


def test_junit_names_every_check_and_limit(tmp_path):
    run = write_history(tmp_path, Shape(lost_share=0.2))
    suite = ET.fromstring(write_junit(run, judge(run)).read_text())  # noqa: S314 - our own file
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases["conservation"] == []
    assert cases["bets without an answer"] == ["failure"]
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("1", "0", str(len(cases)))
