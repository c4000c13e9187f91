"""What the documents tell people to type is what the command line understands, and what they point at is there."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest
from verbs import commands

from livetable.root import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("reports/published/**/*.md")])
TYPED = re.compile(r"^\W*(?:\w\$ |\$ |- run: )?(?:[A-Z_]+=\S+ )*(livetable [a-z].*)$", re.MULTILINE)
FENCE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`livetable ([a-z][^`]*)`")
SHELL = {">", ">>", "|"}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def typed(page: Path) -> list[str]:
    """Return the command lines in a page's fences, without comments and what the shell does with them."""
    fences = "\n".join(FENCE.findall(page.read_text(encoding="utf-8")))
    return [re.sub(r"\s+(#.*|&)$", "", line) for line in TYPED.findall(fences)]


def understand(line: str) -> None:
    """Parse a command line as it would be parsed, and stop before anything is done."""
    command: click.Command = cli
    words = list(takewhile(lambda word: word not in SHELL, shlex.split(line[line.index("livetable ") :])[1:]))
    context = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context(command.name, words, parent=context)


@pytest.fixture(autouse=True)
def _any_path_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _, value, *__: Path(value))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_is_understood(page: Path) -> None:
    for line in typed(page):
        try:
            understand(line)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_that_a_page_names_exists(page: Path) -> None:
    known = [name for name, _ in commands(cli)] + [name for name, group in cli.commands.items()]
    for named in NAMED.findall(page.read_text(encoding="utf-8")):
        words = " ".join(word for word in named.split() if word[0].islower())
        assert any(words == name or words.startswith(f"{name} ") for name in known), f"livetable {named}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_command_shows_an_example_that_it_understands() -> None:
    for name, command in commands(cli):
        examples = re.findall(r"^\s*(?:[A-Z_]+=\S+ )*(livetable .*)$", command.help or "", re.MULTILINE)
        assert examples, f"livetable {name} --help has no example"
        for example in examples:
            assert example.split()[1 : 1 + len(name.split())] == name.split(), example
            understand(example)


def test_the_pages_tell_to_type_something() -> None:
    assert sum(len(typed(page)) for page in PAGES) > 20
