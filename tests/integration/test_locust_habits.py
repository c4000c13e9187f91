"""What Locust's users know keeps working: its page shows and stops a campaign, its CSV files say how it went."""

import asyncio
import csv
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.adapters.base import Target
from loadtest.campaign import run_campaign
from loadtest.config import parse_campaign
from loadtest.elsewhere import Elsewhere
from loadtest.generator import Habits
from reference_impl.domain.records import OpKind
from reference_impl.stack.processes import end, free_port, spawn
from reports.run import open_run

PLAYERS = 10
LOAD_S = 30
CAMPAIGN = f"""
name = "habits"

[health]
lag_p99_ms_max = 2000
timer_lag_p95_ms_max = 2000

[scenario]
tables = 1
players_per_table = {PLAYERS}
ramp_s = 0.5
load_s = {LOAD_S}
answer_s_max = 1.0

[scenario.timing]
window_ms = 3000
closing_soon_ms = 1000
dealing_ms = 500
pause_ms = 300
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Elsewhere]:
    port = free_port()
    process = spawn([sys.executable, "-m", "loadtest.bench.house", str(port)], tmp_path / "house.log")
    yield Elsewhere(Target(f"ws://127.0.0.1:{port}"), "loadtest.bench.house_adapter:HouseTable")
    end([(process, 15)], 5)


def asked(port: int, path: str, method: str = "GET") -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def wait_for_bets(port: int) -> dict[str, Any]:
    """Return what the page shows of each kind of operation, once everybody is there and bets."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            shown = {row["name"]: row for row in json.loads(asked(port, "/stats/requests"))["stats"]}
        except urllib.error.URLError:
            shown = {}
        if "bettor bet" in shown and shown["bettor login"]["num_requests"] == PLAYERS:
            return shown
        time.sleep(0.2)
    raise AssertionError("the page showed no bet, or not everybody")


def listeners(port: int) -> set[str]:
    """Return the addresses on which something listens at a port, as /proc/net writes them."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {line[1].split(":")[0] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.timeout(120)
@pytest.mark.soak
async def test_page_shows_our_names_on_loopback_and_stops_the_load_whose_run_is_then_invalid(
    tmp_path: Path, house: Elsewhere
) -> None:
    port = free_port()
    began_s = time.monotonic()
    running = asyncio.create_task(
        run_campaign(
            parse_campaign(CAMPAIGN), tmp_path / "runs", progress=False, elsewhere=house,
            habits=Habits(ui=True, ui_port=port),
        )
    )  # fmt: skip
    shown = await asyncio.to_thread(wait_for_bets, port)
    assert listeners(port) == {"0100007F"}, "127.0.0.1 and nothing else"
    assert b"<title>Locust" in await asyncio.to_thread(asked, port, "/")
    assert {"bettor login", "bettor connect", "bettor bet", "Aggregated"} <= set(shown)
    assert json.loads(await asyncio.to_thread(asked, port, "/stop", "POST"))["success"]
    result = await running

    assert time.monotonic() - began_s < LOAD_S, "stopped before its time"
    assert result.verdict == "invalid", "nobody measured what the campaign asked for"
    run = open_run(result.run_path)
    bets = int((run.ops["kind"] == OpKind.BET).sum())
    assert bets > 0
    by_name = {row["Name"]: row for row in rows_of(result.run_path / "locust_stats.csv")}
    assert int(by_name["bettor login"]["Request Count"]) == PLAYERS
    assert 0 < int(by_name["bettor bet"]["Request Count"]) <= bets
    assert int(by_name["Aggregated"]["Request Count"]) == sum(
        int(row["Request Count"]) for name, row in by_name.items() if name != "Aggregated"
    )
    history = rows_of(result.run_path / "locust_stats_history.csv")
    times_s = [int(row["Timestamp"]) for row in history]
    assert times_s == sorted(times_s)
    assert {row["Name"] for row in history} == {"Aggregated"}
    assert max(int(row["Total Request Count"]) for row in history) > PLAYERS
    assert (result.run_path / "locust_failures.csv").exists()
