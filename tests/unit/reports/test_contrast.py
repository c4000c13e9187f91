"""What is said of two groups of runs, of a sequence of runs, and of whether they may be compared."""

import json

import msgspec
import numpy as np
import pytest
from histories import S, Shape, make_manifest, make_tables, write_history

from livetable import cli, main
from reference_impl.domain.errors import ConfigError
from reports.cohort import open_cohort
from reports.cohort_page import contrast_text, trend_text, write_contrast_page, write_trend_page
from reports.contrast import contrast
from reports.limits import parse_figure
from reports.run import Run, frame_of, update_manifest, write_run
from reports.trend import trend, trend_of

START = 1_790_000_000 * S
SMALL = Shape(players=3, rounds=1, viewers=0)
OPS = make_tables(SMALL)["ops"]
MANIFEST = make_manifest(SMALL)
FIGURE = ("bet.p50_ms",)


def write(folder, name, factor=1.0, at=0, kind="measured", **changes) -> Run:
    """Write a Run whose answers take `factor` times as long, started in the slot `at` of a long day."""
    ops = OPS.copy()
    known = ops["return_ns"] > 0
    ops.loc[known, "return_ns"] += ((ops["return_ns"] - ops["invoke_ns"]) * (factor - 1)).astype("int64")[known]
    manifest = {**MANIFEST, "kind": kind, "started_unix_ns": START + at * 60 * S, **changes}
    run = write_run(folder / name, manifest, {"ops": frame_of("ops", dict(ops))})
    summary = {"verdict": changes.get("verdict", "pass")}
    (run.path / "summary.json").write_text(json.dumps(summary))
    return run


def groups(folder, first, second, interleaved=True):
    """Write a Run for each factor of two groups and return their folders."""
    sides = []
    for side, factors in enumerate((first, second)):
        at = [2 * i + side if interleaved else i + side * len(first) for i in range(len(factors))]
        sides.append(
            [write(folder, f"{side}-{i}", f, a).path for i, (f, a) in enumerate(zip(factors, at, strict=True))]
        )
    return sides


ALIKE = (1.0, 1.05, 0.95, 1.02, 0.98, 1.01)


def test_slower_runs_are_worse_and_the_exit_code_says_so(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, [1.6 * f for f in ALIKE])
    found = contrast(runs, baseline, FIGURE)
    (p50,) = found.differences
    assert (p50.said, found.exit_code, found.warnings) == ("worse", 2, [])
    assert p50.low < p50.change == pytest.approx(0.6, abs=0.15)
    assert found.conclusion == "worse than the baseline: bet.p50_ms"
    faster = contrast(baseline, runs, FIGURE)
    assert (faster.differences[0].said, faster.exit_code) == ("better", 0)


def test_what_cannot_be_shown_is_not_said_to_be_equal(tmp_path):
    wide = (0.5, 2.0, 0.7, 1.5, 0.6, 1.8)
    baseline, runs = groups(tmp_path, wide, [1.1 * f for f in wide])
    found = contrast(runs, baseline, FIGURE)
    assert (found.differences[0].said, found.exit_code) == ("no difference shown", 0)
    assert found.differences[0].low < 0 < found.differences[0].high
    assert "no difference shown" in contrast_text(found)


def test_runs_within_the_least_effect_are_equal_and_a_sure_but_small_change_does_not_matter(tmp_path):
    close = (1.0, 1.01, 0.99, 1.005, 0.995, 1.002)
    baseline, runs = groups(tmp_path, close, close[::-1])
    assert contrast(runs, baseline, FIGURE, 0.1).differences[0].said == "equal"
    slower = [write(tmp_path, f"s{i}", 1.06 * f, 2 * i + 1).path for i, f in enumerate(close)]
    assert contrast(slower, baseline, FIGURE, 0.1).differences[0].said == "too small to matter"
    assert contrast(slower, baseline, FIGURE, 0.01).differences[0].said == "worse"


