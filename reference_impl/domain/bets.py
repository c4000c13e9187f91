"""What becomes of a bet: the answers it can get, the static rules it must pass, and when players place it."""

import math
from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """The answer to an operation. The same id always gets the same answer."""

    ACCEPTED = 1
    INSUFFICIENT_FUNDS = 2
    WINDOW_CLOSED = 3
    UNKNOWN_ROUND = 4
    UNKNOWN_PLAYER = 5
    CONFLICT = 6  # the id was used before with other parameters
    CANCELLED = 7  # a cancel came first and left a tombstone
    BAD_AMOUNT = 8
    BAD_SELECTION = 9
    OVERLOADED = 10  # nothing happened; the same id may be sent again
    STAKE_LIMIT = 11  # the player's own limit of one bet
    ROUND_LIMIT = 12  # the player's own limit of all bets of a round
    LOSS_LIMIT = 13  # the player's own limit of losses in a day or a week
    TIME_OUT = 14  # the player takes a break
    EXCLUDED = 15  # the player is excluded
    WRONG_CURRENCY = 16  # the accounts, or the account and the asked currency, differ in currency


class EntryKind(IntEnum):
    """What a journal entry records."""

    DEPOSIT = 1
    WITHDRAW = 2
    BET = 3
    CANCEL = 4
    SETTLE = 5
    VOID = 6
    SWEEP = 7  # the stakes of settled bets leave escrow for the house
    OPEN = 8  # a betting window opens: no money moves
    CLOSE = 9  # a betting window closes: no money moves
    DECIDE = 10  # the round's decision, in the table's home shard: no money moves
    CORRECT = 11  # a settled bet should have been paid more, or as much
    RECLAIM = 12  # a settled bet should have been paid less
    TRANSFER_OUT = 13  # money leaves a player for another, over transit
    TRANSFER_IN = 14  # and arrives, perhaps in another shard
    TRANSFER_END = 15  # its sender's shard knows that it arrived: no money moves
    TRANSFER_BACK = 16  # it could not arrive and is with its sender again
    LIMIT = 17  # a player's limit was set: no money moves


class Slot(IntEnum):
    """The last part of an entry's key: settle, cancel and void of a bet share one terminal slot.

    So do the two ends of a transfer. What arrives has a slot of its own: its id was chosen by somebody else.
    """

    FIRST = 0
    TERMINAL = 1
    CORRECTION = 2
    ARRIVAL = 3


FINAL_REJECTIONS = frozenset(Status) - {Status.ACCEPTED, Status.OVERLOADED}
"""Answers that stand for ever. An overloaded answer means that nothing happened."""


@dataclass(frozen=True, slots=True)
class TableLimits:
    """Limits of one table.

    Parameters
    ----------
    stake_minor_min, stake_minor_max : int
        Smallest and largest stake of one bet, in minor units, both allowed.
    n_selections : int
        Number of spots; selections are ``0 .. n_selections - 1``.
    """

    stake_minor_min: int
    stake_minor_max: int
    n_selections: int


def check_static(limits: TableLimits, selection: int, amount_minor: int) -> Status:
    """Return ACCEPTED, or why a bet can never be accepted at this table whatever the time and the balance."""
    if not 0 <= selection < limits.n_selections:
        return Status.BAD_SELECTION
    if not limits.stake_minor_min <= amount_minor <= limits.stake_minor_max:
        return Status.BAD_AMOUNT
    return Status.ACCEPTED


@dataclass(frozen=True, slots=True)
class BetTiming:
    """When, inside a betting window, a player bets: a mixture of three behaviours.

    Parameters
    ----------
    repeat_share : float
        Share of bets placed right after opening (repeat-bet), exponential with mean `repeat_mean_s`.
    late_share : float
        Share of bets whose hazard rises towards the deadline: exponential with mean `late_mean_s` counted
        backwards from the close. The rest is uniform over the window.
    repeat_mean_s, late_mean_s : float
        The two means, in seconds.

    Notes
    -----
    No public distribution of bet times inside a window exists. Shape and defaults are our **assumption**; with these
    defaults about 40 % of the bets of a 15 s window fall into its last 3 s.
    """

    repeat_share: float = 0.25
    late_share: float = 0.35
    repeat_mean_s: float = 0.8
    late_mean_s: float = 1.5


def bet_offset_s(
    pick: float,
    place: float,
    window_s: float,
    repeat_share: float,
    late_share: float,
    repeat_mean_s: float,
    late_mean_s: float,
) -> float:
    """Return when a bet is placed, in seconds after opening.

    Parameters
    ----------
    pick, place : float
        Two uniforms in (0, 1): which behaviour, and where within it.
    window_s : float
        Length of the betting window in seconds.
    repeat_share, late_share, repeat_mean_s, late_mean_s : float
        See :class:`BetTiming`; scalars, so that the simulation can compile this rule.

    Returns
    -------
    float
        An offset in ``[0, window_s)``. Each exponential is truncated to the window by inversion.
    """
    if pick < repeat_share:
        reach = 1.0 - math.exp(-window_s / repeat_mean_s)
        return -repeat_mean_s * math.log(1.0 - place * reach)
    if pick < repeat_share + late_share:
        reach = 1.0 - math.exp(-window_s / late_mean_s)
        return window_s + late_mean_s * math.log(1.0 - place * reach)
    return place * window_s
