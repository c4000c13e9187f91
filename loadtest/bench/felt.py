"""When a gateway that slows down is felt, by the bets that it answered: two measures, one strict and one of trends.

*Doubled*: the p99 of its bets over the last :data:`SPAN_S` is twice what it was before. At some fifty bets a span that
is nearly the slowest of them, so a single commit that the disk held up, for everybody, doubles it.

*Felt*: over the last :data:`FELT_S` its p99 is twice that of all other gateways at the same time, and twice as much
beside theirs as before. It is the measure of the simulated surges (``sim/balancing/outcome.py``), where the others are
so many that all of them are the others.
"""

from collections.abc import Callable, Sequence

from loadtest.bench.bettors import Answered
from loadtest.bench.result import percentile

SPAN_S = 2.0
FELT_S = 10.0
TIMES = 2.0
BETS_MIN = 10
"""Fewer bets say nothing."""


def doubled_at(answered: Sequence[Answered], gateway: str, struck_s: float) -> float | None:
    """Return how long after the strike a gateway's p99 over :data:`SPAN_S` first was twice that before; None if never.

    A bet counts from when it was sent.
    """
    here, _ = _parted(answered, gateway)
    usual_ms = p99_of(here, 0.0, struck_s)
    if not usual_ms:
        return None
    return _first(here, struck_s, lambda at_s: _p99_until(here, SPAN_S, at_s) >= TIMES * usual_ms)


def felt_at(answered: Sequence[Answered], gateway: str, struck_s: float) -> float | None:
    """Return how long after the strike a gateway was first felt to be slower than all others; None if never."""
    here, others = _parted(answered, gateway)
    before = p99_of(here, 0.0, struck_s), p99_of(others, 0.0, struck_s)
    if not all(before):
        return None
    usual = max(1.0, before[0] / before[1])

    def felt(at_s: float) -> bool:
        theirs_ms = _p99_until(others, FELT_S, at_s)
        return theirs_ms > 0.0 and _p99_until(here, FELT_S, at_s) >= TIMES * usual * theirs_ms

    return _first(here, struck_s, felt)


def p99_of(answered: Sequence[Answered], from_s: float, to_s: float) -> float:
    """Return the p99 of the bets sent in a span of time, 0 if there were none."""
    span = [one.ms for one in answered if from_s <= one.sent_s < to_s]
    return percentile(span, 0.99) if span else 0.0


def _parted(answered: Sequence[Answered], gateway: str) -> tuple[list[Answered], list[Answered]]:
    """Return a gateway's bets and those of all others, in the order in which they were sent."""
    parts: tuple[list[Answered], list[Answered]] = [], []
    for one in sorted(answered):
        parts[one.gateway != gateway].append(one)
    return parts


def _first(here: Sequence[Answered], struck_s: float, slow: Callable[[float], bool]) -> float | None:
    """Return how long after the strike the first bet was answered that was sent when a gateway was slow."""
    found = next((one for one in here if one.sent_s >= struck_s and slow(one.sent_s)), None)
    return None if found is None else found.sent_s + found.ms / 1000 - struck_s


def _p99_until(answered: Sequence[Answered], span_s: float, until_s: float) -> float:
    """Return the p99 of the bets of the last `span_s`, 0 if they are too few to say."""
    span = [one.ms for one in answered if until_s - span_s < one.sent_s <= until_s]
    return percentile(span, 0.99) if len(span) >= BETS_MIN else 0.0
