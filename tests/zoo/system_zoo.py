"""Meeting a bug of the processes around the ledger: a copy of the project runs a short campaign on itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from zoo.bug import ROOT, Bug
from zoo.system_bugs import NO_REPORT, SLOW_CLOCKS

PARTS = ("livetable", "reference_impl", "sim", "loadtest", "reports")
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
[[scenario.crowds]]
kind = "lobby-browser"
count = 8
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


def meet(bug: Bug | None, folder: Path) -> tuple[str, dict[str, str], Path]:
    """Run the campaign of a copy with this bug in it, or with none.

    Returns
    -------
    (str, dict of str to str, Path)
        The verdict, what each check said, and the run's folder.
    """
    copy = _copy_project(folder, *([bug] if bug else ()))
    return *_campaign(copy), copy / "runs" / "latest"


def _copy_project(folder: Path, *bugs: Bug) -> Path:
    copy = folder / "project"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    for bug in (SLOW_CLOCKS, NO_REPORT, *bugs):
        (copy / bug.file).write_text(bug.patched(), encoding="utf-8")
    (copy / "zoo.toml").write_text(CAMPAIGN, encoding="utf-8")
    return copy


def _campaign(copy: Path) -> tuple[str, dict[str, str]]:
    """Run the copy's campaign with the copy's own code; return its verdict and what each check said."""
    ended = subprocess.run(
        [sys.executable, "-m", "livetable", "campaign", "run", "zoo.toml", "--out", "runs"],
        cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode not in VERDICTS.values():
        raise OSError(f"the campaign ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    summary = json.loads((copy / "runs" / "latest" / "summary.json").read_text(encoding="utf-8"))
    assert VERDICTS[summary["verdict"]] == ended.returncode
    return summary["verdict"], summary["checks"]
