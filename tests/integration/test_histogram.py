"""Locust's own reports, merged at the master from two workers, against every single response time."""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
LOCUSTFILE = """
import os, random
from locust import User, constant, events, stats, task
from loadtest.histogram import install
install(stats)
rng = told = None

@events.test_start.add_listener
def begin(**_):  # in each worker, which are forks
    global rng, told
    rng, told = random.Random(os.getpid()), open(f"times-{os.getpid()}.txt", "w")

class Caller(User):
    wait_time = constant(0.002)

    @task
    def call(self):
        ms = rng.lognormvariate(2.0, 1.2)
        print(ms, file=told, flush=True)
        self.environment.events.request.fire(
            request_type="GET", name="x", response_time=ms, response_length=0, exception=None, context={})
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.soak  # a load of its own
def test_percentiles_of_two_workers_are_exact_to_1_percent_in_csv_and_console(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    port = str(free_port())
    ended = subprocess.run(
        [sys.executable, "-m", "locust", "--headless", "-u", "4", "-r", "4", "-t", "3s", "--processes", "2",
         "--csv", "out", "--only-summary", "--master-bind-host", "127.0.0.1",
         "--master-bind-port", port, "--master-port", port],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    files = [file for file in tmp_path.glob("times-*.txt") if file.stat().st_size]
    assert len(files) == 2, "both workers counted"
    exact = np.sort(np.concatenate([np.loadtxt(file) for file in files]))
    rows = csv.DictReader((tmp_path / "out_stats.csv").read_text().splitlines())
    row = next(row for row in rows if row["Name"] == "x")
    assert int(row["Request Count"]) == len(exact) > 500
    for name in ("50%", "75%", "90%", "95%", "99%", "99.9%"):
        truth = exact[min(int(len(exact) * float(name[:-1]) / 100), len(exact) - 1)]
        assert abs(float(row[name]) / truth - 1) < 0.01, (name, row[name], truth)
    (percentiles,) = (line for line in ended.stderr.splitlines() if line.startswith("GET") and "|" not in line)
    assert abs(float(percentiles.split()[2]) / np.median(exact) - 1) < 0.01, percentiles
