"""A viewer at one edge, in simulated time: what it asks for, and in which order.

It follows the stream as the load generator's headless viewer does. While the stream is live two requests are
outstanding: the hinted part, and the playlist that will list it. A viewer that has fallen behind fetches listed parts
one after the other; one that has fallen too far behind begins again at the live end. Renditions change where a segment
starts.
"""

from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import simpy

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playout import Playback
from reference_impl.domain.records import CacheState, FetchKind, Switch
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim import kernels
from sim.draws import Draws
from sim.edge import Edge, Served
from sim.observations import Observations, VideoSeen
from sim.origin import Answer, Listing, Wish
from sim.random_streams import Stream
from sim.scenario import Viewing
from sim.server import after

PAUSE_NS = 250 * NS_PER_MS
FAILURES_MAX = 4

PARTS_LISTED_TARGETS = 3
"""Playlists list parts until so many target durations from the end."""

TRANSFER_S_MIN = 1e-6
"""A body that came at once is taken to have needed so long."""

Steps: TypeAlias = Generator[simpy.Event, Any, None]


NOTHING_LISTED = Listing(-1, -1, frozenset(), 0)


class EdgeLostError(Exception):
    """The edge is dead, silent, or answers nothing but errors."""


@dataclass(slots=True, eq=False)
class Watching:
    """What a viewer is and keeps, whichever edge it is at. Parts are numbered as in :mod:`sim.origin`."""

    number: int
    table: int
    leaves_ns: int
    playback: Playback | None = None
    listing: Listing = NOTHING_LISTED
    wanted: int = -1
    rendition: int = 0
    link: tuple[float, float, float] = (0.0, 0.0, 0.0)
    switched: Switch = Switch.NONE
    wished_ns: int = 0
    requests: int = 0


class Setting(NamedTuple):
    """What all screenings of a simulation share."""

    env: simpy.Environment
    draws: Draws
    seen: Observations
    timing: MediaTiming
    viewing: Viewing
    bandwidths_bps: kernels.Floats


class _Fetch:
    """A request that was sent; `event` happens when it is answered, broken or given up."""

    __slots__ = ("answer", "cache", "due_ns", "end_ns", "event", "first_byte_ns", "held", "start_ns", "wish")

    def __init__(self, event: simpy.Event, wish: Wish, due_ns: int, start_ns: int, *, held: bool) -> None:
        self.event = event
        self.wish = wish
        self.due_ns, self.start_ns = due_ns, start_ns
        self.held = held
        self.answer = Answer(0)
        self.cache = CacheState.UNKNOWN
        self.first_byte_ns = 0
        self.end_ns = 0

    def end(self, now_ns: int) -> None:
        """Let the viewer know; only the first call counts."""
        if not self.event.triggered:
            self.end_ns = now_ns
            self.event.succeed()


