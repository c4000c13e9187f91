"""Notebooks are executed on an invented Run, in their small mode and all by one kernel, and kept without outputs."""

import importlib
import os
import re
import tempfile
from pathlib import Path

import nbclient
import nbformat
import pytest
from histories import Shape, write_history
from jupyter_client.manager import KernelManager

from reference_impl.domain.errors import ConfigError
from reports.publishing import compare, publish
from reports.run import update_manifest

HOME = Path(__file__).parents[2]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
FORGET = "%reset -f"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_history(folder / "simulated", Shape(seed=2), "simulated", label="fit")
    run = update_manifest(write_history(folder / "measured"), twin="../simulated")
    settings = {"LIVETABLE_RUN": str(run.path), "LIVETABLE_SMALL": "1", "PYTHONPATH": str(HOME)}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | settings, cwd=str(HOME / "notebooks"))
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_its_question(path):
    first, second, *_ = nbformat.read(path, as_version=4).cells
    assert first.source.startswith("# ")
    assert "?**" in first.source
    assert second.cell_type == "code", "the answer comes first"


SHOWN = (
    (
        "01_first_look",
        (": of 19 checks", "half answered within", "Half of the bets were answered within", "database commits"),
    ),
    ("02_life_of_one_bet", ("until the screen answers", "The slowest tenth takes", "ms since meant", "image/png")),
    (
        "03_close_policies",
        ("more under server", "a liar 20 ms away gains", "make 95 % of these players whole", "image/png"),
    ),
    (
        "04_latency_measured_vs_simulated",
        ("beyond all others, EXTRAPOLATION", "targets missed: ", "image/svg+xml", "contention ignored", "image/png"),
    ),
    (
        "05_consistency_measured_vs_simulated",
        ("  Refused: ", "balance_age_p95_ms", "rejected_slow_share", "image/png", "0 faults struck"),
    ),
    ("06_surge_planning", ("wallet shards", "with probability 0.9", "EXTRAPOLATION", "half the gateways", "image/png")),
    ("07_encoder_ladder", ("How sure: ", "psnr_db", "frames of look-ahead change", "image/png")),
    (
        "08_what_if",
        ("twice as many players: ", "told_apart", "one shard instead of two", "gateway.utilisation_max", "widget-view"),
    ),
)
SLOW = ("05_consistency_measured_vs_simulated", "06_surge_planning", "08_what_if")
"""Notebooks that simulate for seconds even in their small mode."""


@pytest.mark.parametrize(
    ("name", "shown"),
    [pytest.param(name, shown, marks=pytest.mark.soak if name in SLOW else ()) for name, shown in SHOWN],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:.*:RuntimeWarning")
def test_a_notebook_runs_from_top_to_bottom(name, shown, kernel):
    notebook = nbformat.read(HOME / "notebooks" / f"{name}.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FORGET))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=60)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()  # the kernel goes on, for the next one
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(f"{output.get('text', '')}{output.get('data', {})}" for output in outputs)
    assert [text for text in shown if text not in said] == []


@pytest.mark.soak  # its imports take longer than all it does
def test_a_notebook_is_published_as_a_page_that_loads_nothing(publish_module):
    notebook = nbformat.read(HOME / "notebooks" / "03_close_policies.ipynb", as_version=4)
    slider = nbformat.v4.new_output("display_data", {publish_module.WIDGET: {}, "text/plain": "a slider"})
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="the answer"), slider]
    page = publish_module.page_of(notebook, "03_close_policies")
    assert "the answer" in page
    assert "a slider" not in page
    assert page.count("<details>") == page.count("</details>") == 3
    assert re.findall(r"(?:src|href)=.?https?:", page) == []


@pytest.fixture
def publish_module(monkeypatch):
    monkeypatch.syspath_prepend(HOME / "notebooks")
    return importlib.import_module("publish")


