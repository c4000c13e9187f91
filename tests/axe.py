"""A page as axe-core sees it."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong on a page as it stands."""
    if not AXE.exists():
        pytest.skip(f"no {AXE.name}: `make setup` installs axe-core")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [f"{wrong['id']} at {node['target']}: {wrong['help']}"
            for wrong in found["violations"] for node in wrong["nodes"]]  # fmt: skip
