"""Decisions with everything that they were made from, a line of JSON each; and their replay.

A placement is a :class:`reference_impl.domain.balancing.policies.Decision`, a shift is who was to give how many
sessions to whom, as of what was known. Either is made again from its line by the rules alone: :func:`agrees`.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from reference_impl.domain.balancing.fleet import Fleet, shifts
from reference_impl.domain.balancing.policies import Decision, replayed


class Placed(Struct, tag="placed", frozen=True):
    """A placement."""

    decision: Decision


class Shifted(Struct, tag="shifted", frozen=True):
    """What was to be shifted between gateways: giver, taker, sessions."""

    t_ns: int
    epoch: int
    fleet: Fleet
    sessions: dict[int, int]
    movable: dict[int, int]
    now_s: float
    passed_s: float
    moves: list[tuple[int, int, int]]


Line: TypeAlias = Placed | Shifted

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def line_of(what: Decision | Shifted) -> bytes:
    """Return a decision's line."""
    return _encode(Placed(what) if isinstance(what, Decision) else what) + b"\n"


def parse(line: bytes) -> Line:
    """Return what a line holds."""
    known: Line = _decode(line)
    return known


def agrees(line: Line) -> bool:
    """Tell whether the rules decide alike once more."""
    if isinstance(line, Placed):
        return replayed(line.decision) == line.decision.number
    again = shifts(line.fleet, line.sessions, line.movable, line.now_s, line.passed_s)
    return [tuple(move) for move in again] == line.moves
