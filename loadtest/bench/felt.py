"""When a gateway that slows down is felt, by the bets that it answered: two measures, one strict and one of trends.

*Doubled*: the p99 of its bets over the last :data:`SPAN_S` is twice what it was before. At some fifty bets a span that
is nearly the slowest of them, so a single commit that the disk held up, for everybody, doubles it.

*Felt*: over the last :data:`FELT_S` its p99 is twice that of all other gateways at the same time, and twice as much
beside theirs as before. It is the measure of the simulated surges (``sim/balancing/outcome.py``), where the others are
so many that all of them are the others.
"""

from collections.abc import Sequence

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
    here = sorted(one for one in answered if one.gateway == gateway)
    usual_ms = p99_of(here, 0.0, struck_s)
    if not usual_ms:
        return None
    for one in here:
        if one.sent_s < struck_s:
            continue
        span = _during(here, one.sent_s - SPAN_S, one.sent_s)
        if len(span) >= BETS_MIN and percentile(span, 0.99) >= TIMES * usual_ms:
            return one.sent_s + one.ms / 1000 - struck_s
    return None


def felt_at(answered: Sequence[Answered], gateway: str, struck_s: float) -> float | None:
    """Return how long after the strike a gateway was first felt to be slower than all others; None if never."""
    here = sorted(one for one in answered if one.gateway == gateway)
    others = sorted(one for one in answered if one.gateway != gateway)
    before = p99_of(here, 0.0, struck_s), p99_of(others, 0.0, struck_s)
    if not all(before):
        return None
    usual = max(1.0, before[0] / before[1])
    for one in here:
        if one.sent_s < struck_s:
            continue
        mine, theirs = (_during(some, one.sent_s - FELT_S, one.sent_s) for some in (here, others))
        if min(len(mine), len(theirs)) < BETS_MIN:
            continue
        if percentile(mine, 0.99) >= TIMES * usual * percentile(theirs, 0.99):
            return one.sent_s + one.ms / 1000 - struck_s
    return None


def p99_of(answered: Sequence[Answered], from_s: float, to_s: float) -> float:
    """Return the p99 of the bets sent in a span of time, 0 if there were none."""
    span = [one.ms for one in answered if from_s <= one.sent_s < to_s]
    return percentile(span, 0.99) if span else 0.0


def _during(answered: Sequence[Answered], after_s: float, until_s: float) -> list[float]:
    return [one.ms for one in answered if after_s < one.sent_s <= until_s]
