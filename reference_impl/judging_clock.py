"""The clock by which a gateway judges whether a bet is in time: a wall clock that is put back is not followed.

A wall clock that runs late takes bets that came after the close. That a clock may only refuse holds for shards
(:func:`reference_impl.domain.cutoff.accept_until_ns`), and so it does here: whoever puts the clock forward shortens
windows until it is put right, and whoever puts it back changes nothing until the process starts anew. Nothing is lost
by it between such steps, since adjustments by NTP move the monotonic clock with the wall clock.
"""

import logging
import time
from collections.abc import Callable

from reference_impl.domain.units import NS_PER_MS

READINGS = 5
STEP_NS_MIN = 20 * NS_PER_MS
"""A difference below it is no step that anybody is told of."""

log = logging.getLogger(__name__)


def unix_offset_ns() -> int:
    """Return Unix time less the monotonic clock's: the least of some readings, for an interruption makes it larger."""
    return min(-time.monotonic_ns() + time.time_ns() for _ in range(READINGS))


class JudgingClock:
    """What is added to an instant of the monotonic clock to judge it by Unix time.

    Parameters
    ----------
    read : callable
        Returns Unix time less the monotonic clock's, ns.
    """

    def __init__(self, read: Callable[[], int] = unix_offset_ns) -> None:
        self._read = read
        self._first_ns = read()
        self._put_back = False
        self.offset_ns = self._first_ns

    def look(self) -> None:
        """Take note of the wall clock."""
        now_ns = self._read()
        self.offset_ns = max(self._first_ns, now_ns)
        put_back = now_ns < self._first_ns - STEP_NS_MIN
        if put_back and not self._put_back:
            behind_ms = (self._first_ns - now_ns) // NS_PER_MS
            log.warning("the wall clock was put back by %d ms; bets are judged by the earlier one", behind_ms)
        self._put_back = put_back
