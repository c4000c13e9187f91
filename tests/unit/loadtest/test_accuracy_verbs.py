"""From runs to a model, a prediction and what came of it, as it is typed."""

import json

import pytest
from click.testing import CliRunner
from known_truth import played

from livetable.root import cli
from reference_impl.domain.errors import ConfigError

FILE = """
name = "told"
[scenario]
players_per_table = 6
ramp_s = 1.0
load_s = 9.0
deposit_minor = 10000000
[scenario.timing]
window_ms = 2500
closing_soon_ms = 800
dealing_ms = 300
pause_ms = 200
[scenario.betting]
participation = 1.0
bets_per_round_mean = 10.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs of three loads, a campaign file, a model and a prediction of the largest load."""
    home = tmp_path_factory.mktemp("verbs")
    for players, seed in ((6, 1), (6, 2), (10, 1), (14, 1)):
        played(home, players, seed)
    (home / "told.toml").write_text(FILE)
    said = typed("calibrate", *paths(home, 6, 10), "-o", home / "model.json", "--members", 2)
    said += typed("predict", home / "model.json", home / "told.toml", "--vary", "players_per_table=14",
                  "--replications", 3, "-o", home / "p.json")  # fmt: skip
    (home / "said").write_text(said)
    return home


def paths(home, *loads):
    return sorted(path for load in loads for path in home.glob(f"2*told-{load}-r*"))


def typed(*words):
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    return result.output


def test_a_model_has_a_card_and_a_prediction_its_intervals_and_extrapolations(folder):
    said = (folder / "said").read_text()
    assert "fitted on 3 runs" in said
    assert "CPU: a bet 400 us, a call 900 us, a push 60 us, a log-in 4.0 ms, at rest 0.20 cores" in said
    assert "extrapolation: 28 players, fitted on up to 20" in said
    assert (folder / "model.svg").read_text().startswith("<svg")


def test_a_validation_says_what_was_no_prediction_and_ends_with_json(folder):
    said = typed("validate", folder / "p.json", *paths(folder, 14), "--json")
    assert "made after 1 of 1 runs had started: of these it is no prediction" in said
    [found] = json.loads(said.splitlines()[-1])
    assert abs(found["log_ratio"]["accepted_per_s"]) < 0.2
    assert found["foretold"] is False


def test_a_model_can_be_simulated_with(folder):
    result = CliRunner().invoke(cli, [
        "sim", "run", str(folder / "told.toml"), "--model", str(folder / "model.json"), "--trace", "1",
        "--out", str(folder / "simulated"),
    ])  # fmt: skip
    assert "told: PASS" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "none.json", "demo", "-o", "p.json"), "none.json: cannot be read: No such file or directory"),
        (("validate", "told.toml", "."), "told.toml: no prediction of `livetable predict`"),
        (("calibrate", ".", "-o", "m.json"), "is no Run: it has no readable manifest.json"),
        (("predict", "model.json", "told.toml", "--vary", "shards=1,2", "-o", "p.json"), "so give one value"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, said, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=said) as error:
        typed(*words)
    assert "\n" not in str(error.value)
