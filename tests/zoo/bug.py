"""The zoo: seeded bugs, each a small exact edit of one source file, and the check that must name it.

A bug lives in a copy; the product has no switch for it. An edit whose text is no longer there fails loudly, so the zoo
is kept when the code moves on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DATABASE = "the database"
"""Caught before it is on record: a constraint or a right refuses, and the wallet stops."""


class NotCaughtError(AssertionError):
    """No check said a word about a seeded bug."""


@dataclass(frozen=True)
class Bug:
    """A seeded bug.

    Parameters
    ----------
    name : str
        What the system does wrong.
    file : str
        The one file that is edited, from the project's root.
    edits : tuple of (old, new)
        Each old text stands in the file exactly once.
    expected : str
        The check that must say *illegal* (or *unknown*, which makes a campaign invalid).
    missed : str
        Why no check can see it; empty if one does.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    expected: str
    missed: str = ""

    def patched(self) -> str:
        """Return the file's text with the bug in it."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        for old, new in self.edits:
            if (found := text.count(old)) != 1:
                raise LookupError(f"bug {self.name!r}: {self.file} has {found} times, expected once: {old!r}")
            text = text.replace(old, new)
        return text


def as_parameters(bugs: Sequence[Bug]) -> list[object]:
    """Return pytest's parameters; a bug that no check sees is expected to slip through, and only in that way."""
    missed = {
        bug: pytest.mark.xfail(strict=True, raises=NotCaughtError, reason=bug.missed) for bug in bugs if bug.missed
    }
    return [pytest.param(bug, id=bug.name, marks=missed.get(bug, ())) for bug in bugs]
