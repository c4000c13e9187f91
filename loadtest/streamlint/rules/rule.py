"""What a rule is: a question to a walk, answered once for each thing that it applies to."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Literal, NamedTuple

import msgspec

from loadtest.streamlint.walk import Walk

Level = Literal["must", "should"]


class Finding(msgspec.Struct, frozen=True):
    """A violation: where, what was seen there, and what is allowed."""

    url: str
    seen: str
    allowed: str


Looks = Iterator[Finding | None]
"""One item for each thing that a rule looked at; None where it holds. Without any the rule was not put to the test."""


class Rule(NamedTuple):
    """A rule. ``source`` names where it is written: a section of draft-pantos-hls-rfc8216bis-22 unless it says more."""

    id: str
    level: Level
    says: str
    source: str
    look: Callable[[Walk], Looks]


def rule(identity: str, level: Level, says: str, source: str) -> Callable[[Callable[[Walk], Looks]], Rule]:
    """Return a decorator that makes a rule of the function that looks."""
    return lambda look: Rule(identity, level, says, source, look)


def rules_of(module: ModuleType) -> list[Rule]:
    """Return a module's rules in the order of their text."""
    return [value for value in vars(module).values() if isinstance(value, Rule)]


def hold(good: bool, url: str, seen: str, allowed: str) -> Finding | None:  # noqa: FBT001 - the fact that is judged
    """Return None if it is good, otherwise the finding."""
    return None if good else Finding(url, seen, allowed)
