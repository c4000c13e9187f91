"""The bug zoo's score: which seeded bugs the checks caught, how, and where that is published.

The zoo itself, bugs and what is done to meet them, lives with the tests and needs a source checkout: each bug is an
edit of a source file, in a copy.
"""

import importlib
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from reference_impl.domain.errors import ConfigError
from reports.run import source_commit

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


class Score(msgspec.Struct, frozen=True):
    """What is published: of which commit, how many bugs there are, and those that were met so far."""

    commit: str
    bugs: int
    caught: int
    meetings: list[Meeting]


def headline(meetings: Sequence[Meeting]) -> str:
    """Return the score in one line."""
    hits = sum(meeting.hit for meeting in meetings)
    return f"bug zoo: {hits} of {len(meetings)} seeded bugs were caught by the check that should"


def chosen(only: Collection[str]) -> list[str]:
    """Return the names of all bugs that contain one of these texts, or of all bugs if none is given.

    Raises
    ------
    ConfigError
        If there is no source checkout, or no such bug.
    """
    bugs = _score().BUGS
    for text in only:
        if not any(text in name for name in bugs):
            raise ConfigError(f"there is no bug {text!r} in the zoo; its {len(bugs)} bugs are in {TESTS / 'zoo'}")
    return [name for name in bugs if not only or any(text in name for text in only)]


async def run_zoo(
    names: Sequence[str],
    say: Callable[[str], None],
    known: Sequence[Meeting] = (),
    keep: Callable[[Sequence[Meeting]], None] = lambda _: None,
) -> list[Meeting]:
    """Meet the bugs of these names that were not met before, with a bar on the terminal.

    Parameters
    ----------
    names : sequence of str
        Bugs, in the order of the result.
    say : callable
        Is told of each in a line.
    known : sequence of Meeting
        Earlier meetings: their bugs are not met again.
    keep : callable
        Is given all meetings after each one.
    """
    met = {meeting.bug: meeting for meeting in known}
    stream: AsyncIterator[Meeting] = _score().meetings([name for name in names if name not in met])

    def in_order() -> list[Meeting]:
        return [met[name] for name in names if name in met]

    with tqdm(total=len(names), initial=len(in_order()), desc="bugs", file=sys.stderr, disable=None) as bar:
        async for meeting in stream:
            met[meeting.bug] = meeting
            say(f"{meeting.seconds:5.1f} s  {meeting.bug}: {', '.join(meeting.caught) or 'MISSED'}")
            keep(in_order())
            bar.update()
    return in_order()


def resumed(folder: Path) -> list[Meeting]:
    """Return the meetings that are published in a folder; none if nothing is.

    Raises
    ------
    ConfigError
        If they are another commit's: one score is of one system.
    """
    file = folder / SCORE
    if not file.exists():
        return []
    try:
        score = msgspec.json.decode(file.read_bytes(), type=Score)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{file} is no score: {error}") from None
    if score.commit != source_commit():
        raise ConfigError(f"{file} is of commit {score.commit}, this is {source_commit()}: run without --resume")
    return score.meetings


def publish(meetings: Sequence[Meeting], folder: Path, command: str, bugs: int) -> None:
    """Write the score as JSON and as a page for people; `bugs` is how many were to be met."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORE).write_bytes(msgspec.json.format(score_json(meetings, bugs), indent=1) + b"\n")
    (folder / PAGE).write_text(page(meetings, command, bugs), encoding="utf-8")


def score_json(meetings: Sequence[Meeting], bugs: int) -> bytes:
    """Return the score as JSON."""
    hits = sum(meeting.hit for meeting in meetings)
    return msgspec.json.encode(Score(source_commit(), bugs, hits, list(meetings)))


def page(meetings: Sequence[Meeting], command: str, bugs: int) -> str:
    """Return the score in Markdown."""
    to_come = bugs - len(meetings)
    others = sum(len(meeting.caught) > 1 for meeting in meetings)
    lines = [
        "# Bug zoo", "", f"{headline(meetings).removeprefix('bug zoo: ')}; {others} were noticed by others too.", "",
        *([f"**{to_come} more were not met yet.**", ""] if to_come else []),
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
