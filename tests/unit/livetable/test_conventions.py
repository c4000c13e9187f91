"""What all verbs have in common: results as JSON, completion in the shell, colours on terminals only."""

import json
import re
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from histories import write_history
from verbs import commands

from livetable.common import show_table
from livetable.root import cli
from loadtest.progress import Progress

NO_RESULT = {
    "up": "runs until it is stopped",
    "campaign worker": "takes part until it is over",
    "campaign validate": "prints JSON in any case",
    "report": "writes a page",
    "wallet example": "runs until it is stopped",
    "wallet players": "writes a file",
    "completion": "prints a script",
}
"""Verbs without a result to print as JSON, and why."""


def complete(*words: str) -> list[str]:
    *typed, incomplete = words
    items = ShellComplete(cli, {}, "livetable", "_LIVETABLE_COMPLETE").get_completions(typed, incomplete)
    return [item.value for item in items if item.type == "plain"]


def test_every_verb_with_a_result_gives_it_as_json_in_the_last_line() -> None:
    known = dict(commands(cli))
    (says,) = {
        option.help
        for name, command in known.items() if name not in NO_RESULT
        for option in command.params if option.name == "as_json" and isinstance(option, click.Option)
    }  # fmt: skip
    assert says == "The last line is the result as JSON."
    silent = [name for name, command in known.items() if "as_json" not in {option.name for option in command.params}]
    assert sorted(silent) == sorted(NO_RESULT)


@pytest.mark.parametrize(("words", "holds"), [
    (("campaign", "list"), lambda result: {"name", "description"} == set(result[0])),
    (("faults", "schedule", "faults-soak", "--seed", "7"), lambda result: result[0]["seed"] == 7),
    (("wallet", "cases"), lambda result: len(result) == 46),
    (("faults", "show", "{run}"), lambda result: result == []),
], ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "")  # fmt: skip
def test_the_last_line_is_json(words, holds, tmp_path: Path) -> None:
    run = write_history(tmp_path / "run") if "{run}" in words else None
    shown = CliRunner().invoke(cli, [*(word.format(run=run and run.path) for word in words), "--json"])
    assert shown.exit_code == 0, shown.output
    assert holds(json.loads(shown.stdout.splitlines()[-1]))


def test_shells_complete_verbs_options_campaigns_and_benches() -> None:
    assert complete("camp") == ["campaign"]
    assert "--json" in complete("doctor", "--j")
    assert complete("campaign", "run", "dem") == ["demo"]
    assert "wallet" in complete("bench", "wal")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_livetable(shell: str) -> None:
    shown = CliRunner().invoke(cli, ["completion", shell])
    assert shown.exit_code == 0, shown.output
    assert f"_LIVETABLE_COMPLETE={shell}_complete" in shown.stdout


def test_statuses_are_coloured_on_terminals_and_nowhere_else() -> None:
    table = "demo: PASS\n\n  ok       conservation\n  illegal  settled_once\n"
    show = click.Command("show", callback=lambda: show_table(table))

    def shown(*, terminal: bool, **environment: str | None) -> str:
        return CliRunner(env={"NO_COLOR": None} | environment).invoke(show, color=terminal).output

    assert re.findall(r"\x1b\[(\d+)m(\w+)", shown(terminal=True)) == [("32", "ok"), ("31", "illegal")]
    assert shown(terminal=False) == table + "\n"
    assert shown(terminal=True, NO_COLOR="1") == table + "\n"


def test_equal_steps_say_how_long_the_rest_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = iter([0.0, 30.0, 40.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now_s))
    progress = Progress()
    progress.step(3, 4)
    progress.step(4, 4)
    assert capsys.readouterr().err.splitlines() == ["3/4 done, about 10 s left", "4/4 done"]


def test_where_no_bar_is_drawn_a_line_says_how_long_the_load_runs(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for now_s in (0.0, 1.0, 72.0):
        progress.load(now_s, 72.0)
    progress.load_over()
    assert capsys.readouterr().err.splitlines() == ["the load runs for 72 s"]


def test_campaigns_need_the_lab_that_starts_them() -> None:
    shown = CliRunner().invoke(cli, ["up", "--campaigns", "."])
    assert str(shown.exception) == "--campaigns .: needs --lab, which starts them"
