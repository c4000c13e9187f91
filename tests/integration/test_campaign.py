"""A whole campaign against the real system: servers, services, Locust, fault, checks, report."""

import asyncio
import json
from pathlib import Path

import pytest
from left_behind import processes_below

from loadtest.campaign import run_campaign
from loadtest.config import CAMPAIGNS, load_campaign, parse_campaign
from reference_impl.domain.records import FetchKind, OpKind
from reports.run import Run, open_run
from reports.users import adversary_gain

pytestmark = pytest.mark.timeout(150)


def under_load(out: Path) -> bool:
    return any(out.glob("*/records/ops-w0.bin"))


def only_run(out: Path) -> Run:
    (folder,) = out.glob("*-smoke")
    return open_run(folder)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs")
    result = asyncio.run(run_campaign(load_campaign(CAMPAIGNS / "smoke.toml"), out, progress=False))
    assert result.verdict in {"pass", "slo", "invalid"}, result.message
    assert (out / "latest").resolve() == result.run_path
    assert processes_below(out) == []
    return open_run(out / "latest")


def test_every_check_of_the_smoke_campaign_is_ok(smoke: Run) -> None:
    checks = json.loads((smoke.path / "checks.json").read_text())
    assert {name: check["status"] for name, check in checks.items() if check["status"] != "ok"} == {}


def test_everybody_logs_in_and_does_what_their_kind_does(smoke: Run) -> None:
    players, adversaries, browsers = set(range(1, 21)), {25, 26}, {27, 28}
    by_kind = {kind: set(smoke.ops.loc[smoke.ops["kind"] == kind, "account"]) for kind in OpKind}
    assert by_kind[OpKind.LOGIN] == by_kind[OpKind.CONNECT] == players | adversaries | browsers
    assert by_kind[OpKind.BET] == players | adversaries
    assert by_kind[OpKind.LOBBY] == browsers


def test_adversaries_bet_late_and_gain_nothing(smoke: Run) -> None:
    gain = adversary_gain(smoke)
    assert gain is not None
    assert gain.after_told > 0
    assert (gain.accepted_after_close, gain.accepted_after_told) == (0, 0)


def test_locust_names_what_was_done_by_whom(smoke: Run) -> None:
    statistics = (smoke.path / "locust_stats.csv").read_text()
    for name in ("WS,bettor bet,", "GET,viewer part,", "GET,lobby-browser lobby,", "WS,adversary bet,"):
        assert name in statistics


def test_no_operation_starts_before_it_is_due_or_goes_unanswered(smoke: Run) -> None:
    ops = smoke.ops
    assert (ops["invoke_ns"] >= ops["due_ns"]).all()
    assert (ops["outcome"] != 0).all()


def test_killed_gateway_is_detected_and_recovers_and_its_players_return(smoke: Run) -> None:
    assert smoke.faults["kind"].tolist() == ["kill"], "nothing else died"
    fault = smoke.faults.iloc[0]
    assert fault["t_ns"] < fault["detected_ns"] < fault["recovered_ns"]
    sessions = smoke.sessions
    broken = sessions[(sessions["gateway"] == 1) & (sessions["close_code"] == 1006)]
    assert set(broken["session"]) <= set(sessions.loc[sessions["connection"] == 2, "session"])
    assert set(sessions.groupby("session")["close_code"].last()) == {1000}


def test_answers_bear_kernel_stamps_before_the_applications(smoke: Run) -> None:
    bets = smoke.ops[(smoke.ops["kind"] == OpKind.BET) & (smoke.ops["return_ns"] > 0)]
    assert (bets["kernel_ns"] > 0).all()
    assert (bets["kernel_ns"] <= bets["return_ns"] + 1_000_000).all()


def test_viewers_watch_without_betting_and_their_film_goes_forward(smoke: Run) -> None:
    parts = smoke.video[(smoke.video["kind"] == FetchKind.PART) & (smoke.video["status"] == 200)]
    assert set(parts["viewer"]) == {21, 22, 23, 24}
    assert set(parts.groupby("table")["viewer"].nunique()) == {2}
    assert not set(parts["viewer"]) & set(smoke.ops["account"])
    assert (parts.groupby("viewer")["media_ns"].diff().dropna() > 0).all()
    assert (smoke.glass["captured_ns"] < smoke.glass["arrived_ns"]).all()
    assert len(smoke.glass) > 2
    assert set(smoke.placements["what"]) == {"gateway", "edge"}
    assert {"origin", "edge-0", "studio-1", "studio-2"} <= set(smoke.nodes["node"])


def test_run_folder_holds_report_statistics_and_no_raw_records(smoke: Run) -> None:
    names = {path.name for path in smoke.path.iterdir()}
    assert {"report.html", "junit.xml", "summary.json", "locust_stats.csv", "locust.log", "logs"} <= names
    assert not {"records", "export"} & names


@pytest.mark.soak  # a whole campaign
async def test_two_workers_share_the_players_without_overlap(tmp_path: Path) -> None:
    campaign = parse_campaign(
        'name = "two-workers"\nworkers = 2\nsimulate = false\n'
        "[scenario]\ntables = 1\ngateways = 1\nshards = 1\nplayers_per_table = 9\nramp_s = 1.0\nload_s = 5.0\n"
        "[scenario.timing]\nwindow_ms = 1500\nclosing_soon_ms = 500\ndealing_ms = 200\npause_ms = 200\n"
    )
    result = await run_campaign(campaign, tmp_path, progress=False)
    run = open_run(result.run_path)
    assert run.ops.loc[run.ops["kind"] == OpKind.LOGIN, "account"].tolist() == list(range(1, 10))
    assert set(run.generator["worker"]) == {0, 1}
    assert processes_below(tmp_path) == []


async def test_interrupted_campaign_leaves_no_process_and_says_why_it_ended(tmp_path: Path) -> None:
    campaign = load_campaign(CAMPAIGNS / "smoke.toml")
    running = asyncio.create_task(run_campaign(campaign, tmp_path, progress=False))
    while not under_load(tmp_path):
        assert not running.done()
        await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    run = only_run(tmp_path)
    assert run.manifest["exit_reason"] == "interrupted"
    assert json.loads((run.path / "summary.json").read_text())["verdict"] == "error"
    assert (run.path / "records").is_dir(), "raw records are kept"
    assert not (tmp_path / "latest").exists()
    assert processes_below(tmp_path) == []


@pytest.mark.soak
async def test_load_generator_that_fails_ends_the_campaign_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.generator._LOCUSTFILE", tmp_path / "nothing.py")
    result = await run_campaign(load_campaign(CAMPAIGNS / "smoke.toml"), tmp_path, progress=False)
    assert (result.verdict, result.exit_code, result.evaluation) == ("error", 1, None)
    assert result.message.startswith("the load generator ended with")
    assert "\n" not in result.message
    assert processes_below(tmp_path) == []
