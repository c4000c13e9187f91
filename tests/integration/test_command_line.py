"""The command line as a person meets it: one line for a mistake, nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UP_S_MAX = 90.0


def livetable(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livetable", *arguments],
        capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


def descendants(pid: int) -> set[int]:
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found |= {int(child)} | descendants(int(child))
    return found


def alive(pids: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return {pid for pid in pids if runs(pid)}


@contextmanager
def running_system(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "livetable", "up", *arguments], stderr=output, stdout=output, cwd=ROOT
        )
    try:
        deadline_s = time.monotonic() + UP_S_MAX
        while "Ctrl-C" not in log.read_text() and time.monotonic() < deadline_s and process.poll() is None:
            time.sleep(0.1)
        assert "Ctrl-C" in log.read_text(), log.read_text()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_ctrl_c_stops_everything_within_five_seconds_beside_another_system(tmp_path: Path) -> None:
    with (
        running_system(tmp_path / "a.log") as first,
        running_system(tmp_path / "b.log", "--games", "baccarat,blackjack", "--edges", "0") as second,
    ):
        assert "tables   1 baccarat, 2 blackjack\n" in (tmp_path / "b.log").read_text()
        theirs = descendants(first.pid)
        others = descendants(second.pid)
        assert len(theirs) > 6
        started_s = time.monotonic()
        first.send_signal(signal.SIGINT)
        assert first.wait(5) == 0
        assert time.monotonic() - started_s < 5
        assert alive(theirs) == set()
        assert alive(others) >= {pid for pid in others if pid in alive(others)} != set()
        folders = [word for word in (tmp_path / "a.log").read_text().split() if word.endswith("/records")]
        assert folders
        assert not Path(folders[0]).parent.exists()


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_system(tmp_path / "up.log", "--tables", "1", "--gateways", "1", "--shards", "1") as process:
        children = descendants(process.pid)
        process.kill()
        deadline_s = time.monotonic() + 10
        while alive(children) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert alive(children) == set()


def test_a_killed_child_is_started_again_and_said_so(tmp_path: Path) -> None:
    with running_system(tmp_path / "up.log", "--tables", "1", "--gateways", "1", "--shards", "1") as process:
        gateway = next(
            pid for pid in descendants(process.pid)
            if b"gateway-0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )  # fmt: skip
        os.kill(gateway, signal.SIGKILL)
        deadline_s = time.monotonic() + 15
        while "gateway-0 is back" not in (tmp_path / "up.log").read_text() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert "gateway-0 was killed by SIGKILL; starting it again" in (tmp_path / "up.log").read_text()
        assert "gateway-0 is back" in (tmp_path / "up.log").read_text()


def test_a_port_in_use_is_one_line_and_exit_code_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = livetable("up", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"livetable: port {port} on 127.0.0.1 cannot be used: address already in use"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("campaign", "run", "nowhere.toml"), {}, "nowhere.toml"),
        (("campaign", "validate", "{bad}"), {}, "did you mean 'betting'?"),
        (("check", "{tmp}"), {}, "is no Run"),
        (("report", "{tmp}"), {}, "is no Run"),
        (("up", "--tables", "0"), {}, "0 is not in the range"),
        (("up", "--games", "roulette,chess"), {}, "there is no game 'chess', known are roulette, baccarat"),
        (
            ("up", "--shards", "1", "--dsn", "postgresql://127.0.0.1:1/none"),
            {},
            "the database of shard 0 cannot be used",
        ),
        (("up", "--shards", "1"), {"LIVETABLE_DSN": "postgresql://127.0.0.1:1/none"}, "the database of shard 0"),
        (("nonsense",), {}, "No such command 'nonsense'"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_one(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "x"\n[scenario.bettting]\nparticipation = 1.0\n')
    done = livetable(*(word.format(bad=bad, tmp=tmp_path) for word in arguments), cwd=tmp_path, **environment)
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if says in line]


def test_help_is_quick_and_shows_an_example() -> None:
    started_s = time.monotonic()
    assert "Example:" in livetable("--help").stdout
    assert time.monotonic() - started_s < 2
    for verb in (("up",), ("campaign", "run"), ("check",), ("report",), ("sim", "run")):
        assert "Example:" in livetable(*verb, "--help").stdout
