"""The cases, in the order in which they run: plain functions of a story, named by what they hold a wallet to."""

from collections.abc import Callable
from typing import TypeAlias

from loadtest.kit.cases import money, once, order, trust, unknown
from loadtest.kit.story import Story

Case: TypeAlias = Callable[[Story], None]

CASES: dict[str, Case] = {case.__name__: case for group in (trust, money, once, order, unknown) for case in group.CASES}
"""Every case by its name."""


def question(case: Case) -> str:
    """Return what a case asks: the first line of its documentation."""
    return (case.__doc__ or "").strip().splitlines()[0]
