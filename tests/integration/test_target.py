"""Campaigns against a system that was started elsewhere."""

import asyncio
import dataclasses
import json
import os
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtest.adapters.base import Target
from loadtest.campaign import run_campaign
from loadtest.config import parse_campaign
from loadtest.elsewhere import Elsewhere
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack
from reports.run import open_run

CAMPAIGN = """
name = "target"
skippable = []
slo = ["bet.unknown_share <= 0"]

[health]
lag_p99_ms_max = 2000
timer_lag_p95_ms_max = 2000

[scenario]
tables = 1
players_per_table = 8
ramp_s = 1.0
load_s = 5.0

[scenario.timing]
window_ms = 1500
closing_soon_ms = 500
dealing_ms = 500
pause_ms = 300
"""

KILLED_AFTER_BYTES = 2_000

QUICK = dataclasses.replace(StackConfig().password_cost, memory_kib=64, iterations=1)
LEDGER = ("acknowledged_is_durable", "unknowns_resolved", "conservation", "account_chains", "non_negative")


@pytest.mark.soak  # a whole campaign beside a whole system
async def test_campaign_drives_a_system_started_elsewhere_and_says_what_it_cannot_know(tmp_path: Path) -> None:
    campaign = parse_campaign(CAMPAIGN)
    timing = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=500, pause_ms=300)
    config = StackConfig(
        tables=1, gateways=1, shards=2, edges=0, timing=timing, data_dir=str(tmp_path / "data"), password_cost=QUICK
    )
    async with Stack(config) as stack:
        there = Elsewhere(Target(stack.api_url, stack.admin_token, tuple(stack.dsns)))
        first = await run_campaign(campaign, tmp_path / "runs", progress=False, elsewhere=there)
        short = replace(campaign, scenario=replace(campaign.scenario, load_s=2.0))
        again = await run_campaign(short, tmp_path / "runs", progress=False, elsewhere=there)
        token = stack.admin_token

    assert first.verdict == "pass", first.message
    checks = json.loads((first.run_path / "checks.json").read_text())
    assert [checks[name]["status"] for name in LEDGER] == ["ok"] * len(LEDGER)
    assert checks["timeline"]["status"] == "skipped"
    run = open_run(first.run_path)
    assert len(run.ops) > 16
    assert not run.manifest["capabilities"]["stages"]

    assert again.verdict == "pass", again.message
    checks = json.loads((again.run_path / "checks.json").read_text())
    assert {checks[name]["status"] for name in LEDGER} == {"skipped"}, "the ledger holds the first load's bets"

    kept = [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert not [file for file in kept if token.encode() in file.read_bytes()], "the admin token was written down"


def kill_the_writer_of(out: Path, name: str) -> None:
    """Send SIGKILL to whoever has a record file open, once it holds something."""
    deadline_s = time.monotonic() + 60
    while not any(file.stat().st_size > KILLED_AFTER_BYTES for file in out.glob(f"*/records/{name}")):
        assert time.monotonic() < deadline_s, "the worker recorded nothing"
        time.sleep(0.02)
    (file,) = out.glob(f"*/records/{name}")
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found = entry.resolve() == file
        except OSError:  # it was closed while we looked
            continue
        if found:
            os.kill(int(entry.parts[2]), signal.SIGKILL)


@pytest.mark.soak
async def test_records_of_a_killed_worker_are_in_the_run_and_the_verdict_says_that_one_fell_silent(
    tmp_path: Path,
) -> None:
    campaign = parse_campaign(CAMPAIGN)
    campaign = replace(
        campaign, workers=2, health=replace(campaign.health, silent_s_max=2.5),
        scenario=replace(campaign.scenario, load_s=8.0),
    )  # fmt: skip
    config = StackConfig(
        tables=1, gateways=1, shards=1, edges=0, timing=campaign.scenario.timing, password_cost=QUICK
    )  # fmt: skip
    async with Stack(config) as stack:
        there = Elsewhere(Target(stack.api_url, stack.admin_token, tuple(stack.dsns)))
        running = asyncio.create_task(run_campaign(campaign, tmp_path, progress=False, elsewhere=there))
        await asyncio.to_thread(kill_the_writer_of, tmp_path, "ops-w1.bin")
        result = await running

    assert result.verdict == "invalid", result.message
    run = open_run(result.run_path)
    summary = json.loads((result.run_path / "summary.json").read_text())
    assert "silent" in json.dumps(summary)
    assert set(run.generator["worker"]) == {0, 1}
    checks = json.loads((result.run_path / "checks.json").read_text())
    assert checks["acknowledged_is_durable"]["status"] == "ok", "what it sent is known, though it never saw the answer"
