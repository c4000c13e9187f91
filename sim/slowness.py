"""How slow a machine was in one run: everything takes so many times what it takes in other runs of the load.

Repeats of one load differ mostly by one number. In a slow run a gateway's waking, the hops of a batch, the wallet's
call and the way back all take the same multiple of what they take in the others: over 30 runs at six loads logarithms
of these medians, less those of their load, correlate by 0.93 to 0.99 (Spearman), and reach from 0.8 to 2.2 times the
usual. The CPU time that is counted hardly changes, so the machine works no more: it waits, for whoever it is shared
with.

Only repeats can tell it: what differs between loads may be the loads' own doing. So it is a condition of a campaign
that holds nothing of its load, and the only run of a load says nothing of it.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

TIMED = ("lag_ns", "oversleep_ns")
"""Stages that wait for a clock, however slow the machine is."""

_WORKED = (
    ("invoke_ns", "checked_ns"), ("sent_ns", "wallet_received_ns"), ("batch_started_ns", "committed_ns"),
    ("committed_ns", "replied_ns"), ("written_ns", "return_ns"),
)  # fmt: skip
"""What of a bet's way somebody works at: all but its waiting for a timer, for a sender's rest and for its turn."""


def slowness_of(known: Sequence[pd.DataFrame], loads: Sequence[Hashable]) -> list[float]:
    """Return how slow each run was: 2.0 took twice as long as the median run of its load.

    Parameters
    ----------
    known : sequence of DataFrame
        Each run's answered bets with their stamps.
    loads : sequence of hashable
        Which load each run had.
    """
    ways_ns = [float(np.median(sum((bets[end] - bets[begin]).to_numpy() for begin, end in _WORKED))) for bets in known]
    found = pd.Series(np.log(np.maximum(ways_ns, 1.0)))
    times: list[float] = np.exp(found - found.groupby(list(loads)).transform("median")).round(4).tolist()
    return times
