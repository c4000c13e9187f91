"""Run notebooks from top to bottom and render each as a page: ``python notebooks/publish.py FOLDER [--check] [NAME…]``.

``LIVETABLE_RUN``, ``LIVETABLE_MODEL`` and ``LIVETABLE_SMALL`` mean what they mean in the notebooks. A page opens
anywhere: it holds its figures and loads nothing. Sliders would stand still in it and are left out.

The folder also gets a page of questions and answers; what is published of notebooks that are not named stays. With
``--check`` notebooks run again and must say the same, except for cells with the tag ``timed``, which measure the
machine that they run on.
"""

import argparse
import hashlib
import html
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs
from nbformat import NotebookNode
from nbformat import read as read_notebook

from reference_impl.domain.errors import ConfigError, LabError
from reports.publishing import Recipe, Report, conclude, read
from reports.run import open_run

HOME = Path(__file__).parent
NAMES = frozenset(path.stem for path in HOME.glob("*.ipynb"))
SECONDS_MAX = 1800
BYTES_MAX = 1_000_000
ANSWER_MAX = 2_000
"""Characters of an answer that the page of answers shows."""

TIMED = "timed"
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
@media (max-width: 40rem) { .output_area img, .output_area svg { max-width: none; width: 40rem; } }
"""
TEMPLATE = """{% extends 'basic/index.html.j2' %}
{% block header %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources.metadata.name }}</title><style>STYLE</style></head><body><main>{% endblock %}
{% block footer %}</main></body></html>{% endblock %}
{% block input_group %}<details><summary>code</summary>{{ super() }}</details>{% endblock %}
""".replace("STYLE", STYLE)


class Answered(Struct, frozen=True, kw_only=True):
    """A notebook that was run: its question, what its first code said, and a digest of all that must not change."""

    name: str
    title: str
    question: str
    answer: str
    sha256: str
    bytes: int


class Rendered(Struct, frozen=True, kw_only=True):
    """The notebooks of a folder, and the Run that they look at, if any does."""

    notebooks: list[Answered]
    run: str = ""
    kind: str = ""
    commit: str = ""
    bets: int = 0


def executed(path: Path) -> NotebookNode:
    """Return a notebook with the outputs of a run from top to bottom."""
    import nbclient  # noqa: PLC0415 - takes longer to load than whatever does without it

    notebook = read_notebook(path, as_version=4)
    where = {"metadata": {"path": str(HOME)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS_MAX, kernel_name="python3", resources=where).execute()
    return notebook


def page_of(notebook: NotebookNode, name: str) -> str:
    """Return a notebook as a page: text and results, each piece of code behind a fold."""
    from jinja2 import DictLoader  # noqa: PLC0415 - as above
    from nbconvert import HTMLExporter  # noqa: PLC0415

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    exporter = HTMLExporter(
        template_name="basic", template_file="folded.html.j2", extra_loaders=[DictLoader({"folded.html.j2": TEMPLATE})]
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": name}})
    return page


def answered(notebook: NotebookNode, name: str, page: str) -> Answered:
    """Return what is told of a notebook that was run."""
    opening = notebook.cells[0].source
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    steady = [cell for cell in code if TIMED not in cell.metadata.get("tags", ())]
    kept = "\n".join(text for cell in steady for text in said(cell.outputs))
    title, question = opening.splitlines()[0].removeprefix("# "), re.findall(r"\*\*(.+?\?)\*\*", opening)[0]
    return Answered(
        name=name, title=title, question=question,
        answer="\n".join(said(code[0].outputs)).strip()[:ANSWER_MAX],
        sha256=hashlib.sha256(kept.encode()).hexdigest(), bytes=len(page.encode()),
    )  # fmt: skip


def said(outputs: Iterable[NotebookNode]) -> Iterator[str]:
    """Return the words of a cell's outputs: what is printed and what stands in tables, without pictures."""
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream" and output.name == "stdout":
            yield output.text.rstrip()
        elif "text/html" in data and "<table" in data["text/html"]:
            yield words_of(data["text/html"])
        elif "text/plain" in data and not any(kind.startswith(("image/", "text/html", WIDGET)) for kind in data):
            yield re.sub(r" at 0x[0-9a-f]+", "", data["text/plain"])


