"""Notebooks are executed on an invented Run and kept without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest
from histories import Shape, write_history

from reports.run import update_manifest

HOME = Path(__file__).parents[2]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_history(folder / "simulated", Shape(seed=2), "simulated", label="fit")
    return update_manifest(write_history(folder / "measured"), twin="../simulated")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize(("name", "shown"), [
    ("01_first_look", ("measured", "Half of the bets were answered within", "database commits")),
    ("02_life_of_one_bet", ("until the screen answers", "ms since meant", "image/png")),
    ("03_close_policies", ("a liar 20 ms away gains", "make 95 % of these players whole", "image/png")),
    ("04_latency_measured_vs_simulated", ("beyond all others", "image/svg+xml", "contention ignored", "image/png")),
    ("05_consistency_measured_vs_simulated", ("balance_age_p95_ms", "rejected_slow_share", "image/png")),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:.*:RuntimeWarning")
def test_a_notebook_runs_from_top_to_bottom(name, shown, run, monkeypatch):
    monkeypatch.setenv("LIVETABLE_RUN", str(run.path))
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    path = HOME / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(f"{output.get('text', '')}{output.get('data', {})}" for output in outputs)
    assert [text for text in shown if text not in said] == []


def test_every_notebook_is_run():
    marks = test_a_notebook_runs_from_top_to_bottom.pytestmark
    (cases,) = (mark.args[1] for mark in marks if mark.name == "parametrize")
    assert [name for name, _ in cases] == [path.stem for path in NOTEBOOKS]
