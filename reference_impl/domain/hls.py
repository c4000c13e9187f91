"""Low-latency HLS as pure rules: the media timeline, blocking reload, cache lifetimes.

The media timeline is the wall clock. Frame slot ``n`` is the instant ``n * frame_ns`` after the Unix epoch, and parts
and segments are runs of slots; so a part's number, its media time and its URI follow from the clock alone. A studio or
an origin that starts again needs no memory to go on where the stream is, and a URI never names two different contents.

Invariants
----------
* All parts have the same duration, PART-TARGET, and every segment has the same number of parts.
* Parts, segments, decode times and program date-times count from the same zero.

References
----------
draft-pantos-hls-rfc8216bis-22: 6.2.5.2 (blocking reload), 6.2.2 (advance part limit), 4.4.3.8 (server control),
B.1 (low-latency server profile).
"""

from dataclasses import dataclass
from enum import IntEnum

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_S

TIMESCALE_HZ = 90_000
MSN_AHEAD_MAX = 2
ADVANCE_LIMIT_S = 3.0


class Verdict(IntEnum):
    """What to do with a blocking playlist request."""

    READY = 0
    WAIT = 1
    TOO_FAR = 2


@dataclass(frozen=True, slots=True)
class MediaTiming:
    """How a stream is cut into frames, parts and segments.

    Parameters
    ----------
    fps : int
        Frames a second; must divide 10⁹ ns and the 90 kHz media clock.
    part_frames : int
        Frames in a part.
    parts_per_segment : int
        Parts in a segment.
    gop_frames : int
        Frames from one independent frame to the next; a segment holds a whole number of them.

    Raises
    ------
    ConfigError
        If the numbers do not divide each other.
    """

    fps: int = 25
    part_frames: int = 8
    parts_per_segment: int = 6
    gop_frames: int = 24

    def __post_init__(self) -> None:
        for name in ("fps", "part_frames", "parts_per_segment", "gop_frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if NS_PER_S % self.fps or TIMESCALE_HZ % self.fps:
            raise ConfigError(f"fps is {self.fps}; it must divide 10^9 ns and {TIMESCALE_HZ} Hz, as 20, 25 and 50 do")
        if self.segment_frames % self.gop_frames:
            raise ConfigError(f"gop_frames is {self.gop_frames}; it must divide the {self.segment_frames} of a segment")

    @property
    def segment_frames(self) -> int:
        """Frames in a segment."""
        return self.part_frames * self.parts_per_segment

    @property
    def frame_ns(self) -> int:
        """Duration of a frame."""
        return NS_PER_S // self.fps

    @property
    def frame_ticks(self) -> int:
        """Duration of a frame on the media clock."""
        return TIMESCALE_HZ // self.fps

    @property
    def part_s(self) -> float:
        """Duration of a part: PART-TARGET."""
        return self.part_frames / self.fps

    @property
    def segment_ns(self) -> int:
        """Duration of a segment."""
        return self.segment_frames * self.frame_ns

    @property
    def segment_s(self) -> float:
        """Duration of a segment."""
        return self.segment_frames / self.fps

    @property
    def target_duration_s(self) -> int:
        """EXT-X-TARGETDURATION: the segment's duration, rounded up."""
        return -(-self.segment_frames // self.fps)

    @property
    def part_hold_back_s(self) -> float:
        """PART-HOLD-BACK: three parts, as the draft recommends."""
        return 3 * self.part_s

    @property
    def hold_back_s(self) -> int:
        """HOLD-BACK: three target durations."""
        return 3 * self.target_duration_s

    @property
    def skip_until_s(self) -> int:
        """CAN-SKIP-UNTIL: six target durations."""
        return 6 * self.target_duration_s

    @property
    def blocked_s_max(self) -> int:
        """The longest that a request may be held."""
        return 3 * self.target_duration_s

    def first_slot(self, msn: int) -> int:
        """Return the first frame slot of a segment."""
        return msn * self.segment_frames

    def next_part(self, now_ns: int) -> int:
        """Return the number, counted from the epoch, of the first part that begins after an instant."""
        return now_ns // (self.frame_ns * self.part_frames) + 1

    def part_of(self, slot: int) -> tuple[int, int]:
        """Return the segment and the part to which a frame slot belongs."""
        msn, frame = divmod(slot, self.segment_frames)
        return msn, frame // self.part_frames


def after(msn: int, part: int, parts_per_segment: int) -> tuple[int, int]:
    """Return the part that follows."""
    return (msn, part + 1) if part + 1 < parts_per_segment else (msn + 1, 0)


def part_filmed_ns(msn: int, part: int, part_ns: int, frame_ns: int, parts_per_segment: int) -> int:
    """Return the Unix instant at which a part's last frame is taken: nobody can have the part before."""
    return (msn * parts_per_segment + part + 1) * part_ns - frame_ns


def blocking_verdict(
    newest_msn: int, newest_part: int, want_msn: int, want_part: int, parts_per_segment: int, part_s: float
) -> Verdict:
    """Return what to do with a request that asks for a part, or with ``want_part`` = -1 for a whole segment.

    Parameters
    ----------
    newest_msn, newest_part : int
        The newest published part.
    want_msn, want_part : int
        ``_HLS_msn`` and ``_HLS_part``; an index past a segment's last part means part 0 of the next segment.
    parts_per_segment : int
        Parts in a segment.
    part_s : float
        PART-TARGET in seconds; requests further ahead than `ADVANCE_LIMIT_S` of parts are refused.
    """
    newest = newest_msn * parts_per_segment + newest_part
    last_complete = newest_msn if newest_part == parts_per_segment - 1 else newest_msn - 1
    if want_part < 0:
        wanted = want_msn * parts_per_segment + parts_per_segment - 1
    else:
        if want_msn >= newest_msn and want_msn * parts_per_segment + want_part - newest > ADVANCE_LIMIT_S / part_s:
            return Verdict.TOO_FAR
        wanted = want_msn * parts_per_segment + min(want_part, parts_per_segment)
    if want_msn > last_complete + MSN_AHEAD_MAX:
        return Verdict.TOO_FAR
    return Verdict.READY if wanted <= newest else Verdict.WAIT


def playlist_age_s_max(target_duration_s: int, *, blocking: bool, ok: bool) -> float:
    """Return how long a cache may keep a playlist answer, in seconds.

    A blocking answer names the part it waited for, so it stays true; a plain one grows old with the next part.
    """
    if blocking:
        return (6.0 if ok else 4.0) * target_duration_s
    return (0.5 if ok else 1.0) * target_duration_s
