"""The published page says of each kind of fault what the Run says, and keeps measured and simulated apart."""

from dataclasses import replace

import pytest
from histories import DEMO, write_history

from reports.fault_report import FIGURE, PAGE, publish, rows, seen
from reports.judgement import judge
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
    (row,) = rows([seen(run), seen(run)])
    assert (row.name, row.n, row.simulated_n, row.hit) == ("kill gateway", 2, 2, 2 * one.hit)
    assert (row.served_p50_ms, row.served_max_ms) == (one.served_ms, one.served_ms)
    assert row.simulated_served_p50_ms == theirs.served_ms


def test_the_page_names_runs_verdicts_and_the_command_that_writes_it_again(run, tmp_path):
    page = publish([seen(run)], tmp_path / "out", "livetable faults report X", "On a full moon.").read_text()
    assert "`livetable faults report X`" in page
    assert f"({FIGURE})" in page
    assert "On a full moon." in page
    line = next(line for line in page.splitlines() if line.startswith("| kill gateway |"))
    assert len(line.split("|")) == 11
    assert (tmp_path / "out" / FIGURE).read_text().startswith("<svg")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted([PAGE, FIGURE])
