"""The rules of rendition choice behind one interface, each with the state that it keeps for one viewer."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from loadtest.viewing.follower import Throughput
from reference_impl.domain import abr
from reference_impl.domain.abr_rules import SegmentSeen, bola_choose, lolp_begin, lolp_choose
from sim.scenario import Choosing

BOLA_LEAST_SHARE = 0.6
"""BOLA's lower buffer as a share of the hold-back; its target is the hold-back. An **assumption**: the papers' buffers
of ten seconds and more do not exist this close to live."""

GIVE_UP_PARTS = 2.0
"""A part is given up when it has taken so many times its duration longer than the buffer lasts. An **assumption**."""


def patience_s(buffer_s: float, part_s: float) -> float:
    """Return how long a part may take from its first byte on before a viewer gives it up for the lowest rendition."""
    return max(buffer_s, 0.0) + GIVE_UP_PARTS * part_s


class Now(NamedTuple):
    """What a viewer knows when it chooses."""

    current: int
    buffer_s: float
    hold_back_s: float
    segment_s: float
    seen: SegmentSeen


class Chooser(Protocol):
    """Chooses renditions for one viewer."""

    def saw(self, size_bytes: int, took_s: float) -> None:
        """Learn from an answer's body."""

    def choose(self, now: Now) -> int:
        """Return the index of the rendition to load next."""


class ByThroughput:
    """The rule of viewers where a scenario names no other, and of simulated ones."""

    def __init__(self, bitrates_bps: Sequence[float]) -> None:
        self.bitrates_bps = bitrates_bps
        self._throughput = Throughput()

    def saw(self, size_bytes: int, took_s: float) -> None:
        """Learn from an answer's body."""
        self._throughput.saw(size_bytes, took_s)

    def choose(self, now: Now) -> int:
        """Return the index of the rendition to load next."""
        return self._throughput.choose(self.bitrates_bps, now.current, now.buffer_s)

    @property
    def estimate_bps(self) -> float:
        """What the link is thought to carry; 0 before the first answer."""
        seen = self._throughput
        return abr.throughput_bps(seen.fast_mean_bps, seen.slow_mean_bps, seen.known)


class ByBola(ByThroughput):
    """BOLA-E; without any measurement yet the rendition stays."""

    def choose(self, now: Now) -> int:
        """Return the index of the rendition to load next."""
        if not self.estimate_bps:
            return now.current
        least_s = BOLA_LEAST_SHARE * now.hold_back_s
        return bola_choose(self.bitrates_bps, now.current, self.estimate_bps, now.buffer_s, least_s, now.hold_back_s)


class ByLolp(ByThroughput):
    """After LoL+: a self-organising map of one neuron a rendition."""

    def __init__(self, bitrates_bps: Sequence[float]) -> None:
        super().__init__(bitrates_bps)
        self._neurons = lolp_begin(bitrates_bps)

    def choose(self, now: Now) -> int:
        """Return the index of the rendition to load next."""
        if not self.estimate_bps:
            return now.current
        best, self._neurons = lolp_choose(
            self._neurons, self.bitrates_bps, now.seen, now.current, self.estimate_bps, now.buffer_s, now.segment_s
        )
        return best


CHOOSERS: dict[str, Callable[[Sequence[float]], Chooser]] = {
    Choosing.THROUGHPUT: ByThroughput,
    Choosing.BOLA_E: ByBola,
    Choosing.LOL_PLUS: ByLolp,
}
