"""The kit's verbs as a person meets them: one line for a mistake, exit codes for machines."""

from pathlib import Path

import msgspec
import pytest

import livetable
from loadtest.kit.cases import CASES
from loadtest.kit.conformance import Conformance
from loadtest.kit.example import ExampleWallet
from loadtest.kit.model import ModelWallet
from loadtest.kit.profile import SECRET_VARIABLE, TOKENS_VARIABLE
from reference_impl.domain.seamless import Conventions
from reference_impl.domain.seamless_signature import Hmac

SECRET = "a secret of the tests"
KIT = ("wallet", "kit", "--url", "http://127.0.0.1:1/x")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        livetable.main(list(arguments))
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setenv(TOKENS_VARIABLE, "one two")


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (KIT, {SECRET_VARIABLE: ""}, f"{SECRET_VARIABLE} is not set"),
        (KIT, {SECRET_VARIABLE: "short"}, "has 5 bytes, at least 16"),
        (KIT, {TOKENS_VARIABLE: "one"}, f"{TOKENS_VARIABLE} holds 1 launch tokens of test players, at least 2"),
        ((*KIT, "--tokens", "nowhere"), {}, "nowhere: No such file"),
        ((*KIT, "--profile", "nowhere"), {}, "nowhere: there is no such profile"),
        ((*KIT, "--profile", "{bad}"), {}, "bad.toml: Object contains unknown field `windw_ms`"),
        ((*KIT, "--only", "nonsense"), {}, "case 'nonsense': there is no such case"),
        (("wallet", "kit", "--url", "ftp://x"), {}, "wallet address 'ftp://x': must be http:// or https://"),
        (("wallet", "kit"), {}, "Missing option '--url'"),
        (("wallet", "load", "--url", "http://127.0.0.1:1", "--rate", "0"), {}, "0.0 is not in the range"),
        (("wallet", "load", "--url", "http://127.0.0.1:1", "--processes", "3"), {}, "at least 3 are needed"),
        (("wallet", "example", "--tokens", "x"), {SECRET_VARIABLE: ""}, f"{SECRET_VARIABLE} is not set"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_one(
    arguments: tuple[str, ...], environment: dict[str, str], says: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bad = tmp_path / "bad.toml"
    bad.write_text("[conventions]\nwindw_ms = 1000\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(*(word.format(bad=bad) for word in arguments)) == 1
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if says in line]
    assert "Traceback" not in said


def test_the_kit_prints_a_line_a_case_and_ends_with_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = ModelWallet(Conventions(), "EUR")
    for player in ("ann", "bob"):
        rules.open(player, 100_000)
    with ExampleWallet(rules, {"lab": Hmac(SECRET)}) as wallet:
        monkeypatch.setenv(TOKENS_VARIABLE, " ".join(wallet.tokens))
        two = ("--only", "a_promo_pays_once", "--only", "a_zero_win_settles_the_bet")
        assert run("wallet", "kit", "--url", wallet.url, *two, "--json", "--junit", str(tmp_path / "kit.xml")) == 0
    said = capsys.readouterr()
    result = msgspec.json.decode(said.out.splitlines()[-1], type=Conformance)
    assert [case.verdict for case in result.cases] == ["pass", "pass"]
    assert [line.split()[:2] for line in said.err.splitlines()] == [["pass", case.name] for case in result.cases]
    assert (tmp_path / "kit.xml").exists()


@pytest.mark.parametrize("verb", ["kit", "cases", "load", "players", "example"])
def test_each_verb_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    livetable.main(["wallet", verb, "--help"])
    assert "Example:" in capsys.readouterr().out


def test_the_cases_are_listed_with_what_they_ask(capsys: pytest.CaptureFixture[str]) -> None:
    livetable.main(["wallet", "cases"])
    said = capsys.readouterr().out.splitlines()
    assert said[0::2] == list(CASES)
    assert all(line.strip().endswith(".") for line in said[1::2])
