"""Token bucket: how often something may happen, on average and at once.

One instant says it all: when the bucket will be full again. A token taken moves it on by what a token takes to come
back, and there is a token as long as it is not further away than the whole bucket takes to fill.
"""

import math

from reference_impl.domain.units import NS_PER_S


class TokenBucket:
    """Tokens that come back steadily.

    Parameters
    ----------
    per_s : float
        Tokens that come back in a second.
    burst : int
        The most that there can be, and how many there are at first.
    """

    __slots__ = ("_bucket_ns", "_full_ns", "_token_ns")

    def __init__(self, per_s: float, burst: int) -> None:
        self._token_ns = math.ceil(NS_PER_S / per_s)
        self._bucket_ns = burst * self._token_ns
        self._full_ns = 0

    def take(self, now_ns: int) -> bool:
        """Take a token, if there is one. `now_ns` never goes back by itself; if it does, nothing comes back."""
        full_ns = max(self._full_ns, now_ns) + self._token_ns
        if full_ns > now_ns + self._bucket_ns:
            return False
        self._full_ns = full_ns
        return True