@pytest.mark.parametrize(("n", "said"), [(2, "fewer than 3 a side"), (3, "chance in 10 % of cases")])
def test_from_few_runs_nothing_is_concluded(tmp_path, n, said):
    baseline, runs = groups(tmp_path, ALIKE[:n], [9.0] * n)
    found = contrast(runs, baseline)
    assert said in found.conclusion
    assert found.exit_code == 4
    assert {d.said for d in found.differences} <= {"not tested", "not measured", "constant"}


def test_a_figure_that_was_not_measured_or_never_changes_is_said(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, ALIKE[::-1])
    found = contrast(runs, baseline, ("video.stalls", "bet.unknown_share", "bet.p50_ms"))
    assert [d.said for d in found.differences] == ["not measured", "constant", "equal"]
    assert contrast(runs, baseline, ("video.stalls",)).exit_code == 4


def test_runs_that_were_not_interleaved_or_overlapped_are_warned_of(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, ALIKE, interleaved=False)
    (warning,) = contrast(runs, baseline, FIGURE).warnings
    assert "not interleaved (6 runs of one kind in a row)" in warning
    twice = [write(tmp_path, "x", at=0).path, *runs]
    assert any("at the same time" in text for text in contrast(twice, baseline, FIGURE).warnings)


def test_other_configurations_hosts_and_programs_are_warned_of(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, ALIKE)
    other = write(tmp_path, "other", at=40, commit="f" * 40)
    campaign = {**other.manifest["campaign"], "workers": 3, "slo": ["bet.p50_ms <= 1"]}
    host = {**other.manifest["host"], "cpus": 64}
    update_manifest(other, campaign=campaign, host=host)
    warnings = contrast([other.path, *runs[1:]], baseline, FIGURE).warnings
    assert any("the runs differ in workers: 3, nothing" in text for text in warnings)
    assert any("the runs are of different hosts" in text for text in warnings)
    assert any("the runs are of different programs" in text for text in warnings)
    assert not any("slo" in text for text in warnings), "a limit changes nothing that happens"


def test_all_runs_of_another_size_are_another_experiment(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, ALIKE)
    for folder in runs:
        run = Run(folder, json.loads((folder / "manifest.json").read_text()))
        scenario = {**run.manifest["campaign"]["scenario"], "players_per_table": 99, "seed": 8}
        update_manifest(run, campaign={**run.manifest["campaign"], "scenario": scenario})
    (warning,) = contrast(runs, baseline, FIGURE).warnings
    assert warning == "the runs and the baseline differ in scenario.players_per_table: 99 and 3"


def test_runs_that_nobody_can_judge_do_not_count(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE, ALIKE)
    spoilt = write(tmp_path, "spoilt", 50.0, at=60, verdict="invalid").path
    found = contrast([*runs, spoilt], baseline, FIGURE)
    assert found.n_runs == 6
    assert any("1 of the runs left out, since nobody can judge them: spoilt" in text for text in found.warnings)


def test_a_run_that_was_not_judged_is_judged_first(tmp_path):
    run = write_history(tmp_path / "fresh", SMALL)
    assert len(open_cohort([run.path]).runs) == 1
    assert (run.path / "summary.json").exists()


def test_a_run_is_not_compared_with_itself_twice(tmp_path):
    run = write(tmp_path, "a").path
    with pytest.raises(ConfigError, match="is named twice"):
        open_cohort([run, run])


def test_simulated_runs_need_no_order_in_time(tmp_path):
    sides = [[write(tmp_path, f"{s}{i}", f, 0, "simulated").path for i, f in enumerate(ALIKE)] for s in "ab"]
    assert contrast(*sides, FIGURE).warnings == []


