"""The lab: one campaign and one fault at a time, each order checked, each end told."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from litestar.testing import AsyncTestClient

from loadtest.lab import running
from loadtest.lab.breaking import Faults
from loadtest.lab.role import Lab
from loadtest.lab.running import Campaigns, CampaignSeen, Stage
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.stack.processes import end
from reference_impl.stack.sightings import SeenProcesses, line_of, new_sightings
from reference_impl.stack.supervisor import Supervisor

TINY = 'name = "tiny"\ndescription = "Next to nothing."\n[scenario]\nload_s = 5.0\nramp_s = 1.0\n'
STAND_IN = """
import json, pathlib, signal, sys, time
file, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[3])
how = file.stem
if how == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
folder = out / f"run-{how}"
folder.mkdir()
print("the run is kept in", folder, flush=True)
print("playing", flush=True)
if how == "fails":
    sys.exit("livetable: the world is against us")
if how != "quick":
    time.sleep(30)
(folder / "summary.json").write_text(json.dumps({"verdict": "slo"}))
(folder / "report.html").write_text("<title>report</title>")
"""
"""Says and leaves what a campaign does, in milliseconds; the file's name tells how it goes."""
KEY = "Bearer secret"


class Sleeper:
    """A process that does nothing, as a unit of the supervisor."""

    stop_signal = signal.SIGTERM

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        self.process = subprocess.Popen(["sleep", "60"])

    async def came_up(self) -> bool:
        return True

    def last_words(self) -> str:
        return ""


@pytest.fixture
def campaigns(tmp_path: Path) -> Iterator[Campaigns]:
    stand_in, more = tmp_path / "stand_in.py", tmp_path / "more"
    stand_in.write_text(STAND_IN)
    more.mkdir()
    for name in ("quick", "slow", "deaf", "fails"):
        (more / f"{name}.toml").write_text(TINY)
    (more / "broken.toml").write_text('name = "broken"\n[scenario]\nload_s = -1\n')
    made = Campaigns(tmp_path / "runs", more, (sys.executable, "-S", "-E", str(stand_in)))
    yield made
    for one in made._started:
        end([(one._process, signal.SIGKILL)], 5)


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[SeenProcesses]:
    lines = new_sightings(tmp_path / "sightings.jsonl")
    supervisor = Supervisor(lambda _line: None, lambda event, unit: lines.append(line_of(event, unit)))
    await supervisor.start(*(Sleeper(name) for name in ("postgres", "gateway-0", "lab")))
    yield SeenProcesses(tmp_path / "sightings.jsonl")
    units = supervisor._units.values()
    await supervisor.stop()
    assert all(unit.process is not None and unit.process.poll() is not None for unit in units)


def until(campaigns: Campaigns, holds: Callable[[CampaignSeen], object]) -> CampaignSeen:
    """Look after the newest campaign until something holds of it."""
    deadline_s = time.monotonic() + 10
    while not holds(seen := campaigns.seen[0]):
        assert time.monotonic() < deadline_s, seen
        campaigns._started[0].look()
        time.sleep(0.01)
    return seen


def test_a_campaign_runs_to_its_verdict_and_only_its_key_opens_its_report(campaigns: Campaigns) -> None:
    campaigns.start("quick")
    first = campaigns.seen[0]
    assert (first.stage, first.report, first.about_s) == (Stage.RUNNING, "", 26)
    over = until(campaigns, lambda seen: seen.stage is Stage.OVER)
    assert (over.verdict, over.run, over.lines[-1]) == ("slo", "run-quick", "playing")
    assert campaigns.report(over.report) == b"<title>report</title>"
    with pytest.raises(FileNotFoundError):
        campaigns.report("another")


def test_one_campaign_runs_at_a_time_and_is_stopped_once(campaigns: Campaigns) -> None:
    with pytest.raises(OperationalError, match="no campaign runs"):
        campaigns.stop()
    campaigns.start("slow")
    with pytest.raises(OperationalError, match="slow is running: 1 campaign at a time"):
        campaigns.start("quick")
    until(campaigns, lambda seen: "playing" in seen.lines)
    campaigns.stop()
    with pytest.raises(OperationalError, match="slow is being stopped already"):
        campaigns.stop()
    over = until(campaigns, lambda seen: seen.stage is Stage.OVER)
    assert (over.verdict, over.report) == ("stopped", "")
    campaigns.start("quick")
    assert [one.name for one in campaigns.seen] == ["quick", "slow"]


