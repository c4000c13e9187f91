"""Token bucket: how often something may happen, on average and at once."""

from dataclasses import dataclass

from reference_impl.domain.units import NS_PER_S


@dataclass
class TokenBucket:
    """Tokens that come back steadily.

    Parameters
    ----------
    per_s : float
        Tokens that come back in a second.
    burst : int
        The most that there can be, and how many there are at first.
    """

    per_s: float
    burst: int

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)
        self._at_ns = 0

    def take(self, now_ns: int) -> bool:
        """Take a token, if there is one. `now_ns` never goes back by itself; if it does, nothing comes back."""
        elapsed_s = max(0, now_ns - self._at_ns) / NS_PER_S if self._at_ns else 0.0
        self._tokens = min(float(self.burst), self._tokens + elapsed_s * self.per_s)
        self._at_ns = max(self._at_ns, now_ns)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