def test_the_command_line_takes_all_runs_after_against(tmp_path, capsys):
    baseline, runs = groups(tmp_path, ALIKE, [1.6 * f for f in ALIKE])
    page = tmp_path / "page" / "c.html"
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, runs), "--against", *map(str, baseline), "--figure", "bet.p50_ms",
              "--page", str(page), "--json"])  # fmt: skip
    assert ended.value.code == 2
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["n_runs"], said["n_baseline"], said["differences"][0]["said"]) == (6, 6, "worse")
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.index("Worse than the baseline") < text.index("<svg")
    assert {"compare", "trend", "campaign"} <= cli.commands.keys()


def test_the_command_line_refuses_an_unknown_figure_in_one_line(tmp_path, capsys):
    run = str(write(tmp_path, "a").path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", run, "--against", run, "--figure", "bet.p5_m"])
    assert ended.value.code == 1
    assert "unknown figure of bet 'p5_m', did you mean 'p5_ms'?" in capsys.readouterr().err


def steps(*levels):
    rng = np.random.default_rng(0)
    return np.concatenate([level * rng.lognormal(0, 0.05, n) for level, n in levels])[:, None]


def named(values):
    return [f"run-{i}" for i in range(len(values))]


def test_a_change_of_level_is_dated_and_judged():
    values = steps((10.0, 8), (15.0, 6))
    found = trend_of(named(values), [parse_figure("bet.p50_ms")], values)
    (line,) = found.lines
    assert [(level.begin, level.said) for level in line.levels] == [(0, ""), (8, "worse")]
    assert line.levels[1].change == pytest.approx(0.5, abs=0.1)
    assert (found.exit_code, found.conclusion) == (2, "the newest level is worse: bet.p50_ms")
    assert "run-8" in trend_text(found)


def test_a_fault_that_was_mended_since_is_no_alarm():
    values = steps((10.0, 8), (15.0, 6), (10.0, 8))
    found = trend_of(named(values), [parse_figure("bet.p50_ms")], values)
    assert [level.said for level in found.lines[0].levels] == ["", "worse", "better"]
    assert (found.exit_code, found.conclusion) == (
        0,
        "the newest level of no figure is worse; bet.p50_ms changed before",
    )


def test_a_rising_rate_is_better_and_a_small_step_does_not_matter():
    values = np.hstack([steps((100.0, 8), (140.0, 8)), 1 + steps((0.001, 8), (0.03, 8))])
    found = trend_of(named(values), [parse_figure("bet.ok_per_s"), parse_figure("bet.p50_ms")], values)
    assert [line.levels[-1].said for line in found.lines] == ["better", "too small to matter"]


def test_few_runs_have_no_trend_and_runs_without_a_figure_are_named(tmp_path):
    paths = [write(tmp_path, f"n{i}", f, i).path for i, f in enumerate(ALIKE)]
    found = trend(paths, ("bet.p50_ms", "video.stalls"))
    assert (found.exit_code, found.conclusion) == (
        4,
        "6 runs: nothing can be concluded from fewer than 8, for 1 figure(s)",
    )
    assert found.warnings == ["not measured in every run: video.stalls"]
    assert found.runs == [path.name for path in paths]


def test_pages_are_whole_whatever_was_found(tmp_path):
    baseline, runs = groups(tmp_path, ALIKE[:2], ALIKE[:2])
    few = contrast(runs, baseline)
    page = write_contrast_page(few, tmp_path / "c.html", {"Runs": ["a"], "Baseline": ["b"]}).read_text()
    assert "Nothing can be concluded" in page
    assert msgspec.json.decode(msgspec.json.encode(few))["exit_code"] == 4
    nothing = trend_of([], [parse_figure("bet.p50_ms")], np.empty((0, 1)))
    assert "Nothing can be concluded" in write_trend_page(nothing, tmp_path / "t.html").read_text()
    values = steps((10.0, 8), (15.0, 6))
    told = trend_of(named(values), [parse_figure("bet.p50_ms")], values)
    assert (
        "The largest step is that of bet.p50_ms at run 9 (run-8)"
        in write_trend_page(told, tmp_path / "t.html").read_text()
    )
