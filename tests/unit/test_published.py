"""What is published follows from the aggregates beside it: nobody edited a figure, and today's code draws the same."""

from pathlib import Path

import pytest

from loadtest import accuracy, million, zoo
from loadtest.bench import balance, wallet_report
from reports import fault_report
from reports.publishing import MANIFEST, Recipe, hold

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"
RECIPES = (accuracy.REPORT, balance.REPORT, wallet_report.REPORT, million.REPORT, fault_report.REPORT, zoo.REPORT)
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
