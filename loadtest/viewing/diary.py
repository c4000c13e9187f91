"""What a viewer notes of each segment, for rules of choice and for the quality of experience."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reference_impl.domain.abr_rules import SegmentSeen


@dataclass(slots=True)
class Diary:
    """The segment that a viewer loads now, and the last whole one.

    Parameters
    ----------
    bitrates_bps : sequence of float
        Of the renditions, ascending.
    """

    bitrates_bps: Sequence[float]
    last: SegmentSeen | None = None
    stalled_s: float = 0.0
    loaded: list[int] = field(default_factory=list)

    def end(self, latency_s: float, rate: float) -> SegmentSeen | None:
        """Close the segment, at this latency and speed of playback, and return it; None if nothing of it was loaded."""
        if not self.loaded:
            return None
        rate_bps = sum(self.bitrates_bps[rendition] for rendition in self.loaded) / len(self.loaded)
        before_bps = self.last.bitrate_bps if self.last else rate_bps
        self.last = SegmentSeen(rate_bps, before_bps, self.stalled_s, latency_s, rate)
        self.stalled_s, self.loaded = 0.0, []
        return self.last

    def now(self, latency_s: float) -> SegmentSeen:
        """Return the last segment as a choice sees it: with the latency of this instant."""
        lowest_bps = self.bitrates_bps[0]
        before = self.last or SegmentSeen(lowest_bps, lowest_bps, 0.0, 0.0, 1.0)
        return before._replace(latency_s=latency_s)
