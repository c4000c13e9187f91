"""One load from several machines: a system, a master and two workers, each on a host of its own with its own clock."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.units import NS_PER_S
from reports.run import Run, open_run
from tests.machines import Hosts, why_not

HOUSE, MASTER, NEAR, FAR = range(4)
UPTIME_S = {NEAR: 1_000, FAR: 50_000}
PORT = 9_000
PLAYERS = 24
ADAPTER = ("--adapter", "loadtest.bench.house_adapter:HouseTable")

CAMPAIGN = """
name = "machines"
slo = []

[health]
lag_p99_ms_max = 2000
timer_lag_p95_ms_max = 2000
silent_s_max = 2.5

[scenario]
tables = 1
players_per_table = 24
ramp_s = 1.0
load_s = {load_s}
answer_s_max = 1.0

[scenario.timing]
window_ms = 3000
closing_soon_ms = 1000
dealing_ms = 500
pause_ms = 300
"""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(240),
    pytest.mark.soak,  # whole campaigns
]


def start_all(hosts: Hosts, folder: Path, load_s: float) -> list[subprocess.Popen[bytes]]:
    """Start house, workers and master; return the workers' and the master's processes."""
    (folder / "campaign.toml").write_text(CAMPAIGN.format(load_s=load_s))
    house = hosts.address(HOUSE)
    hosts.start(HOUSE, "-m", "loadtest.bench.house", str(PORT), house, log=folder / "house.log")
    workers = [
        hosts.start(
            host, "-m", "livetable", "campaign", "worker", "--master-host", hosts.address(MASTER), *ADAPTER,
            "--out", str(folder / f"worker-{host}"), log=folder / f"worker-{host}.log", uptime_s=UPTIME_S[host],
        )
        for host in (NEAR, FAR)
    ]  # fmt: skip
    master = hosts.start(
        MASTER, "-m", "livetable", "campaign", "run", str(folder / "campaign.toml"), "--target", f"ws://{house}:{PORT}",
        *ADAPTER, "--master", "--expect-workers", "2", "--bind", hosts.address(MASTER), "--out", str(folder / "runs"),
        log=folder / "master.log",
    )  # fmt: skip
    return [*workers, master]


def wait_for_records(folder: Path, seconds: float) -> None:
    """Wait until both workers have sent records of so many seconds of load."""
    deadline_s = time.monotonic() + 60
    while len(list(folder.glob("runs/*/records/ops-w*.bin"))) < 2:
        assert time.monotonic() < deadline_s, (folder / "master.log").read_text()
        time.sleep(0.1)
    time.sleep(seconds)


def verdict_of(folder: Path) -> tuple[Run, dict[str, object]]:
    run = open_run((folder / "runs" / "latest").resolve())
    return run, json.loads((run.path / "summary.json").read_text())


def test_two_workers_on_hosts_of_their_own_make_one_run_on_the_masters_clock(tmp_path: Path) -> None:
    with Hosts(4) as hosts:
        processes = start_all(hosts, tmp_path, load_s=6.0)
        codes = [process.wait(90) for process in processes]
    assert codes == [0, 0, 0], [file.read_text() for file in tmp_path.glob("*.log")]
    run, summary = verdict_of(tmp_path)
    assert summary["verdict"] == "pass"

    logins = run.ops[run.ops["kind"] == OpKind.LOGIN]
    assert logins["account"].tolist() == list(range(1, PLAYERS + 1)), "everybody was played once"
    assert set(run.generator["worker"]) == {0, 1}
    assert len(set(run.generator.loc[run.generator["users"] > 0, "worker"])) == 2

    start_ns, end_ns = run.manifest["load_start_ns"], run.manifest["load_end_ns"]
    bets = run.ops[run.ops["kind"] == OpKind.BET]
    assert len(bets) > PLAYERS
    assert bets["invoke_ns"].between(start_ns, end_ns + NS_PER_S).all()
    assert run.pushes["kernel_ns"].between(start_ns, end_ns + 10 * NS_PER_S).all()

    machines = run.manifest["clock_offsets"]["machines"]
    assert all(machine["complete"] and machine["error_ns"] < 10_000_000 for machine in machines)
    ahead_s = sorted(machine["ahead_ns"] / NS_PER_S for machine in machines)
    assert ahead_s == pytest.approx([-50_000, -1_000], abs=0.02), "each host's own clock was measured"
    assert not list(tmp_path.glob("worker-*/*/w*")), "what the master has is not kept twice"


def test_a_worker_that_is_cut_off_makes_the_run_invalid_and_its_records_are_kept_as_far_as_they_came(
    tmp_path: Path,
) -> None:
    with Hosts(4) as hosts:
        near, far, master = start_all(hosts, tmp_path, load_s=12.0)
        wait_for_records(tmp_path, seconds=4.0)
        hosts.cut(FAR)
        assert near.wait(60) == 0, "the other worker delivers everything"
        assert master.wait(60) == 4, (tmp_path / "master.log").read_text()
        assert far.wait(120) == 1, "it gives its master up after a minute"
    run, summary = verdict_of(tmp_path)
    assert summary["verdict"] == "invalid"
    said = json.dumps(summary)
    assert "generator.undelivered" in said
    assert "generator.silent_s" in said

    machines = run.manifest["clock_offsets"]["machines"]
    (lost,) = (machine["worker"] for machine in machines if not machine["complete"])
    came = run.generator[run.generator["worker"] == lost]
    assert 1 <= len(came) < 10, "its health is on record until the cut, and no longer"
    accounts = set(run.ops.loc[run.ops["outcome"] == Outcome.OK, "account"])
    assert len(accounts) == PLAYERS, "both workers' players are in the Run"
    assert "did not get all records" in (tmp_path / f"worker-{FAR}.log").read_text()
    assert list(tmp_path.glob(f"worker-{FAR}/*/w*/ops-w*.bin")), "they are still on the worker's machine"