def test_a_campaign_that_does_not_stop_in_time_is_killed(campaigns: Campaigns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STOP_S_MAX", 0.1)
    campaigns.start("deaf")
    until(campaigns, lambda seen: "playing" in seen.lines)
    campaigns.stop()
    assert until(campaigns, lambda seen: seen.stage is Stage.OVER).verdict == "stopped"


def test_a_campaign_that_takes_far_too_long_is_stopped(campaigns: Campaigns, monkeypatch: pytest.MonkeyPatch) -> None:
    campaigns.start("slow")
    until(campaigns, lambda seen: "playing" in seen.lines)
    monkeypatch.setattr(running, "LATE_S", 0.0)
    monkeypatch.setattr(running, "LATE_FACTOR", 0.0)
    assert until(campaigns, lambda seen: seen.stage is Stage.OVER).verdict == "stopped"


def test_a_campaign_that_fails_is_an_error_with_its_last_words(campaigns: Campaigns) -> None:
    campaigns.start("fails")
    over = until(campaigns, lambda seen: seen.stage is Stage.OVER)
    assert (over.verdict, over.lines[-1]) == ("error", "livetable: the world is against us")


def test_campaigns_are_the_shipped_ones_and_those_of_the_folder_and_a_broken_one_says_why(campaigns: Campaigns) -> None:
    offers = {offer.name: offer for offer in campaigns.offers()}
    assert {"demo", "smoke", "quick"} <= offers.keys()
    assert (offers["quick"].description, offers["quick"].about_s) == ("Next to nothing.", 26)
    assert "load_s" in offers["broken"].problem
    with pytest.raises(ConfigError, match="load_s"):
        campaigns.start("broken")
    with pytest.raises(ConfigError, match=r"campaign = 'dmeo': there is no such campaign, known are accuracy, .*quick"):
        campaigns.start("dmeo")


async def test_a_killed_process_is_seen_to_be_ready_again(processes: SeenProcesses) -> None:
    faults, before = Faults(processes), processes.pid("gateway-0")
    await faults.carry_out(faults.take("kill", "gateway-0", 0.0))
    (seen,) = faults.struck
    assert (seen.over, seen.said) == (True, "SIGKILL")
    assert 0 < seen.ready_s < 5
    assert processes.pid("gateway-0") != before


async def test_a_frozen_process_goes_on_even_if_the_lab_ends_meanwhile(processes: SeenProcesses) -> None:
    def state() -> str:
        return Path(f"/proc/{processes.pid('postgres')}/stat").read_text().split()[2]

    faults = Faults(processes)
    await faults.carry_out(faults.take("stop", "postgres", 0.1))
    assert 0.1 <= faults.struck[0].ready_s < 5
    freezing = asyncio.create_task(faults.carry_out(faults.take("stop", "postgres", 60.0)))
    while state() != "T":  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(0.01)
    with pytest.raises(OperationalError, match="stop of postgres is not over: 1 fault at a time"):
        faults.take("kill", "gateway-0", 0.0)
    freezing.cancel()
    await asyncio.gather(freezing, return_exceptions=True)
    assert state() != "T"
    assert faults.struck[0].over


@pytest.mark.parametrize(("kind", "target", "for_s", "says"), [
    ("latency", "gateway-0", 1.0, "kind = 'latency': cannot be done here, what can is kill, restart, stop"),
    ("kill", "gateway-9", 0.0, "target = 'gateway-9': there is no such process, known are postgres, gateway-0"),
    ("kill", "lab", 0.0, "target = 'lab': there is no such process, known are postgres, gateway-0"),
    ("stop", "postgres", 61.0, "for_s = 61: must lie between 0 and 60"),
    ("stop", "postgres", 0.0, "for_s = 0: stop needs it"),
    ("kill", "postgres", 3.0, "for_s = 3: kill knows no such thing"),
], ids=lambda value: "" if isinstance(value, float) else str(value)[:12])  # fmt: skip
async def test_a_fault_that_cannot_be_is_refused_in_one_line(
    processes: SeenProcesses, kind: str, target: str, for_s: float, says: str
) -> None:
    faults = Faults(processes)
    with pytest.raises(ConfigError) as caught:
        faults.take(kind, target, for_s)
    assert str(caught.value) == says
    assert not faults.struck


async def test_every_kind_of_fault_is_offered_or_says_why_not(processes: SeenProcesses) -> None:
    kinds = await Faults(processes).kinds()
    assert [kind.kind for kind in kinds if not kind.why_not] == ["kill", "restart", "stop"]
    assert all(kind.why_not for kind in kinds[3:])


async def test_over_http_nothing_is_told_or_done_without_the_systems_token(
    campaigns: Campaigns, processes: SeenProcesses
) -> None:
    lab = Lab(0, "secret", campaigns, Faults(processes))
    async with AsyncTestClient(lab.app(), base_url="http://127.0.0.1") as client:
        for method, path in [("GET", "/"), ("GET", "/offers"), ("POST", "/campaign"), ("POST", "/campaign/stop"),
                             ("POST", "/fault"), ("GET", "/reports/x")]:  # fmt: skip
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                answer = await client.request(method, path, headers=headers, json={} if method == "POST" else None)
                assert answer.status_code == 401, path
        bad = [
            ("campaign", {"campaign": "nope"}, 400, "campaign = 'nope': there is no such campaign"),
            ("campaign", {"campain": "smoke"}, 400, "Object contains unknown field `campain`"),
            ("campaign/stop", {}, 409, "no campaign runs"),
            ("fault", {"kind": "kill", "target": "nobody"}, 400, "target = 'nobody': there is no such process"),
            ("fault", {"kind": "kill", "target": "postgres", "for_s": "long"}, 400, "Expected `float`, got `str`"),
        ]  # fmt: skip
        for path, body, status, says in bad:
            answer = await client.post(f"/{path}", json=body, headers={"Authorization": KEY})
            assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
            assert "\n" not in answer.json()["detail"]
        missing = await client.get("/reports/nothing", headers={"Authorization": KEY})
        assert missing.status_code == 404
        begun = await client.post("/campaign", json={"campaign": "quick"}, headers={"Authorization": KEY})
        assert begun.status_code == 202
        seen = (await client.get("/", headers={"Authorization": KEY})).json()
        assert [one["name"] for one in seen["campaigns"]] == ["quick"]
        # The client's application runs in a thread of its own, and a campaign ends with the thread that started it.
        assert until(campaigns, lambda one: one.stage is Stage.OVER).verdict == "slo"
