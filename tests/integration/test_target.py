"""Campaigns against a system that was started elsewhere."""

import json
from pathlib import Path

from msgspec.structs import replace

from loadtest.adapters.base import Target
from loadtest.campaign import run_campaign
from loadtest.config import parse_campaign
from loadtest.elsewhere import Elsewhere
from reference_impl.domain.game_round import Timing
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

LEDGER = ("acknowledged_is_durable", "unknowns_resolved", "conservation", "account_chains", "non_negative")


async def test_campaign_drives_a_system_started_elsewhere_and_says_what_it_cannot_know(tmp_path: Path) -> None:
    campaign = parse_campaign(CAMPAIGN)
    timing = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=500, pause_ms=300)
    config = StackConfig(tables=1, gateways=1, shards=2, edges=0, timing=timing, data_dir=str(tmp_path / "data"))
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
