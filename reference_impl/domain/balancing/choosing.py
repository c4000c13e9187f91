"""Which of the candidates a session is sent to: one rule for each policy, of plain scalars and arrays.

Every rule takes the same arguments, so that one call serves them all:

* ``load``: forecast load of each candidate, what was placed since its report included;
* ``weight``: what each is fit for, above 0; whoever is fit for nothing is no candidate;
* ``latency``: smoothed latency of each, in any unit;
* ``order``: indices of the candidates as the session's key prefers them (:mod:`.ordering`);
* ``copies``: how many of that order the key may use without need;
* ``first``, ``second``: two uniforms in [0, 1).

The result is an index. There is at least one candidate.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Final

from reference_impl.domain.placement import two_choices

RANDOM: Final = 0
LEAST_LOADED: Final = 1
TWO_CHOICES: Final = 2
PEAK_EWMA: Final = 3
RING: Final = 4
RENDEZVOUS: Final = 5
FORECAST: Final = 6

BOUND: Final = 1.25
"""A bounded ring lets nobody exceed so many times the mean. Mirrokni et al. use 1 + ε with ε = 0.25 to 1."""

CAP: Final = 1.06
CAP_ROOTS: Final = 3.0
"""A replica set is left when even its least loaded place would exceed so many times the mean, and so many times the
mean's root on top: chance alone makes loads differ by that."""

COPIES_SLACK: Final = 3.5
"""A popular key's replica set has so much more room than its audience needs: enough overlap to level all places."""

ONE_COPY_SHARE: Final = 0.15
"""A key with less than this share of a place's mean load stays on one place: a second copy would level little."""


def random_one(load: Sequence[float], first: float) -> int:
    """Return any candidate."""
    return int(first * len(load))


def least_loaded(load: Sequence[float], first: float) -> int:
    """Return the candidate with the least load; among equals the next after a random one."""
    n = len(load)
    best = int(first * n)
    for step in range(1, n):
        i = (int(first * n) + step) % n
        if load[i] < load[best]:
            best = i
    return best


def weighted_one(weight: Sequence[float], share: float, but: int) -> int:
    """Return the candidate in which a share of all weight lies, one candidate (-1: none) left out."""
    total = 0.0
    for i in range(len(weight)):
        if i != but:
            total += weight[i]
    rest, last = share * total, but
    for i in range(len(weight)):
        if i != but:
            last = i
            rest -= weight[i]
            if rest < 0.0:
                break
    return last


def two_costs(load: Sequence[float], weight: Sequence[float], first: float, second: float) -> int:
    """Return the cheaper of two random candidates: the lower load for what it is fit for, this session included.

    They are drawn by weight, since opening a session is work, too: who is fit for a third is asked a third as often.
    """
    a = weighted_one(weight, first, -1)
    b = weighted_one(weight, second, a)
    return a if (load[a] + 1.0) * weight[b] <= (load[b] + 1.0) * weight[a] else b


def peak_ewma(load: Sequence[float], latency: Sequence[float], first: float, second: float) -> int:
    """Return the one of two random candidates with the lower product of latency and load.

    References
    ----------
    Finagle's ``PeakEwma``: "Beyond round robin: load balancing for latency" (Buoyant, 2016).
    """
    n = len(load)
    a = int(first * n)
    if n == 1:
        return a
    b = (a + 1 + int(second * (n - 1))) % n
    return a if (load[a] + 1.0) * latency[a] <= (load[b] + 1.0) * latency[b] else b


def bounded_ring(load: Sequence[float], order: Sequence[int]) -> int:
    """Return the first place of the walk that this session does not lift above :data:`BOUND` times the mean.

    References
    ----------
    Mirrokni, Thorup, Zadimoghaddam: "Consistent hashing with bounded loads", SODA 2018.
    """
    total = 1.0
    for i in range(len(load)):
        total += load[i]
    limit = ceil(BOUND * total / len(load))
    for place in order:
        if load[place] + 1.0 <= limit:
            return place
    return order[0]


def full_from(mean: float) -> float:
    """Return the cost from which a place is full, given the mean one."""
    return max(1.0, CAP * mean + CAP_ROOTS * sqrt(mean))


def replica_choice(load: Sequence[float], weight: Sequence[float], order: Sequence[int], copies: int) -> int:
    """Return the cheapest place of a key's replica set, or, if even that is full, the first further one that is not.

    Full is who would exceed the mean cost by more than :data:`CAP` and :data:`CAP_ROOTS` say. If everybody is, the
    replica set decides.
    """
    total, fit = 1.0, 0.0
    for i in range(len(load)):
        total += load[i]
        fit += weight[i]
    limit = full_from(total / fit)
    n = len(order)
    best = order[0]
    for rank in range(1, min(copies, n)):
        place = order[rank]
        if (load[place] + 1.0) * weight[best] < (load[best] + 1.0) * weight[place]:
            best = place
    if load[best] + 1.0 <= limit * weight[best]:
        return best
    for rank in range(copies, n):
        place = order[rank]
        if load[place] + 1.0 <= limit * weight[place]:
            return place
    return best


def choose(
    policy: int, load: Sequence[float], weight: Sequence[float], latency: Sequence[float], order: Sequence[int],
    copies: int, first: float, second: float,
) -> int:  # fmt: skip
    """Return the candidate that a policy chooses; the policies are this module's constants."""
    if policy == RANDOM:
        return random_one(load, first)
    if policy == LEAST_LOADED:
        return least_loaded(load, first)
    if policy == PEAK_EWMA:
        return peak_ewma(load, latency, first, second)
    if policy == RING:
        return bounded_ring(load, order)
    if policy == RENDEZVOUS:
        return replica_choice(load, weight, order, copies)
    if policy == FORECAST:
        return two_costs(load, weight, first, second)
    return two_choices(load, first, second)


def copies_of(audience: float, mean_load: float, places: int) -> int:
    """Return how many places a key's replica set has: as many as its audience fills, with some slack, and at least one.

    Parameters
    ----------
    audience : float
        Sessions that want the key.
    mean_load : float
        Mean load of a place.
    places : int
        How many places there are.
    """
    if audience <= ONE_COPY_SHARE * mean_load or places == 1:
        return 1
    return min(places, max(2, int(COPIES_SLACK * audience / mean_load) + 1))