class Screening:
    """A viewer at one edge.

    Parameters
    ----------
    setting : Setting
        What all screenings share.
    watching : Watching
        What the viewer brings along.
    edge : Edge
        The edge.
    """

    def __init__(self, setting: Setting, watching: Watching, edge: Edge) -> None:
        self._set = setting
        self._watching = watching
        self._edge = edge
        self._broken = False
        self._outstanding: list[_Fetch] = []
        self._init_of = -1
        self._failures = 0

    def run(self) -> Steps:
        """Watch until it is time to leave.

        Raises
        ------
        EdgeLostError
            If the edge fails.
        """
        number = self._watching.number
        self._broken = not self._edge.up
        if self._edge.up:
            self._edge.join(number, self._drop)
        try:
            while not self._over() and not (yield from self._get(FetchKind.MASTER)):
                pass
            yield from self._open_rendition()
            while not self._over():
                yield from self._step()
        finally:
            if not self._broken:
                self._edge.leave(number)

    @property
    def _now_ns(self) -> int:
        return int(self._set.env.now)

    def _over(self) -> bool:
        return self._now_ns >= self._watching.leaves_ns

    def _open_rendition(self) -> Steps:
        """Load a playlist of the rendition, and choose where to begin if nothing was played yet."""
        watching = self._watching
        while not self._over() and watching.playback is None:
            # a plain playlist may be as old as its cache allows: one that waits for the next part is not
            if (yield from self._reload(-1)) and (yield from self._reload(watching.listing.newest + 1)):
                hold_back_s = self._set.viewing.hold_back_s or self._set.timing.part_hold_back_s
                watching.playback = Playback(round(hold_back_s * NS_PER_S), self._set.viewing.catch_up_rate_max)
                self._begin(watching.playback)
                return
        while not self._over() and not (yield from self._reload(watching.wanted)):
            pass

    def _begin(self, playback: Playback) -> None:
        """Want the last independent part that starts at least the hold-back before the end, or the first one."""
        watching, listing = self._watching, self._watching.listing
        independent = [number for number in self._listed() if self._independent(number)]
        end_ns = self._starts_ns(listing.newest + 1)
        early = [n for n in independent if self._starts_ns(n) <= end_ns - playback.hold_back_ns]
        next_segment = (listing.newest // self._per_segment + 1) * self._per_segment
        watching.wanted = early[-1] if early else independent[0] if independent else next_segment
        watching.wished_ns = self._now_ns

    def _step(self) -> Steps:
        """Do what comes next: one part, or what must be loaded before it."""
        watching, playback = self._watching, self._watching.playback
        if playback is None:  # it is time to leave
            return
        while watching.wanted <= watching.listing.newest and watching.wanted in watching.listing.gaps:
            watching.wanted += 1
        wanted, newest = watching.wanted, watching.listing.newest
        newest_ns = self._starts_ns(newest + 1) + self._now_ns - watching.listing.written_ns
        behind_ns = newest_ns - self._starts_ns(wanted) - playback.hold_back_ns
        too_late = playback.started and behind_ns > self._set.viewing.skip_behind_s * NS_PER_S
        if wanted < self._oldest_listed():
            self._begin(playback)
        elif wanted > newest + 1:
            yield from self._reload(wanted)
        elif too_late and (yield from self._skip(playback)):
            return
        elif self._init_of != watching.rendition:
            if (yield from self._get(FetchKind.INIT)):
                self._init_of = watching.rendition
        elif wanted % self._per_segment == 0 and self._change_rendition(playback):
            yield from self._open_rendition()
        else:
            yield from self._load_part(playback)

    def _skip(self, playback: Playback) -> Generator[simpy.Event, Any, bool]:
        """Want what a plain playlist calls the live end; tell whether that is any later: the stream may stand still."""
        watching = self._watching
        wanted = watching.wanted
        if not (yield from self._reload(-1)):
            return True
        self._begin(playback)
        watching.wanted = max(watching.wanted, wanted)
        return watching.wanted > wanted

    def _change_rendition(self, playback: Playback) -> bool:
        watching = self._watching
        estimate_bps = kernels.throughput_bps(*watching.link)
        buffer_s = playback.buffered_ns / NS_PER_S
        best = int(kernels.choose(self._set.bandwidths_bps, watching.rendition, estimate_bps, buffer_s))
        if best == watching.rendition:
            return False
        if watching.switched is Switch.NONE:
            watching.switched = Switch.BETTER if best > watching.rendition else Switch.WORSE
        watching.rendition = best
        return True

    def _load_part(self, playback: Playback) -> Steps:
        """Fetch the wanted part; a hinted one together with the playlist that will list it."""
        number, wished_ns = self._watching.wanted, self._watching.wished_ns
        if number <= self._watching.listing.newest:
            part = self._send(FetchKind.PART, number, wished_ns)
            yield from self._finish_part(part, playback)
            return
        reload = self._send(FetchKind.PLAYLIST, number, held=True)
        part = self._send(FetchKind.PART, number, wished_ns, held=True)
        yield from self._finish_part(part, playback)
        yield from self._finish_reload(reload)

    def _finish_part(self, fetch: _Fetch, playback: Playback) -> Steps:
        watching, number = self._watching, fetch.wish.number
        if not (yield from self._read(fetch)):
            return
        took_s = max((fetch.end_ns - fetch.first_byte_ns) / NS_PER_S, TRANSFER_S_MIN)
        watching.link = kernels.learn(*watching.link, fetch.answer.size_bytes, took_s)
        start_ns, end_ns = self._starts_ns(number), self._starts_ns(number + 1)
        stall_ns = playback.take(start_ns, end_ns, fetch.end_ns)
        self._record(fetch, media_ns=end_ns - self._zero_ns - self._set.timing.frame_ns, stall_ns=stall_ns)
        watching.wanted, watching.wished_ns = number + 1, fetch.end_ns

    def _reload(self, number: int) -> Generator[simpy.Event, Any, bool]:
        return (yield from self._finish_reload(self._send(FetchKind.PLAYLIST, number, held=number >= 0)))

    def _finish_reload(self, fetch: _Fetch) -> Generator[simpy.Event, Any, bool]:
        watching = self._watching
        if not (yield from self._read(fetch)) or fetch.answer.listing is None:
            return False
        watching.listing = listing = fetch.answer.listing
        if watching.playback is not None:
            watching.playback.pace(self._starts_ns(listing.newest + 1), fetch.end_ns)
        self._record(fetch, number=listing.newest)
        return True

    def _get(self, kind: FetchKind) -> Generator[simpy.Event, Any, bool]:
        fetch = self._send(kind)
        good = yield from self._read(fetch)
        if good:
            self._record(fetch)
        return good

    def _send(self, kind: FetchKind, number: int = -1, due_ns: int = 0, *, held: bool = False) -> _Fetch:
        """Send a request.

        Raises
        ------
        EdgeLostError
            If the connection is broken.
        """
        env, watching, now_ns = self._set.env, self._watching, self._now_ns
        wish = Wish(watching.table, -1 if kind is FetchKind.MASTER else watching.rendition, kind, number)
        fetch = _Fetch(env.event(), wish, due_ns or now_ns, now_ns, held=held)
        if self._broken:
            fetch.end_ns = now_ns
            self._record(fetch)
            raise EdgeLostError
        watching.requests += 1
        k = watching.requests
        trip_ns = self._set.draws.ns(self._set.draws.model.video.trip_ns, Stream.TRIP, watching.number, k)
        self._outstanding.append(fetch)
        after(env, trip_ns // 2, self._reach, fetch, k, trip_ns - trip_ns // 2)
        patience_s = self._set.viewing.timeout_s + (self._set.timing.blocked_s_max if held else 0)
        after(env, round(patience_s * NS_PER_S), self._expire, fetch)
        return fetch

    def _reach(self, fetch: _Fetch, k: int, back_ns: int) -> None:
        if not fetch.event.triggered:
            self._edge.ask(fetch.wish, lambda served: self._served(fetch, k, back_ns, served))

    def _served(self, fetch: _Fetch, k: int, back_ns: int, served: Served) -> None:
        video, draws, viewer = self._set.draws.model.video, self._set.draws, self._watching.number
        way_ns = draws.ns(video.wake_ns, Stream.WAKE, viewer, k) if fetch.held else back_ns
        rest_ns = way_ns + draws.ns(video.body_ns, Stream.BODY, viewer, k)
        after(self._set.env, rest_ns, self._arrived, fetch, served, served.first_ns + way_ns)

    def _arrived(self, fetch: _Fetch, served: Served, first_byte_ns: int) -> None:
        if not fetch.event.triggered:
            fetch.answer, fetch.cache, fetch.first_byte_ns = served.answer, served.cache, first_byte_ns
            fetch.end(self._now_ns)

    def _expire(self, fetch: _Fetch) -> None:
        fetch.end(self._now_ns)

    def _drop(self) -> None:
        """Take note that the edge died."""
        self._broken = True
        for fetch in self._outstanding:
            fetch.end(self._now_ns)

    def _read(self, fetch: _Fetch) -> Generator[simpy.Event, Any, bool]:
        """Wait for an answer and tell whether it is good; record any other, and pause.

        Raises
        ------
        EdgeLostError
            If there is none, or it is one failure too many in a row.
        """
        if not fetch.event.processed:
            yield fetch.event
        self._outstanding.remove(fetch)
        if fetch.answer.status == HTTPStatus.OK:
            self._failures = 0
            return True
        self._record(fetch)
        self._failures += 1
        if not fetch.answer.status or self._failures >= FAILURES_MAX:
            raise EdgeLostError
        yield self._set.env.timeout(PAUSE_NS)
        return False

    def _record(self, fetch: _Fetch, *, number: int | None = None, media_ns: int = 0, stall_ns: int = 0) -> None:
        watching, playback, wish = self._watching, self._watching.playback, fetch.wish
        buffer_ns = latency_ns = 0
        if playback is not None:
            playback.advance(fetch.end_ns)
            buffer_ns = playback.buffered_ns
            if playback.started:
                latency_ns = fetch.end_ns + self._zero_ns - playback.playhead_ns
            if self._over():  # nobody will see this stall end
                stall_ns = stall_ns or playback.give_up(fetch.end_ns)
        switched = Switch.NONE
        if wish.kind is FetchKind.PART and fetch.answer.status == HTTPStatus.OK:
            switched, watching.switched = watching.switched, Switch.NONE
        shown = wish.number if number is None else number
        msn, part = divmod(shown, self._per_segment) if shown >= 0 else (-1, -1)
        self._set.seen.video.append(
            VideoSeen(
                watching.number, watching.table, self._edge.number, wish.rendition, wish.kind, msn, part,
                fetch.answer.size_bytes, fetch.due_ns, fetch.start_ns, fetch.first_byte_ns, fetch.end_ns,
                fetch.answer.status, fetch.cache, media_ns, buffer_ns // NS_PER_MS, latency_ns // NS_PER_MS,
                stall_ns // NS_PER_MS, switched,
            )
        )  # fmt: skip

    @property
    def _per_segment(self) -> int:
        return self._set.timing.parts_per_segment

    @property
    def _zero_ns(self) -> int:
        """Media time of the simulation's begin. A playhead at 0 means that nothing was played: no part may be there."""
        return self._set.timing.segment_ns

    def _starts_ns(self, number: int) -> int:
        """Return a part's media time."""
        return self._zero_ns + number * self._set.timing.part_frames * self._set.timing.frame_ns

    def _independent(self, number: int) -> bool:
        return number * self._set.timing.part_frames % self._set.timing.gop_frames == 0

    def _oldest_listed(self) -> int:
        """Return the first part that the playlist still lists as one."""
        listing, timing = self._watching.listing, self._set.timing
        listed_s = PARTS_LISTED_TARGETS * timing.target_duration_s
        segments = -(-(listed_s - (listing.newest % self._per_segment + 1) * timing.part_s) // timing.segment_s)
        return max(listing.oldest, (listing.newest // self._per_segment - int(segments)) * self._per_segment)

    def _listed(self) -> list[int]:
        listing = self._watching.listing
        return [n for n in range(self._oldest_listed(), listing.newest + 1) if n not in listing.gaps]


def bandwidths(bandwidths_bps: tuple[int, ...]) -> kernels.Floats:
    """Return announced bit rates as the compiled rules want them."""
    return np.array(bandwidths_bps, dtype=np.float64)
