"""The zoo: seeded bugs, each a small exact edit of one source file, and the check that must name it.

A bug lives in a copy; the product has no switch for it. An edit whose text is no longer there fails loudly, so the zoo
is kept when the code moves on.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

DATABASE = "the database"
"""Caught before it is on record: a constraint or a right refuses, and the wallet stops."""


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
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    expected: str

    def patched(self) -> str:
        """Return the file's text with the bug in it."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        for old, new in self.edits:
            if (found := text.count(old)) != 1:
                raise LookupError(f"bug {self.name!r}: {self.file} has {found} times, expected once: {old!r}")
            text = text.replace(old, new)
        return text
