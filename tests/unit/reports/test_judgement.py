import pytest
from histories import S, Shape, make_manifest, make_tables, write_history

from reference_impl.domain.errors import ConfigError
from reports.checks.verdict import Verdict
from reports.judgement import EXIT_CODES, decide, error_summary, judge, read_summary
from reports.run import open_run, update_manifest, write_run
from reports.slo import LimitResult

OK, ILLEGAL, UNKNOWN, SKIPPED = (Verdict(status, "") for status in ("ok", "illegal", "unknown", "skipped"))
HELD, BROKEN = (LimitResult("bet.p99_ms", "<=", 250.0, value, "ms") for value in (250.0, 251.0))


@pytest.mark.parametrize(
    ("checks", "slo", "health", "skippable", "expected"),
    [
        ([OK], HELD, HELD, (), "pass"),
        ([OK], BROKEN, HELD, (), "slo"),
        ([ILLEGAL, UNKNOWN], BROKEN, BROKEN, (), "consistency"),
        ([OK, UNKNOWN], BROKEN, HELD, (), "invalid"),
        ([OK], BROKEN, BROKEN, (), "invalid"),
        ([OK, SKIPPED], HELD, HELD, (), "invalid"),
        ([OK, SKIPPED], HELD, HELD, ("check1",), "pass"),
    ],
)
def test_a_broken_rule_outweighs_an_invalid_run_and_that_a_broken_limit(checks, slo, health, skippable, expected):
    named = {f"check{i}": check for i, check in enumerate(checks)}
    assert decide(named, [slo], [HELD, health], skippable).verdict == expected


def test_what_decided_the_verdict_is_named():
    assert decide({"a": OK, "b": ILLEGAL}, [BROKEN], [BROKEN]).because == ["b"]
    assert decide({"a": UNKNOWN, "b": SKIPPED}, [BROKEN], [HELD], ["b"]).because == ["a"]
    assert decide({"a": OK}, [BROKEN], [HELD]).because == ["bet.p99_ms <= 250 (251 ms)"]
    assert decide({"a": OK}, [HELD], [HELD]).because == []


def test_exit_codes_are_those_of_the_command_line():
    assert EXIT_CODES == {"pass": 0, "error": 1, "slo": 2, "consistency": 3, "invalid": 4}


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
    judgement = judge(write_history(tmp_path, Shape(lost_share=0.2)))
    assert judgement.verdict == "slo"
    assert [slo.text for slo in judgement.slos if not slo.ok] == ["bet.unknown_share <= 0"]


def test_an_unhealthy_generator_makes_the_run_invalid(tmp_path):
    tables = make_tables(Shape())
    tables["ops"]["due_ns"] -= S // 10
    judgement = judge(write_run(tmp_path, make_manifest(Shape()), tables))
    assert (judgement.verdict, judgement.exit_code) == ("invalid", 4)
    assert read_summary(open_run(tmp_path))["health"]["generator.lag_p99_ms <= 50"]["ok"] is False


def test_a_run_that_was_not_judged_has_no_summary(tmp_path):
    with pytest.raises(ConfigError, match="check it first"):
        read_summary(write_history(tmp_path))


def test_a_failed_campaign_has_a_summary_with_its_reason():
    assert error_summary("no port is free")["verdict"] == "error"
