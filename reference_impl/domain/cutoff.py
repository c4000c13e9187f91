"""The cut-off: which bets are in time, and when a dealer may close.

Close policy A: one instant on the server's clock ends the window for everybody. A gateway judges a bet by the instant
at which it *received* it; what is in time is flushed to the wallet shards before the dealer closes them. So without
faults no in-time bet is ever rejected for being late, and a shard's own `close` entry is the last word.
"""


def in_time(received_ns: int, opens_at_ns: int, closes_at_ns: int) -> bool:
    """Tell whether a bet received at this instant lies in the half-open window ``[opens, closes)``."""
    return opens_at_ns <= received_ns < closes_at_ns


def may_close(awaited: int, now_ns: int, closes_at_ns: int, flush_ns_max: int) -> bool:
    """Tell whether the dealer may close the shards.

    Parameters
    ----------
    awaited : int
        Gateways that have not yet acknowledged their watermark.
    now_ns, closes_at_ns : int
        Now and the announced cut-off, Unix ns.
    flush_ns_max : int
        The longest that a missing gateway is waited for.
    """
    return awaited == 0 or now_ns >= closes_at_ns + flush_ns_max


def accept_until_ns(closes_at_ns: int, flush_ns_max: int, margin_ns: int) -> int:
    """Return the instant after which a shard refuses bets by its own clock: a clock may only reject."""
    return closes_at_ns + flush_ns_max + margin_ns
