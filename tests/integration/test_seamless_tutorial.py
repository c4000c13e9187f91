"""The tutorial's commands do what the tutorial says."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from loadtest.kit.cases import CASES
from loadtest.kit.profile import Profile, load_profile
from reference_impl.stack.processes import free_port

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorials" / "test-your-wallet.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


def script(port: int) -> str:
    """Return the commands, in order, as they stand there but for the port; each followed by its exit code."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    said = []
    for line in lines:
        said.append(line.replace("8099", str(port)))
        said.append("until [ -s tokens.txt ]; do sleep 0.1; done" if line.endswith("&") else 'echo "exit $?"')
    return "\n".join(["trap 'kill $(jobs -p)' EXIT", *said])


@pytest.mark.soak  # two processes and a load
def test_the_tutorials_commands_do_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "wallet.toml").write_text(blocks("toml")[0])
    command = tmp_path / "livetable"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m livetable "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script(free_port())], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    shown = done.stdout + done.stderr
    assert re.findall(r"exit (\d)", done.stdout) == ["0", "0", "0", "3", "0"], shown
    assert f"{len(CASES)} cases: {len(CASES)} pass" in done.stdout
    assert "expected 200, got 402 INSUFFICIENT_FUNDS" in done.stderr
    assert "pass: every balance is what our own books say" in done.stdout
    assert ET.parse(tmp_path / "kit.xml").getroot().get("tests") == str(len(CASES))  # noqa: S314 - our own file


def test_the_tutorials_profile_is_the_default_one(tmp_path: Path) -> None:
    (tmp_path / "wallet.toml").write_text(blocks("toml")[0])
    assert load_profile(tmp_path / "wallet.toml") == Profile()
    assert f"{len(CASES)} cases: {len(CASES)} pass" in TUTORIAL
