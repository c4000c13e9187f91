"""Bugs seeded into a copy of the whole project are caught by a short campaign that the copy runs on itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from zoo.bug import ROOT, Bug, as_parameters
from zoo.system_bugs import SLOW_CLOCKS, SYSTEM_BUGS

from reference_impl.domain.bets import Status
from reports.checks import CHECKS
from reports.run import open_run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(180)]

PARTS = ("reference_impl", "sim", "loadtest", "reports")
VERDICTS = {"pass": 0, "slo": 2, "consistency": 3, "invalid": 4}
CAMPAIGN = """
# Bets come in two bursts, so that batches are full, and right at the cut-off, so that some are late.
name = "zoo"
simulate = false
slo = ["bet.p99_ms <= 5000", "bet.unknown_share <= 0"]
[scenario]
players_per_table = 12
ramp_s = 0.5
load_s = 5.0
seed = 7
[scenario.timing]
window_ms = 1200
closing_soon_ms = 500
dealing_ms = 200
pause_ms = 150
flush_ms_max = 300
[scenario.betting]
bets_per_round_mean = 4.0
[scenario.betting.timing]
repeat_share = 0.5
repeat_mean_s = 0.05
late_mean_s = 0.02
[health]
lag_p99_ms_max = 1000.0
timer_lag_p95_ms_max = 1000.0
"""


@pytest.mark.parametrize("bug", as_parameters(SYSTEM_BUGS))
def test_a_seeded_bug_fails_its_campaign(bug: Bug, tmp_path: Path, must_catch) -> None:
    copy = copy_project(tmp_path, bug)
    verdict, checks = campaign(copy)
    must_catch(bug, checks)
    assert verdict in {"consistency", "invalid"}


def test_without_a_bug_the_campaign_finds_nothing(tmp_path: Path) -> None:
    copy = copy_project(tmp_path)
    assert campaign(copy) == ("pass", dict.fromkeys(CHECKS, "ok"))
    statuses = open_run(copy / "runs" / "latest").ops["status"]
    assert (statuses == Status.WINDOW_CLOSED).any(), "no bet came late: the cut-off was not put to the test"


def copy_project(folder: Path, *bugs: Bug) -> Path:
    copy = folder / "project"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copy(ROOT / "livetable.py", copy)
    for bug in (SLOW_CLOCKS, *bugs):
        (copy / bug.file).write_text(bug.patched(), encoding="utf-8")
    (copy / "zoo.toml").write_text(CAMPAIGN, encoding="utf-8")
    return copy


def campaign(copy: Path) -> tuple[str, dict[str, str]]:
    """Run the copy's campaign with the copy's own code; return its verdict and what each check said."""
    ended = subprocess.run(
        [sys.executable, "livetable.py", "campaign", "run", "zoo.toml", "--out", "runs"],
        cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode not in VERDICTS.values():
        raise OSError(f"the campaign ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    summary = json.loads((copy / "runs" / "latest" / "summary.json").read_text(encoding="utf-8"))
    assert VERDICTS[summary["verdict"]] == ended.returncode
    return summary["verdict"], summary["checks"]
