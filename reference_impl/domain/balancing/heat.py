"""What a table will ask for: a profile of work a session over the table's round, learned from its earlier rounds.

Bets come in a rush after opening and a larger one before the close, results in one broadcast. So a table's present work
says little about its work in ten seconds, but its last rounds say nearly everything. A profile has :data:`BINS` equal
parts of the cycle; each part is learned when it is over.
"""

from collections.abc import Sequence
from typing import Final

BINS: Final = 24
LEARN_SHARE: Final = 0.3
AHEAD_S: Final = 10.0
"""What counts is the hottest that comes within this time: as long as a shift of some sessions takes."""


def bin_of(elapsed_s: float, cycle_s: float) -> int:
    """Return the part of the cycle that an instant lies in, so long after a round began."""
    return int(elapsed_s % cycle_s / cycle_s * BINS) % BINS


def heat_next(known: float, seen: float) -> float:
    """Return a part's work a session and second after another round; the first one (known < 0) counts whole."""
    return seen if known < 0.0 else known + LEARN_SHARE * (seen - known)


def mean_heat(profile: Sequence[float]) -> float:
    """Return the mean work of a session of this table, a second; 0 while nothing is known."""
    total, n = 0.0, 0
    for i in range(len(profile)):
        if profile[i] >= 0.0:
            total += profile[i]
            n += 1
    return total / n if n else 0.0


def coming_heat(profile: Sequence[float], now: int, cycle_s: float) -> float:
    """Return the most work a session and second that is expected within :data:`AHEAD_S`; the mean where none is known.

    Parameters
    ----------
    profile : sequence of float, shape (BINS,)
        Learned work; negative where nothing is known.
    now : int
        The present part.
    cycle_s : float
        Length of a round and its pause.
    """
    usual = mean_heat(profile)
    most = 0.0
    for step in range(1 + min(BINS - 1, int(AHEAD_S / cycle_s * BINS))):
        seen = profile[(now + step) % BINS]
        most = max(most, seen if seen >= 0.0 else usual)
    return most
