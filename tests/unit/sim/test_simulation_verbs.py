"""`sim run --players`, `sim sweep` and `sim plan` as a person meets them."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import livetable
from reports import page
from reports.run import open_run
from sim import experiment

CAMPAIGN = """
name = "tiny"
[scenario]
tables = 2
players_per_table = 20
ramp_s = 1.0
load_s = 5.0
{more}
[scenario.timing]
window_ms = 2000
closing_soon_ms = 1000
dealing_ms = 300
pause_ms = 200
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    file = tmp_path / "tiny.toml"
    file.write_text(CAMPAIGN.format(more=""))
    return str(file)


def run(*arguments: str) -> int:
    try:
        livetable.main(list(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_sim_run_simulates_as_many_players_as_asked_and_prints_the_traced_ones_bets(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        page, "render_report", lambda run, _judgement: run.path
    )  # five seconds, and other tests' concern
    assert run("sim", "run", tiny, "--players", "200", "--trace", "7", "--out", str(tmp_path / "runs")) == 0
    said = capsys.readouterr()
    assert "exact, of all 200 players" in said.out + said.err
    assert re.search(r"player 7 bet \d+: .*committed \+", said.out + said.err)
    (manifest,) = (tmp_path / "runs").glob("*/manifest.json")
    made = open_run(manifest.parent)
    assert made.manifest["exact"]["players"]["players"] == 200


def test_sim_sweep_prints_a_row_for_each_combination(
    tiny: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # processes would spend ten seconds on imports
    monkeypatch.setattr(experiment, "processes", lambda: ThreadPoolExecutor(2))
    assert run("sim", "sweep", tiny, "--vary", "gateways=1,2", "--seeds", "2", "--figure", "bet.offered") == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "bet.offered, mean of 2 with its 95 % half-width"
    assert [row.split()[0] for row in rows[2:]] == ["1", "2"]


def test_sim_plan_says_what_holds_and_with_which_probability(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sim", "plan", tiny, "--slo", "bet.p99_ms <= 10000") == 0
    said, told = capsys.readouterr()
    assert re.search(r"\d+ shards, \d+ gateways, 0 edges: holds\n", told)
    assert re.match(r"holds: \d+ shards, \d+ gateways, 0 edges", said)
    assert "with probability 0.9 the next run keeps bet.p99_ms below" in said
    assert "extrapolation: the model's parameters are assumed" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sim", "run"), "name either a campaign file or, with --like, a run"),
        (("sim", "run", "{tiny}", "--players", "1"), "--players is 1: must be at least the 2 tables"),
        (("sim", "run", "{storm}", "--players", "100"), "scenario.storms is 1 of them: a crowd's simulation takes"),
        (("sim", "run", "{crowd}", "--players", "100"), "--players is 100: needs a scenario with players_per_table"),
        (("sim", "sweep", "{tiny}", "--vary", "gateways"), "--vary 'gateways': write FIELD=VALUE,VALUE"),
        (("sim", "sweep", "{tiny}", "--vary", "gateways=many"), "--vary 'gateways=many': values must be numbers"),
        (("sim", "sweep", "{tiny}", "--vary", "doors=1"), "a scenario has no field 'doors'"),
        (("sim", "plan", "{tiny}", "--slo", "quick bets"), "slo 'quick bets': write GROUP.FIGURE <= NUMBER"),
        (("sim", "plan", "{tiny}", "--slo", "bet.p99_ms <= 9", "--probability", "1"), "probability is 1: must lie"),
        (("sim", "plan", "{storm}", "--slo", "bet.p99_ms <= 9"), "scenario.storms is 1 of them"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_one(
    arguments: tuple[str, ...], says: str, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"tiny": tiny}
    for name, more in (
        ("storm", 'storms = [{kind = "reconnect", at_s = 1.0}]'),
        ("crowd", "crowds = [{count = 3}]"),
    ):
        files[name] = str(tmp_path / f"{name}.toml")
        Path(files[name]).write_text(CAMPAIGN.format(more=more))
    assert run(*(word.format(**files) for word in arguments), *_nowhere(arguments, tmp_path)) == 1
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if says in line]) == 1, said


def _nowhere(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return ("--out", str(folder / "runs")) if arguments[1] == "run" else ()
