"""What a gateway keeps for a shard, and when its next batch of bets may leave: the sender rests after each flight.

What every batch costs, whatever its size, is paid by every part of the way: two hops, a commit, an event. Where
processors are short, a sender that never rests keeps them busy with small batches, and all bets wait for that. The rest
follows the flight: on an idle system it is some milliseconds and hardly anybody meets it, since a bet that comes to a
rested sender leaves at once; where flights grow long, batches grow instead of their number.
"""

from reference_impl.domain.units import NS_PER_MS

PENDING_BETS_MAX = 20_000
"""Bets without an answer that a gateway keeps for one shard; it refuses more."""
REST_FLIGHTS = 2
REST_NS_MAX = 10 * NS_PER_MS


def rest_ns(flight_ns: int) -> int:
    """Return how long a sender rests after a batch that was away for so long.

    Notes
    -----
    Found by measurement on two cores: rests of one to three flights took 12 to 33 % off the 99th percentile of a bet's
    way at a quarter of saturation, and 37 to 48 % at half of it, against none; two lies between them. Rests of 10 ms
    at the most keep the tail shorter than rests of 20 while events go out. See
    ``docs/adr/0024-a-sender-rests-after-each-flight.md``.
    """
    return min(REST_NS_MAX, REST_FLIGHTS * flight_ns)