def words_of(table: str) -> str:
    """Return the words of an HTML table, a line a row."""
    bare = re.sub(r"<style.*?</style>|\n", " ", table, flags=re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", bare)
    cells = (
        [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.split(r"</t[hd]>", row)] for row in rows
    )
    return "\n".join(" | ".join(row).strip(" |") for row in cells)


def report_of(found: Rendered) -> Report:
    """Return the page of questions and answers."""
    run = f"Run: `{found.run}`, {found.kind}, {found.bets:,} bets, commit `{found.commit[:7]}`."
    parts = [run] if found.run else []
    parts += [
        f"## [{each.title}]({each.name}.html)\n\n**{each.question}**\n\n```text\n{each.answer}\n```"
        for each in found.notebooks
    ]
    return Report(tables="\n\n".join(parts), figures={}, opening=OPENING, closing=CLOSING)


def differences(published: Rendered, found: Rendered) -> Iterator[str]:
    """Return which notebooks say something else, a line each."""
    if found.run and (published.run, published.commit) != (found.run, found.commit):
        yield f"the run is {found.run} of commit {found.commit}, published is {published.run} of {published.commit}"
    known = {each.name: each for each in published.notebooks}
    for now in found.notebooks:
        if now.name not in known:
            yield f"{now.name} is not published"
        elif known[now.name].sha256 != now.sha256:
            yield f"{now.name} says something else; its answer is now: {now.answer[:200]!r}"


REPORT: Final = Recipe(file="notebooks.json", content=Rendered, report_of=report_of, differences=differences)

OPENING: Final = """\
# The notebooks, run in full

**Question.** What do the notebooks say of one Run: were promises kept, where does a bet's time go, what is fair, how
far can the simulation be believed, what does a surge need, what do bit rates buy?

**Answer.** Each notebook's own answer stands below, as it printed it. Its page opens anywhere and loads nothing; code
is behind folds."""

CLOSING: Final = """\
**Method.** Every notebook is executed from top to bottom, in full, on the Run that is named above or by simulation
alone, and rendered with what it printed and drew.

**Intervals.** In brackets behind a Run's quantiles: 95 %, from resampling its rounds. Behind simulated figures:
Student's, 95 %, over replications or pairs. Behind errors of predictions: 95 %, over runs.

**Threats.** One Run is one evening: its intervals know of its rounds and not of other evenings. Cells that time this
machine (passwords, encoding) say what it was then. What a notebook does not say stands at its end.

**Command.**

```
LIVETABLE_RUN=runs/NAME make notebooks OUT=reports/published/NAME
```

`make notebooks OUT=… CHECK=--check` runs them again and compares what they say; cells that time the machine are left
out."""


def main(arguments: list[str]) -> None:
    """Publish the notebooks of these names, or all, into a folder; refuse a page that is too large to be kept."""
    parser = argparse.ArgumentParser(description="Run notebooks and render them.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--check", action="store_true", help="run them again and compare with what is published")
    asked = parser.parse_args(arguments)
    for name in ("LIVETABLE_RUN", "LIVETABLE_MODEL"):
        if name in os.environ:  # kernels work in another folder than who asked
            os.environ[name] = str(Path(os.environ[name]).resolve())
    known = {path.stem: path for path in sorted(HOME.glob("*.ipynb"))}
    if unknown := sorted(set(asked.names) - known.keys()):
        sys.exit(f"there is no notebook {unknown[0]!r}; there are {', '.join(known)}")
    found, pages = render([path for name, path in known.items() if not asked.names or name in asked.names])
    if not asked.check and (asked.folder / REPORT.file).exists():
        found, pages = with_others(asked.folder, found, pages)
    command = f"LIVETABLE_RUN=… make notebooks OUT={asked.folder}"
    print(conclude(REPORT, found, asked.folder, command, check=asked.check, pages=pages))


def render(paths: list[Path]) -> tuple[Rendered, dict[str, str]]:
    """Run notebooks; return what they say, and their pages by file name."""
    facts = about_run() if any("LIVETABLE_RUN" in path.read_text(encoding="utf-8") for path in paths) else {}
    told, pages = [], {}
    for path in paths:
        notebook = executed(path)
        page = page_of(notebook, path.stem)
        refuse_places(path.stem, page)
        told.append(answered(notebook, path.stem, page))
        if told[-1].bytes > BYTES_MAX:
            sys.exit(f"{path.stem}: {told[-1].bytes:,} bytes, {BYTES_MAX:,} are the most that is kept")
        pages[f"{path.stem}.html"] = page
        print(f"{path.stem}: {told[-1].bytes:,} bytes", file=sys.stderr)
    return Rendered(notebooks=told, **facts), pages


def with_others(folder: Path, found: Rendered, pages: dict[str, str]) -> tuple[Rendered, dict[str, str]]:
    """Return what was rendered, together with what a folder holds of other notebooks.

    Raises
    ------
    ConfigError
        If these look at another Run.
    """
    known = read(REPORT, folder)
    others = [each for each in known.notebooks if f"{each.name}.html" not in pages and each.name in NAMES]
    if others and found.run and known.run and found.run != known.run:
        raise ConfigError(f"{folder}: is of the run {known.run}, these notebooks looked at {found.run}: publish all")
    texts = {f"{each.name}.html": (folder / f"{each.name}.html").read_text(encoding="utf-8") for each in others}
    both = sorted([*found.notebooks, *others], key=lambda each: each.name)
    return structs.replace(found if found.run else known, notebooks=both), texts | pages


def refuse_places(name: str, page: str) -> None:
    """Refuse a page that tells where on this machine it was made.

    Raises
    ------
    ConfigError
        Names the notebook and the place.
    """
    words = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", page)
    places = {str(HOME.parent), str(Path.home()), tempfile.gettempdir()} - {"/"}
    for place in sorted(places, key=len, reverse=True):  # the narrowest first: one may lie in another
        if re.search(rf"{re.escape(place)}(?![\w-])", words):
            raise ConfigError(f"{name}: its page names {place}, a place on this machine")


def about_run() -> dict[str, Any]:
    """Return what is told of the Run that the notebooks look at."""
    run = open_run(os.environ.get("LIVETABLE_RUN", HOME.parent / "runs" / "latest"))
    bets = int((run.ops["round"] > 0).sum())
    return {
        "run": run.path.resolve().name, "kind": run.manifest["kind"], "commit": run.manifest["commit"], "bets": bets,
    }  # fmt: skip


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        sys.exit(str(error))
