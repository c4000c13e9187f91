"""The bug zoo's score: which seeded bugs the checks caught, how, and where that is published.

The zoo itself, bugs and what is done to meet them, lives with the tests and needs a source checkout: each bug is an
edit of a source file, in a copy.
"""

import importlib
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from tqdm import tqdm

from reference_impl.domain.errors import ConfigError
from reports.publishing import Recipe, Report, markdown
from reports.run import source_commit

TESTS = Path(__file__).parents[1] / "tests"
SCORE = "score.json"


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


def score_of(meetings: Sequence[Meeting], bugs: int) -> Score:
    """Return the score of this commit; `bugs` is how many were to be met."""
    return Score(source_commit(), bugs, sum(meeting.hit for meeting in meetings), list(meetings))


def report_of(score: Score) -> Report:
    """Return the score as people read it."""
    met, to_come = score.meetings, score.bugs - len(score.meetings)
    others = sum(len(meeting.caught) > 1 for meeting in met)
    rows = [
        (one.bug, f"`{one.file.removeprefix('reference_impl/')}`", one.expected if one.hit else "**MISSED**",
         ", ".join(name for name in one.caught if name != one.expected), f"{one.seconds:.1f}")
        for one in met
    ]  # fmt: skip
    parts = [
        f"{headline(met).removeprefix('bug zoo: ')}; {others} were noticed by others too.",
        *([f"**{to_come} more were not met yet.**"] if to_come else []),
        markdown(("bug", "put into", "must be caught by", "also noticed by", "s"), rows),
    ]
    return Report(tables="\n\n".join(parts), figures={}, opening=OPENING, closing=CLOSING)


def differences(published: Score, found: Score) -> Iterator[str]:
    """Return which bugs were caught by the check that should and are not any more, or the other way round."""
    known = {meeting.bug: meeting.hit for meeting in published.meetings}
    said: dict[bool | None, str] = {True: "caught", False: "missed", None: "unknown"}
    for meeting in found.meetings:
        if meeting.hit != (was := known.get(meeting.bug)):
            yield f"{meeting.bug}: {said[meeting.hit]}, published is {said[was]}"


REPORT: Final = Recipe(file=SCORE, content=Score, report_of=report_of, differences=differences)

OPENING: Final = """\
# Bug zoo

**Question.** Which of the bugs that are seeded on purpose are caught, by the check that should?

**Answer.** The first line below counts them.

**Method.** Each bug is an edit of one source file in a copy. Bugs of the ledger meet an evening on one shard, the
others a short campaign against the whole system. Without a bug every check is ok, in both."""

CLOSING: Final = """\
**Intervals.** None: each bug is met once.

**Threats.** The bugs were thought of by those who wrote the checks. One that shows rarely may be missed in an evening
that is short.

**Command.** `livetable zoo --out FOLDER`; with `--check` it meets them again and asks for the same catches.
"""


def _score() -> Any:
    if not (TESTS / "zoo" / "score.py").exists():
        raise ConfigError(f"the zoo needs a source checkout: there is no {TESTS / 'zoo'}")
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    return importlib.import_module("zoo.score")
