"""Run notebooks from top to bottom and render each as one page: ``python notebooks/publish.py FOLDER [NAME…]``.

``LIVETABLE_RUN``, ``LIVETABLE_MODEL`` and ``LIVETABLE_SMALL`` mean what they mean in the notebooks. A page opens
anywhere: it holds its figures and loads nothing. Sliders would stand still in it and are left out.
"""

import sys
from pathlib import Path

import nbclient
import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter

HOME = Path(__file__).parent
SECONDS_MAX = 1800
BYTES_MAX = 1_500_000
WIDGET = "application/vnd.jupyter.widget-view+json"
STYLE = """
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif; }
body { color: #1d2529; background: #fff; }
pre { overflow-x: auto; padding: .6rem .8rem; font-size: .8rem; line-height: 1.4; margin: 0; }
.highlight { background: #f3f5f6; border-radius: .3rem; margin: .3rem 0; }
summary { cursor: pointer; color: #5b6b73; font-size: .85rem; }
.output_area { overflow-x: auto; margin: .6rem 0; }
.output_stdout pre { font: inherit; white-space: pre-wrap; padding: 0; }
img, svg { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
table { border-collapse: collapse; font-size: .85rem; border: 0; }
th, td { padding: .25rem .7rem; border: 0; border-bottom: 1px solid #dfe5e8; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.anchor-link { display: none; }
"""
TEMPLATE = """{% extends 'basic/index.html.j2' %}
{% block header %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources.metadata.name }}</title><style>STYLE</style></head><body><main>{% endblock %}
{% block footer %}</main></body></html>{% endblock %}
{% block input_group %}<details><summary>code</summary>{{ super() }}</details>{% endblock %}
""".replace("STYLE", STYLE)


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a run from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(HOME)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS_MAX, kernel_name="python3", resources=where).execute()
    return notebook


def page_of(notebook: nbformat.NotebookNode, name: str) -> str:
    """Return a notebook as a page: text and results, each piece of code behind a fold."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    exporter = HTMLExporter(
        template_name="basic", template_file="folded.html.j2", extra_loaders=[DictLoader({"folded.html.j2": TEMPLATE})]
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": name}})
    return page


def main(folder: str, *names: str) -> None:
    """Publish the notebooks of these names, or all, into a folder; refuse a page that is too large to be kept."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(HOME.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        page = page_of(executed(path), path.stem)
        if len(page.encode()) > BYTES_MAX:
            sys.exit(f"{path.stem}: {len(page.encode()):,} bytes, {BYTES_MAX:,} are the most that is kept")
        (out / f"{path.stem}.html").write_text(page, encoding="utf-8")
        print(f"{out / path.stem}.html: {len(page.encode()):,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
