"""What is published follows from the aggregates beside it: nobody edited a figure, and today's code draws the same."""

import importlib.util
from pathlib import Path

import pytest

from loadtest import accuracy, million, zoo
from loadtest.bench import balance, wallet_report
from reports import fault_report
from reports.publishing import MANIFEST, Recipe, hold

HOME = Path(__file__).parents[2]
PUBLISHED = HOME / "reports" / "published"


def notebooks_report() -> Recipe:
    spec = importlib.util.spec_from_file_location("publish_notebooks", HOME / "notebooks" / "publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.REPORT


RECIPES = (
    accuracy.REPORT, balance.REPORT, wallet_report.REPORT, million.REPORT, fault_report.REPORT, zoo.REPORT,
    notebooks_report(),
)  # fmt: skip
ASKED = ("**Question.**", "**Answer.**", "**Method.**", "**Threats.**", "**Command")
SEALED = sorted(folder.parent.name for folder in PUBLISHED.glob(f"*/{MANIFEST}"))


def recipe_of(folder: Path) -> Recipe | None:
    return next((recipe for recipe in RECIPES if (folder / recipe.file).exists()), None)


@pytest.mark.parametrize("name", SEALED)
def test_page_and_figures_are_those_of_the_aggregates(name):
    recipe = recipe_of(PUBLISHED / name)
    if recipe is None:
        pytest.skip(f"{name}: not made by a recipe of the packages")
    hold(recipe, PUBLISHED / name)
    page = (PUBLISHED / name / "README.md").read_text(encoding="utf-8")
    assert [part for part in ASKED if part not in page] == []


def test_reports_are_published():
    assert len(SEALED) >= 2
