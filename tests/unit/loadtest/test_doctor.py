"""The doctor looks at the machine, and says what follows from what it finds."""

import os
import resource
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from livetable.root import cli
from loadtest import doctor
from loadtest.doctor import Finding, State


def test_a_machine_that_runs_the_tests_can_do_the_main_job() -> None:
    shown = CliRunner().invoke(cli, ["doctor", "--json"])
    assert shown.exit_code == 0, shown.output
    findings = msgspec.json.decode(shown.output.splitlines()[-1], type=list[Finding])
    assert [finding.name for finding in findings] == [probe.__name__ for probe in doctor.PROBES]
    assert "python" in shown.output.splitlines()[0]


def test_few_descriptors_are_told_with_the_crowd_that_they_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    found = doctor.descriptors()
    assert (found.state, found.tells) == (
        State.SLOW, "1024 a process: crowds of more than 512 sockets a worker need `ulimit -n` raised"
    )  # fmt: skip


def test_a_busy_machine_is_called_noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    assert doctor.neighbours().state is State.SLOW
    assert doctor.neighbours().tells.startswith("150% of the cores")
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.0, 0.0))
    assert doctor.neighbours().state is State.OK


def test_without_a_browser_its_tests_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVETABLE_CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert doctor.browser().state is State.SKIPPED


def test_a_durable_write_is_timed_where_data_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda fileno: synced.append(str(Path(f"/proc/self/fd/{fileno}").readlink())))
    assert doctor.commits().state is State.OK
    assert len(synced) == doctor.SYNCS
    assert all(path.startswith(str(tmp_path)) for path in synced)


def test_what_is_missing_makes_the_main_job_impossible() -> None:
    assert doctor.able([Finding("a", State.SLOW, ""), Finding("b", State.SKIPPED, "")])
    assert not doctor.able([Finding("python", State.MISSING, "3.9: 3.11 is needed")])
