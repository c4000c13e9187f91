"""The published page says of each kind of fault what the Run says, and keeps measured and simulated apart."""

from dataclasses import replace

import pytest
from histories import DEMO, write_history

from reference_impl.domain.errors import ConfigError
from reports.fault_report import FIGURE, REPORT, gathered, rows
from reports.judgement import error_summary, judge, write_summary
from reports.publishing import compare, publish
from reports.recovery import recoveries
from reports.run import update_manifest

SHAPE = replace(DEMO, players=20, surge_players=20)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_history(folder / "run" / "twin", replace(SHAPE, seed=9), "simulated")
    run = update_manifest(write_history(folder / "run", SHAPE), twin="twin")
    judge(run)
    return run


def test_a_row_is_a_kind_and_its_target_over_all_runs(run):
    (one,), (theirs,) = recoveries(run), recoveries(run.twin)
    (row,) = rows(gathered([run, run]))
    assert (row.name, row.n, row.simulated_n, row.hit) == ("kill gateway", 2, 2, 2 * one.hit)
    assert (row.served_p50_ms, row.served_max_ms) == (one.served_ms, one.served_ms)
    assert row.simulated_served_p50_ms == theirs.served_ms


def test_the_page_names_runs_and_verdicts_and_the_same_runs_are_found_again(run, tmp_path):
    found = gathered([run], "On a full moon.")
    page = publish(REPORT, found, tmp_path, "livetable faults report X").read_text()
    assert f"({FIGURE})" in page
    assert "On a full moon." in page
    line = next(line for line in page.splitlines() if line.startswith("| kill gateway |"))
    assert len(line.split("|")) == 11
    assert (tmp_path / FIGURE).read_text().startswith("<svg")
    assert "found again" in compare(REPORT, gathered([run], "On another day."), tmp_path)
    with pytest.raises(ConfigError, match="kill gateway is now Row"):
        compare(REPORT, gathered([run, run]), tmp_path)


def test_a_run_that_ended_in_an_error_is_refused_in_one_line(tmp_path):
    failed = write_history(tmp_path / "failed", SHAPE)
    write_summary(failed, error_summary("the dealer never came up"))
    with pytest.raises(ConfigError, match=r"failed: ended in an error, .*: the dealer never came up$"):
        gathered([failed])
