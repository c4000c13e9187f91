"""A viewer at one edge: what it asks for, and in which order.

While the stream is live two requests are outstanding, each on a connection of its own: the hinted part, and the
playlist that will list it. A viewer that has fallen behind fetches listed parts one after the other; one that has
fallen too far behind begins again at the live end. Where that is, the playlist it has may not tell: one that waited
for a part is kept by caches as it was when the part came, so who asks late looks at its ``Age``. Renditions change
where a segment starts. A part that will not come in time is given up: the viewer goes on with the next independent
part of the lowest rendition.

Every fetch leaves one record, the failed ones too.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urljoin

from loadtest.adapters.base import EdgePlacement
from loadtest.clock import HostClock
from loadtest.recorder import Clip, Fetched, Recorder
from loadtest.users.fetcher import Answer, Fetcher, TooSlowError, seconds_between
from loadtest.viewing.choosers import CHOOSERS, Chooser, Now, patience_s
from loadtest.viewing.diary import Diary
from loadtest.viewing.follower import Follower, Spot, frames_in
from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_playlist import Variant, parse_master_playlist
from reference_impl.domain.playout import Playback
from reference_impl.domain.records import GIVEN_UP, CacheState, FetchKind, Switch
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.scenario import Arrival, Viewing

PAUSE_S = 0.25
FAILURES_MAX = 4
HELD_S_MAX_UNKNOWN = 6.0
"""How long an edge may hold a request of a stream whose target duration is not known yet."""
TARGETS_HELD_MAX = 3

FetchReport = Callable[[FetchKind, float, str], None]
"""Told of each part, and of what failed: kind, milliseconds from its request, what went wrong or an empty text."""


class EdgeLostError(ConnectionError):
    """The edge cannot be reached, is silent, or answers nothing but errors."""


@dataclass
class Watching:
    """What a viewer is and keeps, whichever edge it is at.

    Parameters
    ----------
    arrival : Arrival
        Who, at which table.
    viewing : Viewing
        How it plays.
    recorder : Recorder
        Where fetches are recorded.
    clock : HostClock
        Converts media times and kernel stamps.
    leaves_ns : int
        When the viewer leaves.
    report : FetchReport
        Told of fetches.
    keeps_clips : bool
        Whether it keeps parts for their pictures' timecode.
    """

    arrival: Arrival
    viewing: Viewing
    recorder: Recorder
    clock: HostClock
    leaves_ns: int
    report: FetchReport
    keeps_clips: bool = False
    follower: Follower = field(default_factory=Follower)
    chooser: Chooser | None = None
    diary: Diary | None = None
    playback: Playback | None = None
    rendition: int = 0
    switched: Switch = Switch.NONE
    wished_ns: int = 0


class _Wish(NamedTuple):
    """A request that was sent, or could not be."""

    kind: FetchKind
    place: tuple[int, int]
    due_ns: int
    start_ns: int


class Screening:
    """A viewer at one edge.

    Parameters
    ----------
    watching : Watching
        What the viewer brings along.
    placement : EdgePlacement
        The edge.
    sleep : callable
        Waits for so many seconds.
    """

    def __init__(self, watching: Watching, placement: EdgePlacement, sleep: Callable[[float], None]) -> None:
        self._watching = watching
        self._edge = placement.number
        self._master = f"{placement.path}/master.m3u8"
        self._sleep = sleep
        timeout_s = watching.viewing.timeout_s
        self._media = Fetcher(placement.url, timeout_s, watching.clock)
        self._reloads = Fetcher(placement.url, timeout_s, watching.clock)
        self._variants: tuple[Variant, ...] = ()
        self._init_uri = ""
        self._init = b""
        self._known_ns = 0
        self._failures = 0

    def run(self) -> None:
        """Watch until it is time to leave.

        Raises
        ------
        EdgeLostError
            If the edge fails.
        """
        try:
            while not self._over() and not self._variants:
                self._load_master()
            self._open_rendition()
            while not self._over():
                self._step()
        finally:
            self._media.close()
            self._reloads.close()

    def _over(self) -> bool:
        return time.monotonic_ns() >= self._watching.leaves_ns

    def _load_master(self) -> None:
        answer = self._get(FetchKind.MASTER, self._master, self._watching.viewing.timeout_s)
        if answer is not None:
            variants = parse_master_playlist(answer.body.decode()).variants
            self._variants = tuple(sorted(variants, key=lambda variant: variant.bandwidth_bps))
            watching = self._watching
            watching.rendition = min(watching.rendition, len(self._variants) - 1)
            rates_bps = [float(variant.bandwidth_bps) for variant in self._variants]
            if watching.diary is None or watching.diary.bitrates_bps != rates_bps:
                watching.diary = Diary(rates_bps)
                watching.chooser = CHOOSERS[watching.viewing.rule](rates_bps)

    def _open_rendition(self) -> None:
        """Load a whole playlist of the rendition, and choose where to begin if nothing was played yet."""
        watching, follower = self._watching, self._watching.follower
        while not self._over() and watching.playback is None:
            # a plain playlist may be as old as its cache allows: one that waits for the next part is not
            if self._reload(follower.reload_query()) and self._reload(follower.reload_query()):
                hold_back_s = watching.viewing.hold_back_s or follower.playlist.part_hold_back_s
                watching.playback = Playback(round(hold_back_s * NS_PER_S), watching.viewing.catch_up_rate_max)
                self._begin(watching.playback)
                return
        while not self._over() and not self._reload(follower.reload_query(whole=True)):
            pass

    def _begin(self, playback: Playback) -> None:
        behind_ns_max = self._watching.viewing.skip_behind_s * NS_PER_S if playback.started else math.inf
        self._watching.follower.begin(playback.hold_back_ns, behind_ns_max)
        self._watching.wished_ns = time.monotonic_ns()

    def _step(self) -> None:
        """Do what comes next: one part, or what must be loaded before it."""
        watching, follower = self._watching, self._watching.follower
        playback = watching.playback
        if playback is None:  # it is time to leave
            return
        try:
            spot = follower.spot()
        except LookupError:
            self._begin(playback)
            return
        if spot is None:
            self._reload(follower.reload_query())
        elif self._too_late(spot, playback) and self._skip(spot, playback):
            return
        elif spot.init_uri != self._init_uri:
            self._load_init(spot)
        elif spot.part == 0 and self._change_rendition(playback):
            self._open_rendition()
        else:
            self._load_part(spot, playback)

    def _too_late(self, spot: Spot, playback: Playback) -> bool:
        newest_ns = self._watching.follower.newest_ns + time.monotonic_ns() - self._known_ns
        behind_ns = newest_ns - spot.start_ns - playback.hold_back_ns
        return playback.started and behind_ns > self._watching.viewing.skip_behind_s * NS_PER_S

    def _skip(self, spot: Spot, playback: Playback) -> bool:
        """Want what a plain playlist calls the live end; tell whether that is any later: the stream may stand still."""
        follower, wanted = self._watching.follower, (spot.msn, spot.part)
        if not self._reload(""):
            return True
        self._begin(playback)
        follower.wanted = max(follower.wanted or wanted, wanted)
        return follower.wanted > wanted

    def _load_init(self, spot: Spot) -> None:
        path = urljoin(self._playlist_path, spot.init_uri)
        answer = self._get(FetchKind.INIT, path, self._watching.viewing.timeout_s)
        if answer is not None:
            self._init_uri, self._init = spot.init_uri, answer.body

    def _change_rendition(self, playback: Playback) -> bool:
        watching, diary, known = self._watching, self._watching.diary, self._watching.follower.playlist
        if diary is None or watching.chooser is None:
            return False
        latency_s = self._latency_ns(playback, time.monotonic_ns()) / NS_PER_S
        diary.end(latency_s, playback.rate)
        hold_back_s, segment_s = playback.hold_back_ns / NS_PER_S, known.target_duration_s
        buffer_s = playback.buffered_ns / NS_PER_S
        return self._turn_to(
            watching.chooser.choose(Now(watching.rendition, buffer_s, hold_back_s, segment_s, diary.now(latency_s)))
        )

    def _turn_to(self, rendition: int) -> bool:
        watching = self._watching
        if rendition == watching.rendition:
            return False
        if watching.switched is Switch.NONE:
            watching.switched = Switch.BETTER if rendition > watching.rendition else Switch.WORSE
        watching.rendition = rendition
        return True

    def _load_part(self, spot: Spot, playback: Playback) -> None:
        """Fetch a part; a hinted one together with the playlist that will list it."""
        path, place = urljoin(self._playlist_path, spot.uri), (spot.msn, spot.part)
        if spot.listed:
            wish = self._send(self._media, FetchKind.PART, place, path, self._watching.wished_ns)
            if not self._finish_part(wish, spot, playback, self._watching.viewing.timeout_s):
                self._fall()
            return
        query = self._watching.follower.reload_query()
        reload = self._send(self._reloads, FetchKind.PLAYLIST, place, self._playlist_path + query)
        try:
            wish = self._send(self._media, FetchKind.PART, place, path, self._watching.wished_ns)
            in_time = self._finish_part(wish, spot, playback, self._held_s_max)
        except EdgeLostError as error:
            raise self._lost(reload, error) from None
        self._finish_reload(reload)
        if not in_time:
            self._fall()

    def _fall(self) -> None:
        self._turn_to(0)
        self._open_rendition()

    def _finish_part(self, wish: _Wish, spot: Spot, playback: Playback, timeout_s: float) -> bool:
        """Take a part's answer; tell whether it came in time, or was refused, and was not given up."""
        watching, chooser, diary = self._watching, self._watching.chooser, self._watching.diary
        playback.advance(time.monotonic_ns())
        patient_s = patience_s(playback.buffered_ns / NS_PER_S, watching.follower.playlist.part_target_s)
        try:
            # there is nothing worse than the lowest rendition
            answer = self._read(self._media, wish, timeout_s, patient_s if watching.rendition else math.inf)
        except TooSlowError as error:
            self._give_up(wish, spot, error.answer)
            return False
        if answer is None or chooser is None or diary is None:
            return True
        chooser.saw(len(answer.body), seconds_between(answer.first_byte_ns, answer.end_ns))
        stall_ns = playback.take(spot.start_ns, spot.end_ns, answer.end_ns)
        frame_ns = (spot.end_ns - spot.start_ns) // frames_in(answer.body)
        self._record(wish, answer, media_ns=watching.clock.to_monotonic(spot.end_ns - frame_ns), stall_ns=stall_ns)
        diary.loaded.append(watching.rendition)
        diary.stalled_s += stall_ns / NS_PER_S
        watching.follower.took(spot)
        watching.wished_ns = answer.end_ns
        watching.report(FetchKind.PART, (answer.end_ns - wish.start_ns) / NS_PER_MS, "")
        if watching.keeps_clips and spot.independent and playback.started and not playback.stalled:
            self._keep(spot, answer, playback)
        return True

    def _give_up(self, wish: _Wish, spot: Spot, answer: Answer) -> None:
        """Leave a part in the middle; what can be decoded next is an independent one."""
        watching = self._watching
        if watching.chooser is not None:
            watching.chooser.saw(len(answer.body), seconds_between(answer.first_byte_ns, answer.end_ns))
        self._record(wish, answer._replace(status=GIVEN_UP))
        watching.report(wish.kind, 0.0, f"given up: {len(answer.body)} bytes of it had come")
        watching.follower.give_up(spot)
        watching.wished_ns = answer.end_ns

    def _keep(self, spot: Spot, answer: Answer, playback: Playback) -> None:
        watching = self._watching
        until_shown_ns = playback.buffered_ns - (spot.end_ns - spot.start_ns)
        clip = Clip(
            watching.arrival.player, watching.arrival.table, watching.rendition, spot.msn, spot.part,
            answer.end_ns, answer.end_ns + until_shown_ns,
        )  # fmt: skip
        watching.recorder.clip(clip, self._init + answer.body)

    def _reload(self, query: str) -> bool:
        """Fetch the playlist; tell whether there is a newer one now."""
        place = self._watching.follower.wanted or (-1, -1)
        return self._finish_reload(self._send(self._reloads, FetchKind.PLAYLIST, place, self._playlist_path + query))

    def _finish_reload(self, wish: _Wish) -> bool:
        watching, follower = self._watching, self._watching.follower
        answer = self._read(self._reloads, wish, self._held_s_max)
        if answer is None:
            return False
        try:
            follower.load(answer.body)
        except RemoteProtocolError as error:
            follower.forget()
            self._record(wish, answer)
            self._fail(wish.kind, str(error))
            return False
        self._known_ns = answer.end_ns - answer.age_s * NS_PER_S
        if watching.playback is not None:
            watching.playback.advance(answer.end_ns)
            watching.playback.pace(follower.newest_ns, answer.end_ns)
        self._record(wish._replace(place=follower.newest), answer)
        return True

    def _get(self, kind: FetchKind, path: str, timeout_s: float) -> Answer | None:
        wish = self._send(self._media, kind, (-1, -1), path)
        answer = self._read(self._media, wish, timeout_s)
        if answer is not None:
            self._record(wish, answer)
        return answer

    def _send(self, fetcher: Fetcher, kind: FetchKind, place: tuple[int, int], path: str, due_ns: int = 0) -> _Wish:
        now_ns = time.monotonic_ns()
        wish = _Wish(kind, place, due_ns or now_ns, now_ns)
        try:
            return wish._replace(start_ns=fetcher.send(path))
        except OSError as error:
            raise self._lost(wish, error) from None

    def _read(self, fetcher: Fetcher, wish: _Wish, timeout_s: float, patience_s: float = math.inf) -> Answer | None:
        """Return a good answer; record and count any other and return None."""
        try:
            answer = fetcher.read(timeout_s, patience_s)
        except (OSError, RemoteProtocolError) as error:
            raise self._lost(wish, error) from None
        if answer.status == 200:
            self._failures = 0
            return answer
        self._record(wish, answer)
        self._fail(wish.kind, f"HTTP {answer.status}: {answer.body[:80].decode(errors='replace').strip()}")
        return None

    def _fail(self, kind: FetchKind, problem: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            raise EdgeLostError(f"{kind.name.lower()}: {problem}; the {self._failures}th failure in a row")
        self._watching.report(kind, 0.0, problem)
        self._sleep(PAUSE_S)

    def _lost(self, wish: _Wish, error: Exception) -> EdgeLostError:
        self._record(wish, Answer(0, CacheState.UNKNOWN, b"", 0, time.monotonic_ns()))
        if isinstance(error, EdgeLostError):
            return error
        return EdgeLostError(f"{wish.kind.name.lower()}: {type(error).__name__}: {error}")

    def _record(self, wish: _Wish, answer: Answer, *, media_ns: int = 0, stall_ns: int = 0) -> None:
        watching, playback = self._watching, self._watching.playback
        buffer_ns = latency_ns = 0
        if playback is not None:
            playback.advance(answer.end_ns)
            buffer_ns = playback.buffered_ns
            if playback.started:
                latency_ns = self._latency_ns(playback, answer.end_ns)
            if self._over():  # nobody will see this stall end
                stall_ns = stall_ns or playback.give_up(answer.end_ns)
        switched = Switch.NONE
        if wish.kind is FetchKind.PART and answer.status == 200:
            switched, watching.switched = watching.switched, Switch.NONE
        watching.recorder.fetched(
            Fetched(
                watching.arrival.player, watching.arrival.table, self._edge, self._rendition_of(wish.kind), wish.kind,
                *wish.place, len(answer.body), wish.due_ns, wish.start_ns, answer.first_byte_ns, answer.end_ns,
                answer.status, answer.cache, media_ns, buffer_ns // NS_PER_MS, latency_ns // NS_PER_MS,
                stall_ns // NS_PER_MS, switched,
            )
        )  # fmt: skip

    def _latency_ns(self, playback: Playback, now_ns: int) -> int:
        return now_ns - self._watching.clock.to_monotonic(playback.playhead_ns) if playback.started else 0

    def _rendition_of(self, kind: FetchKind) -> int:
        return -1 if kind is FetchKind.MASTER else self._watching.rendition

    @property
    def _playlist_path(self) -> str:
        return urljoin(self._master, self._variants[self._watching.rendition].uri)

    @property
    def _held_s_max(self) -> float:
        target_s = self._watching.follower.playlist.target_duration_s
        return (TARGETS_HELD_MAX * target_s or HELD_S_MAX_UNKNOWN) + self._watching.viewing.timeout_s
