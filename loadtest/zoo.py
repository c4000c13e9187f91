"""The bug zoo's score: which seeded bugs the checks caught, how, and where that is published.

The zoo itself, bugs and what is done to meet them, lives with the tests and needs a source checkout: each bug is an
edit of a source file, in a copy.
"""

import importlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from reference_impl.domain.errors import ConfigError

TESTS = Path(__file__).parents[1] / "tests"
SCORE = "score.json"
PAGE = "README.md"


class Meeting(msgspec.Struct, frozen=True):
    """A seeded bug and what noticed it.

    Parameters
    ----------
    bug, file : str
        What is wrong, and where it was put.
    expected : str
        The check that must notice.
    caught : list of str
        Everything that noticed, the expected check first.
    seconds : float
        How long that took, 0 if it was not timed.
    """

    bug: str
    file: str
    expected: str
    caught: list[str]
    seconds: float = 0.0

    @classmethod
    def of(cls, bug: str, file: str, expected: str, said: Mapping[str, str], seconds: float = 0.0) -> "Meeting":
        """Return the meeting in which each check said this; everything but *ok* counts as noticed."""
        caught = sorted((name for name, status in said.items() if status != "ok"), key=lambda name: name != expected)
        return cls(bug, file, expected, caught, seconds)

    @property
    def hit(self) -> bool:
        """Whether the check that should notice did."""
        return self.expected in self.caught


def headline(meetings: Sequence[Meeting]) -> str:
    """Return the score in one line."""
    hits = sum(meeting.hit for meeting in meetings)
    return f"bug zoo: {hits} of {len(meetings)} seeded bugs were caught by the check that should"


async def run_zoo(only: str, say: Callable[[str], None]) -> list[Meeting]:
    """Meet every bug whose name contains `only`, with a bar on the terminal; `say` is told of each.

    Raises
    ------
    ConfigError
        If there is no source checkout, or no such bug.
    """
    score = _score()
    names = [name for name in score.BUGS if only in name]
    if not names:
        raise ConfigError(f"there is no bug {only!r} in the zoo; its {len(score.BUGS)} bugs are in {TESTS / 'zoo'}")
    met: list[Meeting] = []
    stream: AsyncIterator[Meeting] = score.meetings(names)
    with tqdm(total=len(names), desc="bugs", file=sys.stderr, disable=None) as bar:
        async for meeting in stream:
            met.append(meeting)
            say(f"{meeting.seconds:5.1f} s  {meeting.bug}: {', '.join(meeting.caught) or 'MISSED'}")
            bar.update()
    return met


def publish(meetings: Sequence[Meeting], folder: Path, command: str) -> None:
    """Write the score as JSON and as a page for people."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORE).write_bytes(msgspec.json.format(score_json(meetings), indent=1) + b"\n")
    (folder / PAGE).write_text(page(meetings, command), encoding="utf-8")


def score_json(meetings: Sequence[Meeting]) -> bytes:
    """Return the score as JSON: how many there were, how many were caught, and each meeting."""
    hits = sum(meeting.hit for meeting in meetings)
    return msgspec.json.encode({"bugs": len(meetings), "caught": hits, "meetings": list(meetings)})


def page(meetings: Sequence[Meeting], command: str) -> str:
    """Return the score in Markdown."""
    others = sum(len(meeting.caught) > 1 for meeting in meetings)
    lines = [
        "# Bug zoo", "", f"{headline(meetings).removeprefix('bug zoo: ')}; {others} were noticed by others too.", "",
        "Each bug is an edit of one source file in a copy. Bugs of the ledger meet an evening on one shard,",
        "the others a short campaign against the whole system. Without a bug every check is ok, in both.", "",
        f"    {command}", "",
        "| bug | put into | must be caught by | also noticed by | s |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {met.bug} | `{met.file.removeprefix('reference_impl/')}` | {met.expected if met.hit else '**MISSED**'} | "
        f"{', '.join(name for name in met.caught if name != met.expected)} | {met.seconds:.1f} |"
        for met in meetings
    ]
    return "\n".join(lines) + "\n"


def _score() -> Any:
    if not (TESTS / "zoo" / "score.py").exists():
        raise ConfigError(f"the zoo needs a source checkout: there is no {TESTS / 'zoo'}")
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    return importlib.import_module("zoo.score")
