"""A studio in simulated time: a part whenever its last frame is filmed, and the uplink that brings it to the origin.

A studio that dies loses the part that it is filming and those on their way; a new one begins with the next part, unless
the one before it has begun that segment. One that the host has starved goes on with the next segment. The same draw
starves all studios: they share the host.
While the origin is away parts wait, the oldest are dropped beyond a bound, and the rest follows when it is back.
"""

from collections import deque

import simpy

from reference_impl.domain.hls import MediaTiming, part_filmed_ns
from reference_impl.domain.units import NS_PER_MS
from sim.draws import Draws
from sim.origin import Origin
from sim.random_streams import Stream
from sim.server import after

PARTS_QUEUED_MAX = 12
PUSHES = 2
"""Everything is sent twice: frame by frame for interactive viewers, and as whole parts."""

RETRY_NS = 200 * NS_PER_MS
"""An uplink without an origin tries again so often."""


class Studio:
    """One table's studio.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    table : int
        The table.
    timing : MediaTiming
        How the stream is cut.
    draws : Draws
        Part sizes and times.
    origin : Origin
        Where parts go.
    """

    def __init__(self, env: simpy.Environment, table: int, timing: MediaTiming, draws: Draws, origin: Origin) -> None:
        self.table = table
        self.name = f"studio-{table}"
        self.parts = 0
        self.egress_bytes = 0
        self.connected = True
        self._env = env
        self._timing = timing
        self._draws = draws
        self._origin = origin
        self._life = 0
        self._published_ns = 0
        self._kept: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=PARTS_QUEUED_MAX)
        self._on_air = False
        self._last = -timing.parts_per_segment
        self._film(0)

    @property
    def waiting(self) -> int:
        """Parts that wait for the origin."""
        return len(self._kept)

    def stop(self) -> None:
        """End the film."""
        self._on_air = False

    def kill(self) -> None:
        """Die."""
        self._life += 1
        self._on_air = self.connected = False
        self._kept.clear()

    def restart(self) -> None:
        """Film again: from the next part on, but no segment is of two encoders."""
        self.connected = self._origin.up
        now_ns, per_segment = int(self._env.now), self._timing.parts_per_segment
        number = self._timing.next_part(now_ns)
        begun = number // per_segment == self._last // per_segment
        self._film(self._next_segment(now_ns) if begun else number)

    def lose_origin(self) -> None:
        """Take note that the uplink is broken."""
        self.connected = False

    def find_origin(self) -> None:
        """Connect again with the uplink's next try."""
        wait = self._draws.uniform(Stream.STUDIO_RETRY, self.table, self._life)
        after(self._env, round(wait * RETRY_NS), self._connect, self._life)

    def _film(self, number: int) -> None:
        self._on_air = True
        self._await(number)

    def _await(self, number: int) -> None:
        msn, part = divmod(number, self._timing.parts_per_segment)
        part_ns = self._timing.part_frames * self._timing.frame_ns
        filmed_ns = part_filmed_ns(msn, part, part_ns, self._timing.frame_ns, self._timing.parts_per_segment)
        after(self._env, filmed_ns - int(self._env.now), self._filmed, self._life, number)

    def _filmed(self, life: int, number: int) -> None:
        if life != self._life or not self._on_air:
            return
        self.parts += 1
        self._last = number
        now_ns = int(self._env.now)
        way_ns = self._draws.ns(self._draws.model.video.publish_ns, Stream.PUBLISH, self.table, number)
        self._published_ns = max(self._published_ns, now_ns + way_ns)  # the uplink keeps order
        sizes = tuple(
            self._draws.ns(table, Stream.PART_BYTES, self.table << 8 | rendition, number)
            for rendition, table in enumerate(self._draws.model.video.part_bytes)
        )
        after(self._env, self._published_ns - now_ns, self._arrive, life, number, sizes)
        self._await(self._after(number))

    def _after(self, number: int) -> int:
        """Return the part that is filmed after this one: the next, unless the host starves all studios now."""
        video = self._draws.model.video
        if self._draws.uniform(Stream.CUT, 0, number) >= video.cut_share:
            return number + 1
        return self._next_segment(int(self._env.now) + self._draws.ns(video.cut_ns, Stream.CUT_LENGTH, 0, number))

    def _next_segment(self, now_ns: int) -> int:
        return (now_ns // self._timing.segment_ns + 1) * self._timing.parts_per_segment

    def _arrive(self, life: int, number: int, sizes: tuple[int, ...]) -> None:
        if life != self._life:
            return
        self._kept.append((number, sizes))
        self._drain()

    def _connect(self, life: int) -> None:
        if life == self._life and self._origin.up:
            self.connected = True
            self._drain()

    def _drain(self) -> None:
        while self.connected and self._kept:
            number, sizes = self._kept.popleft()
            self.egress_bytes += PUSHES * sum(sizes)
            self._origin.publish(self.table, number, sizes)
