"""How long a table's windows last and how long its dealer waits for others."""

from collections.abc import Sequence
from dataclasses import dataclass

from reference_impl.domain import cutoff


@dataclass(frozen=True, slots=True)
class Timing:
    """Timings of a table, in milliseconds.

    Parameters
    ----------
    window_ms : int
        Length of the betting window.
    decision_ms : int
        Length of each window in which players decide, in games that have any.
    closing_soon_ms : int
        How long before the cut-off "closing soon" is announced.
    flush_ms_max, open_wait_ms_max, close_wait_ms_max, done_wait_ms_max : int
        The longest waits for gateways' watermarks, for shards to open, to close, and to settle or void.
    accept_margin_ms : int
        A shard's own clock refuses bets this long after the last instant at which a flush may arrive.
    dealing_ms : int
        From the recorded decision to the announced result: the wheel spins.
    pause_ms : int
        From settlement to the next round.
    close_policy : ClosePolicy
        Until when a player's bets are taken, see :mod:`reference_impl.domain.cutoff`.
    grace_ms_max : int
        What a long round trip can gain at most, under the policies that look at it.
    margin_ms : int
        No outcome comes to be until so long after the last instant at which a bet is taken.
    """

    window_ms: int = 7000
    decision_ms: int = 5000
    closing_soon_ms: int = 3000
    flush_ms_max: int = 500
    open_wait_ms_max: int = 1000
    close_wait_ms_max: int = 1500
    done_wait_ms_max: int = 3000
    accept_margin_ms: int = 250
    dealing_ms: int = 2500
    pause_ms: int = 800
    close_policy: cutoff.ClosePolicy = cutoff.ClosePolicy.SERVER
    grace_ms_max: int = 300
    margin_ms: int = 20

    def round_ms_max(self, decisions: int) -> int:
        """Return the longest that a round with so many decision windows may take, without the pause after it."""
        waits_ms = self.open_wait_ms_max + self.flush_ms_max + self.close_wait_ms_max
        waits_ms += self.grace_ms_max + self.margin_ms
        windows_ms = self.window_ms + waits_ms + decisions * (self.decision_ms + waits_ms)
        return windows_ms + self.dealing_ms + self.done_wait_ms_max

    @property
    def closing(self) -> cutoff.Closing:
        """The close policy as numbers."""
        return cutoff.closing_of(self.close_policy, self.grace_ms_max)


def timing_at(timing: Timing, timings: Sequence[Timing], table: int) -> Timing:
    """Return a table's timings: `timings` are dealt out to tables 1, 2, … in turn; without any, all have `timing`."""
    return timings[(table - 1) % len(timings)] if timings else timing
