"""Playing out: the playhead and the buffer of a player without a screen.

Media time is the Unix time at which a frame was due to be taken; the playhead is the media time that is on the screen.
Playback starts once the hold-back is buffered, stops where the buffer ends, and goes on with the next part that comes.
A hole in the media is jumped over when the playhead gets there; if nothing was buffered beyond it, playback starts
anew, or it would go on closer to the live end than it can hold. A viewer too far behind plays a little faster.
"""

from collections import deque

from reference_impl.domain.units import NS_PER_MS

SLACK_NS = 100 * NS_PER_MS
"""A viewer this much further behind than its hold-back does not hurry yet."""


class Playback:
    """One viewer's playback, told of parts and of the time.

    Parameters
    ----------
    hold_back_ns : int
        How much is buffered before playback starts, and how far behind the newest frame it stays.
    catch_up_rate_max : float
        The fastest that it plays.
    """

    def __init__(self, hold_back_ns: int, catch_up_rate_max: float) -> None:
        self.hold_back_ns = hold_back_ns
        self.playhead_ns = 0
        self._rate_max = catch_up_rate_max
        self._rate = 1.0
        self._media: deque[tuple[int, int]] = deque()
        self._now_ns = 0
        self._dry_since_ns = 0

    @property
    def started(self) -> bool:
        """Whether there was ever something to see."""
        return self.playhead_ns > 0

    @property
    def rate(self) -> float:
        """The speed at which it plays."""
        return self._rate

    @property
    def stalled(self) -> bool:
        """Whether the picture stands still for want of media."""
        return self._dry_since_ns > 0

    @property
    def buffered_ns(self) -> int:
        """How much media there is ahead of the playhead."""
        ahead = sum(end_ns - start_ns for start_ns, end_ns in self._media)
        played = self.playhead_ns - self._media[0][0] if self._media and self.started else 0
        return ahead - max(played, 0)

    def stalled_for_ns(self, now_ns: int) -> int:
        """Return how long the picture has been standing still."""
        return now_ns - self._dry_since_ns if self.stalled else 0

    def give_up(self, now_ns: int) -> int:
        """Stop waiting for the end of a stall; return how long it lasted, or 0."""
        stall_ns, self._dry_since_ns = self.stalled_for_ns(now_ns), 0
        return stall_ns

    def pace(self, newest_ns: int, now_ns: int) -> None:
        """Choose the speed from now on by the distance to the end of the newest frame that could be fetched."""
        self.advance(now_ns)
        behind_ns = newest_ns - self.playhead_ns - self.hold_back_ns
        self._rate = self._rate_max if self.started and behind_ns > SLACK_NS else 1.0

    def take(self, start_ns: int, end_ns: int, now_ns: int) -> int:
        """Add media, in order; return the length of the stall that it ends, or 0."""
        self.advance(now_ns)
        if self._media and self._media[-1][1] == start_ns:
            self._media[-1] = (self._media[-1][0], end_ns)
        else:
            self._media.append((start_ns, end_ns))
        first_ns = self._media[0][0]
        if self.started and not self.stalled:
            return 0
        if first_ns <= self.playhead_ns or self.buffered_ns >= self.hold_back_ns:
            self.playhead_ns = max(self.playhead_ns, first_ns)
            return self.give_up(now_ns)
        return 0

    def advance(self, now_ns: int) -> None:
        """Play until now; an instant that is past already changes nothing."""
        left_ns = round(max(now_ns - self._now_ns, 0) * self._rate)
        self._now_ns = now_ns = max(now_ns, self._now_ns)
        if not self.started or self.stalled:
            return
        while self._media:
            start_ns, end_ns = self._media[0]
            self.playhead_ns = max(self.playhead_ns, start_ns)
            step_ns = min(left_ns, end_ns - self.playhead_ns)
            self.playhead_ns += step_ns
            left_ns -= step_ns
            if self.playhead_ns < end_ns:
                return
            self._media.popleft()
        self._dry_since_ns = now_ns - round(left_ns / self._rate)
