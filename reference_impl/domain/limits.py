"""Limits that players set for themselves, and how one changes: tighter at once, looser only after a delay.

The rule reads no clock: whoever sets a limit says what time it is and from when on a looser one would hold.

Invariants
----------
* At most one change waits. A newer decision replaces it, whatever it was.
* A time-out or an exclusion ends when it was said to end, or later: an earlier instant waits until then.
* What counts against a loss limit is what was staked less what came back since the limit exists, in the period of the
  player's last bet. What comes back later counts there too.
"""

from dataclasses import dataclass
from enum import IntEnum

from reference_impl.domain.units import NS_PER_S

NO_LIMIT_MINOR = 1 << 62
"""As an amount: no limit any more."""

LOOSEN_AFTER_NS = 24 * 3600 * NS_PER_S
"""How long a looser limit waits (UK Gambling Commission, Remote technical standards, RTS 12: at least 24 hours)."""

_DAY_NS = 24 * 3600 * NS_PER_S


class LimitKind(IntEnum):
    """What is limited.

    ``TIME_OUT`` and ``EXCLUSION`` hold an instant, in Unix ns, until which nothing may be staked. ``TIME_DAY`` holds
    how many ns a day the player may be logged in; who keeps the sessions sets a time-out when they are used up.
    """

    STAKE = 1
    ROUND = 2
    LOSS_DAY = 3
    LOSS_WEEK = 4
    TIME_OUT = 5
    EXCLUSION = 6
    TIME_DAY = 7


LOSS_KINDS = (LimitKind.LOSS_DAY, LimitKind.LOSS_WEEK)
INSTANT_KINDS = (LimitKind.TIME_OUT, LimitKind.EXCLUSION)


def period_of(kind: LimitKind, now_ns: int) -> int:
    """Return the number of the day, or of the week from Monday, in which an instant lies (UTC); 0 for other kinds."""
    if kind is LimitKind.LOSS_DAY:
        return now_ns // _DAY_NS
    if kind is LimitKind.LOSS_WEEK:
        return (now_ns + 3 * _DAY_NS) // (7 * _DAY_NS)  # the first day of 1970 was a Thursday
    return 0


def day_starts_ns(now_ns: int) -> int:
    """Return the instant at which the day (UTC) of an instant began."""
    return now_ns // _DAY_NS * _DAY_NS


def next_day_ns(now_ns: int) -> int:
    """Return the instant at which the next day (UTC) begins."""
    return day_starts_ns(now_ns) + _DAY_NS


@dataclass(slots=True)
class Limit:
    """One limit of a player.

    Parameters
    ----------
    kind : LimitKind
        What it limits.
    amount : int
        Minor units; Unix ns for the kinds that hold an instant; ns for ``TIME_DAY``.
    next_amount, next_from_ns : int or None
        The looser limit that waits, and from when on it holds.
    period, used_minor : int
        Loss limits: the period of the last bet, and what was lost in it.
    """

    kind: LimitKind
    amount: int
    next_amount: int | None = None
    next_from_ns: int | None = None
    period: int = 0
    used_minor: int = 0

    def in_force(self, now_ns: int) -> int:
        """Return the amount that holds at an instant."""
        if self.next_amount is not None and self.next_from_ns is not None and self.next_from_ns <= now_ns:
            return self.next_amount
        return self.amount

    def change(self, amount: int, now_ns: int, loosen_at_ns: int) -> None:
        """Ask for another amount: a tighter one holds at once, a looser one from `loosen_at_ns` on."""
        self.amount = self.in_force(now_ns)
        self.next_amount = self.next_from_ns = None
        is_instant = self.kind in INSTANT_KINDS
        if amount < self.amount if is_instant else amount > self.amount:
            self.next_amount = amount
            self.next_from_ns = max(loosen_at_ns, self.amount) if is_instant else loosen_at_ns
        else:
            self.amount = amount

    def used_at(self, now_ns: int) -> int:
        """Return what counts against a loss limit at an instant."""
        return self.used_minor if self.period == period_of(self.kind, now_ns) else 0

    def stake(self, amount_minor: int, now_ns: int) -> None:
        """Count a stake against a loss limit."""
        self.used_minor = self.used_at(now_ns) + amount_minor
        self.period = period_of(self.kind, now_ns)
