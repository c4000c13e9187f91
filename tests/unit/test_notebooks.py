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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:.*:RuntimeWarning")
def test_the_first_look_runs_from_top_to_bottom(run, monkeypatch):
    monkeypatch.setenv("LIVETABLE_RUN", str(run.path))
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    path = next(path for path in NOTEBOOKS if path.stem == "01_first_look")
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=where).execute()
    shown = "".join(str(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "measured" in shown
    assert "Half of the bets were answered within" in shown
    assert "database commits" in shown
