"""The cut-off: which bets are in time, and when a dealer may close.

Three policies say until when a table takes a player's bets. All of them count from the announced close, on the server's
clock, and know of a player only the round trip that the *server* measured:

* ``server`` (A): the announced close ends the window for everybody. Who is far away has less of it.
* ``grace`` (B): a bet may come later by the player's round trip, by `grace_ms_max` at the most.
* ``equal`` (C): as B, but counted from `grace_ms_max` before the announced close, so that everybody whose round trip
  is no longer than that has the same time to think, and nobody bets after the announced close.

What a player claims does not count. One who delays her answers to inflate the round trip gains time, `grace_ms_max` at
the most, and never information: the last instant at which any bet is taken lies before the first informative instant,
less a margin, under each policy (:func:`last_close_ns`, :func:`may_decide`).

*Announced* is not *closed*. At the announced close the dealer says it; the gateways take bets of slow links until the
last of these instants, flush them to the wallet shards and acknowledge; then the dealer closes the shards. So without
faults no in-time bet is ever rejected for being late, and a shard's own `close` entry is the last word.
"""

from enum import StrEnum
from typing import NamedTuple

from reference_impl.domain.units import NS_PER_MS


class ClosePolicy(StrEnum):
    """Until when bets are taken."""

    SERVER = "server"
    GRACE = "grace"
    EQUAL = "equal"


class Closing(NamedTuple):
    """A policy as two numbers: a window ends `early_ns` before the announced close, plus a trip up to `grace_ns`."""

    early_ns: int = 0
    grace_ns: int = 0


def closing_of(policy: ClosePolicy, grace_ms_max: int) -> Closing:
    """Return a policy's numbers."""
    grace_ns = 0 if policy is ClosePolicy.SERVER else grace_ms_max * NS_PER_MS
    return Closing(grace_ns if policy is ClosePolicy.EQUAL else 0, grace_ns)


def deadline_ns(closes_at_ns: int, early_ns: int, grace_ns: int, trip_ns: int) -> int:
    """Return the instant before which a player's bet must arrive.

    Parameters
    ----------
    closes_at_ns : int
        The announced close, Unix ns.
    early_ns, grace_ns : int
        The policy, see :class:`Closing`.
    trip_ns : int
        The player's round trip as the server measured it; 0 if it did not.
    """
    return closes_at_ns - early_ns + min(max(trip_ns, 0), grace_ns)


def first_close_ns(closes_at_ns: int, early_ns: int) -> int:
    """Return the earliest instant at which anybody's window ends."""
    return closes_at_ns - early_ns


def last_close_ns(closes_at_ns: int, early_ns: int, grace_ns: int) -> int:
    """Return the instant from which nobody's bet is taken any more."""
    return closes_at_ns - early_ns + grace_ns


def in_time(received_ns: int, opens_at_ns: int, closes_at_ns: int) -> bool:
    """Tell whether a bet received at this instant lies in the half-open window ``[opens, closes)``."""
    return opens_at_ns <= received_ns < closes_at_ns


def usable_ns(window_ns: int, deadline_after_close_ns: int, seen_after_ns: int, uplink_ns: int) -> int:
    """Return how long a player can think: from seeing bets open to the last instant at which a bet sent is in time.

    Parameters
    ----------
    window_ns : int
        From opening to the announced close.
    deadline_after_close_ns : int
        The player's deadline, relative to the announced close.
    seen_after_ns, uplink_ns : int
        How long after the opening the player sees it, by message or by picture, and how long a bet is under way.
    """
    return max(0, window_ns + deadline_after_close_ns - seen_after_ns - uplink_ns)


def may_close(awaited: int, now_ns: int, closes_at_ns: int, flush_ns_max: int) -> bool:
    """Tell whether the dealer may close the shards.

    Parameters
    ----------
    awaited : int
        Gateways that have not yet acknowledged their watermark.
    now_ns, closes_at_ns : int
        Now, and the instant from which gateways take no more bets, Unix ns.
    flush_ns_max : int
        The longest that a missing gateway is waited for.
    """
    return awaited == 0 or now_ns >= closes_at_ns + flush_ns_max


def may_decide(now_ns: int, last_close_ns: int, margin_ns: int) -> bool:
    """Tell whether an outcome may come to be: the last bet was taken a margin before."""
    return now_ns >= last_close_ns + margin_ns


def accept_until_ns(closes_at_ns: int, flush_ns_max: int, margin_ns: int) -> int:
    """Return the instant after which a shard refuses bets by its own clock: a clock may only reject."""
    return closes_at_ns + flush_ns_max + margin_ns