def run_notebook(answer, timed="12 ms"):
    """Return a notebook as if it had run: an answer, a table, a picture, and a cell that times the machine."""
    v4 = nbformat.v4
    table = v4.new_output(
        "display_data", {"text/html": "<style>#T_1</style><table><tr><th>n</th><td>7</td></tr></table>"}
    )
    picture = v4.new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure>"})
    stream = v4.new_output("stream", text=answer)
    clock = v4.new_output("stream", text=timed)
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Cats\n\n**How many cats are there?**"),
            v4.new_code_cell("count()", outputs=[stream, table, picture]),
            v4.new_code_cell("time()", outputs=[clock], metadata={"tags": ["timed"]}),
        ]
    )


def test_a_folder_of_notebooks_opens_with_questions_and_answers_and_tells_another_answer(publish_module, tmp_path):
    def rendered(*said):
        told = publish_module.answered(run_notebook(*said), "cats", "<p>a page</p>")
        return publish_module.Rendered(notebooks=[told], run="a-run", kind="measured", commit="abcdef123", bets=5)

    pages = {"cats.html": "<p>a page</p>"}
    page = publish(publish_module.REPORT, rendered("three cats"), tmp_path, "make notebooks", pages).read_text()
    assert "## [Cats](cats.html)\n\n**How many cats are there?**\n\n```text\nthree cats\nn | 7\n```" in page
    assert compare(publish_module.REPORT, rendered("three cats", "13 ms"), tmp_path).endswith("found again")
    with pytest.raises(ConfigError, match="cats says something else; its answer is now: 'four cats"):
        compare(publish_module.REPORT, rendered("four cats"), tmp_path)


def told_of(publish_module, name, answer, run="a-run"):
    told = publish_module.answered(run_notebook(answer), name, "<p>a page</p>")
    return publish_module.Rendered(notebooks=[told], run=run, kind="measured", commit="abcdef123", bets=5)


def test_what_is_published_of_other_notebooks_stays(publish_module, tmp_path, monkeypatch):
    monkeypatch.setattr(publish_module, "NAMES", {"cats", "dogs"})
    publish(publish_module.REPORT, told_of(publish_module, "dogs", "two dogs"), tmp_path, "c", {"dogs.html": "old"})
    cats = told_of(publish_module, "cats", "a cat", run="")
    found, pages = publish_module.with_others(tmp_path, cats, {"cats.html": "new"})
    assert [(each.name, each.answer.splitlines()[0]) for each in found.notebooks] == [
        ("cats", "a cat"), ("dogs", "two dogs"),
    ]  # fmt: skip
    assert (found.run, pages) == ("a-run", {"cats.html": "new", "dogs.html": "old"})
    again, _ = publish_module.with_others(tmp_path, told_of(publish_module, "dogs", "three"), {"dogs.html": "new"})
    assert [each.answer.splitlines()[0] for each in again.notebooks] == ["three"]
    with pytest.raises(ConfigError, match="is of the run a-run, these notebooks looked at another: publish all"):
        publish_module.with_others(tmp_path, told_of(publish_module, "cats", "a cat", "another"), {"cats.html": "new"})


@pytest.mark.parametrize("where", [HOME, Path.home(), Path(tempfile.gettempdir())], ids=["tree", "home", "temporary"])
def test_a_page_that_names_a_place_on_this_machine_is_refused(publish_module, where):
    publish_module.refuse_places("cats", "<p>a cat</p><img src='data:image/png;base64,AA/tmp/AA'>")
    with pytest.raises(ConfigError, match=f"cats: its page names {where}, a place on this machine"):
        publish_module.refuse_places("cats", f"<p>a cat in {where}/basket</p>")


def test_only_cells_that_measure_this_machine_are_left_out_of_comparisons():
    timed = [
        path.stem
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        if "timed" in cell.metadata.get("tags", ()) and cell.cell_type == "code"
    ]
    assert set(timed) == {"06_surge_planning", "07_encoder_ladder"}
    assert timed.count("06_surge_planning") == 1


def test_every_notebook_is_run():
    assert [name for name, _ in SHOWN] == [path.stem for path in NOTEBOOKS]
