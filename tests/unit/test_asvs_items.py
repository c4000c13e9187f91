"""Every item of OWASP ASVS 5.0 that applies here has a test whose name carries it."""

import re
from pathlib import Path

ITEMS = (
    "2.2.1", "2.2.2", "2.2.3", "2.3.1", "2.3.3", "2.3.4", "2.4.1", "4.1.3", "4.4.1", "4.4.2", "4.4.3", "4.4.4", "6.3.1",
    "7.4.1", "7.4.2", "7.4.3", "7.4.5", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.2.4", "15.3.4",
    "15.4.2",
)  # fmt: skip


def test_every_item_that_applies_has_a_test() -> None:
    names = re.compile(r"def test_\w+_asvs_(\d+_\d+_\d+)\(")
    tests = Path(__file__).parents[1] / "integration"
    found = {item.replace("_", ".") for file in tests.glob("test_*.py") for item in names.findall(file.read_text())}
    assert found == set(ITEMS)
