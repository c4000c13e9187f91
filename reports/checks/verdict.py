"""What a check says: ok, illegal with a witness, or unknown."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import Struct, field

from reports.checks.view import View

Mask = npt.NDArray[np.bool_]


class Verdict(Struct, frozen=True):
    """A check's verdict.

    Parameters
    ----------
    status : {"ok", "illegal", "unknown", "skipped"}
        Only "illegal" says that a rule was broken.
    message : str
        One sentence for people.
    witness : dict or None
        The first record that breaks the rule, with what it contradicts.
    counts : dict
        How much was looked at, left out or found.
    """

    status: str
    message: str
    witness: dict[str, Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)


class Rule(NamedTuple):
    """One thing that must not be: rows of `frame` where `broken` holds break it."""

    message: str
    frame: pd.DataFrame | View
    broken: Mask | pd.Series


def ok(message: str, **counts: int) -> Verdict:
    """Return the verdict that nothing contradicts the rule."""
    return Verdict("ok", message, None, counts)


def unknown(message: str, **counts: int) -> Verdict:
    """Return the verdict that the records do not decide."""
    return Verdict("unknown", message, None, counts)


def skipped(message: str) -> Verdict:
    """Return the verdict of a check that does not apply to the target."""
    return Verdict("skipped", message)


def first_broken(rules: Iterable[Rule], **counts: int) -> Verdict | None:
    """Return *illegal* for the first rule that a row breaks, with that row as the witness; None if none does."""
    for rule in rules:
        rows = np.flatnonzero(np.asarray(rule.broken))
        if len(rows):
            return Verdict(
                "illegal", f"{len(rows):,} × {rule.message}", row_of(rule.frame, int(rows[0])),
                {**counts, "violations": len(rows)},
            )  # fmt: skip
    return None


def row_of(frame: pd.DataFrame | View, row: int) -> dict[str, Any]:
    """Return a row as plain values."""
    values = frame.row(row) if isinstance(frame, View) else {name: frame[name].iloc[row] for name in frame.columns}
    return {str(name): plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """Return a NumPy value as plain Python."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
