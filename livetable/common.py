"""What the verbs share: exit codes, where runs are kept, how a result is shown and asked for as JSON."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

EXIT_ERROR = 1
EXIT_SLO = 2
EXIT_INCONSISTENT = 3
RUNS = Path("runs")
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
CHECK_OPTION = click.option("--check", is_flag=True, help="Compare with what is published at --out; write nothing.")
RUNS_ARGUMENT = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))

_COLOURS: Final = {"ok": "green", "skipped": "yellow", "unknown": "yellow", "invalid": "yellow"}
_STATUS = re.compile(r"^  (ok|illegal|unknown|skipped|broken|invalid)(?= )", re.MULTILINE)


def show_json(result: Any) -> None:
    """Print a result as one line of JSON."""
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.encode(result).decode())


def show_table(text: str) -> None:
    """Print the table of a Run; on a terminal each status has its colour, unless ``NO_COLOR`` is set."""

    def coloured(found: re.Match[str]) -> str:
        return f"  {click.style(found[1], fg=_COLOURS.get(found[1], 'red'))}"

    click.echo(_STATUS.sub(coloured, text), color=False if os.environ.get("NO_COLOR") else None)


def _campaigns(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the shipped campaigns that begin like this, and leave files to the shell."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from loadtest.config import CAMPAIGNS  # noqa: PLC0415

    names = sorted(file.stem for file in CAMPAIGNS.glob("*.toml"))
    return [*(CompletionItem(name) for name in names if name.startswith(incomplete)), CompletionItem("", type="file")]


def campaign_argument(name: str, *, required: bool = True) -> Callable[[_Verb], _Verb]:
    """Return the argument that takes a campaign's file or the name of a shipped one; shells complete both."""
    return click.argument(name, type=click.Path(path_type=Path), required=required, shell_complete=_campaigns)
