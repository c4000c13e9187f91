"""The pages of clauses and of threats name tests and checks that exist, and leave no line without a test."""

import ast
import re
from pathlib import Path

import pytest

from reports.checks import CHECKS

ROOT = Path(__file__).parents[2]
CLAUSES_PAGE = "docs/CLAUSES.md"
PAGES = (CLAUSES_PAGE, "docs/THREATS.md")
CLAUSES = {
    "2.2", "2.4.1", "4.15", "2.5.3", "2.5.4", "2.5.7", "2.8.1", "2.8.2", "2.8.5", "2.8.8", "4.3.3", "4.16",
    "A.3.7", "A.3.8", "A.6.4", "B.3.2", "B.3.5", "C.6.4", "NJ 13:69O-1.8",
}  # fmt: skip
QUOTED = re.compile(r"`([^`]+)`")


def rows(page: str) -> list[list[str]]:
    lines = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def functions_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_clause_is_on_its_page() -> None:
    assert {clause for row in rows(CLAUSES_PAGE) for clause in row[0].split(", ")} == CLAUSES


@pytest.mark.parametrize("page", PAGES)
def test_every_line_has_a_test(page: str) -> None:
    assert rows(page)
    assert all(QUOTED.findall(row[2]) for row in rows(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_named_test_exists(page: str) -> None:
    for what, _, tests, _ in rows(page):
        for named in QUOTED.findall(tests):
            file, _, test = named.partition("::")
            known = functions_in(ROOT / file)
            assert test in known, f"{what}: {named}"


@pytest.mark.parametrize("page", PAGES)
def test_every_named_check_is_one_of_a_runs(page: str) -> None:
    named = {name for row in rows(page) for name in QUOTED.findall(row[3])}
    assert named <= set(CHECKS), named - set(CHECKS)
