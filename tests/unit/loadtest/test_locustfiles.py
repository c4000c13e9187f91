"""Locust puts the folder of its file before all others: what stands beside it must hide nothing that it imports."""

from pathlib import Path

import pytest

LOADTEST = Path(__file__).parents[3] / "loadtest"
FILES = sorted(LOADTEST.rglob("*locustfile.py"))
ROOTS = {"reference_impl", "sim", "reports", "loadtest", "locust", "gevent"}


def test_every_entry_is_looked_at() -> None:
    assert {file.parent.name for file in FILES} == {"users", "plain"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_nothing_beside_a_locustfile_hides_a_package(file: Path) -> None:
    assert not ROOTS & {sibling.stem for sibling in file.parent.iterdir()}
