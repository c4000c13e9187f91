"""Following a low-latency playlist: which part comes next, where it is, and what it covers.

The follower keeps the playlist complete over delta updates and knows the one part that is wanted. A wanted part is
*listed*, or *hinted*: then it is asked for before it exists, together with the playlist that will list it. Parts that
the playlist calls gaps are passed over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from reference_impl.domain import abr
from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.hls_playlist import MediaPlaylist, Part, Segment, apply_delta, parse_media_playlist
from reference_impl.domain.units import NS_PER_S


class Spot(NamedTuple):
    """A part that can be asked for; media times in Unix ns. ``listed`` parts exist, others are hinted."""

    msn: int
    part: int
    uri: str
    start_ns: int
    end_ns: int
    init_uri: str
    listed: bool
    independent: bool


@lru_cache(maxsize=64)
def _parsed(text: bytes) -> MediaPlaylist:
    # viewers of one rendition get the same bytes: reading them once keeps the generator's work small
    return parse_media_playlist(text.decode())


@dataclass(slots=True)
class Follower:
    """One viewer's way along a rendition's playlist.

    Parameters
    ----------
    playlist : MediaPlaylist
        The newest whole playlist; empty at first.
    wanted : (int, int) or None
        Segment and part to play next; None until :meth:`begin` chose one.
    passes_on : bool
        Whether the wanted part is only of use if it starts with an independent frame: those before one are passed over.
    """

    playlist: MediaPlaylist = field(default_factory=MediaPlaylist)
    wanted: tuple[int, int] | None = None
    passes_on: bool = False

    def load(self, text: bytes) -> None:
        """Take a playlist or a delta update.

        Raises
        ------
        RemoteProtocolError
            If it cannot be read, or the update does not fit what is known: ask for a whole one.
        """
        playlist = apply_delta(self.playlist, _parsed(text))
        if not playlist.segments or not playlist.part_target_s:
            raise RemoteProtocolError("a playlist without parts cannot be followed at low latency")
        self.playlist = playlist

    def forget(self) -> None:
        """Take the next playlist as it is, not as an update of this one."""
        self.playlist = replace(self.playlist, segments=())

    @property
    def newest(self) -> tuple[int, int]:
        """The newest part."""
        return self.playlist.newest

    @property
    def newest_ns(self) -> int:
        """Media time at the end of the newest part."""
        last = self.playlist.segments[-1]
        return _start_ns(last) + _length_ns(last)

    @property
    def hinted(self) -> tuple[int, int]:
        """The part that comes next."""
        last = self.playlist.segments[-1]
        return (last.msn + 1, 0) if last.uri else (last.msn, len(last.parts))

    def reload_query(self, *, whole: bool = False) -> str:
        """Return the query of a playlist request that waits for the wanted part, or for the one that is hinted.

        It asks for an update if there is a playlist to be updated and `whole` is not set.
        """
        known = bool(self.playlist.segments)
        if self.wanted is None and not known:
            return ""
        msn, part = self.wanted or self.hinted
        return f"?_HLS_msn={msn}&_HLS_part={part}" + ("&_HLS_skip=YES" if known and not whole else "")

    def begin(self, hold_back_ns: int, behind_ns_max: float = math.inf) -> None:
        """Want the last independent part that starts at least the hold-back before the end, or the first one.

        What lies further behind than that by more than `behind_ns_max` is past: after a long gap only what follows it
        counts, however short that still is.
        """
        from_ns = self.newest_ns - hold_back_ns - behind_ns_max
        starts = [spot for spot in self._listed() if spot.independent and spot.start_ns >= from_ns]
        if not starts:
            self.wanted = (self.playlist.segments[-1].msn + 1, 0)
            return
        early = [spot for spot in starts if spot.start_ns <= self.newest_ns - hold_back_ns]
        chosen = early[-1] if early else starts[0]
        self.wanted = (chosen.msn, chosen.part)

    def spot(self) -> Spot | None:
        """Return the wanted part if it can be asked for; None if the playlist must be newer first.

        Raises
        ------
        LookupError
            If it has left the playlist: begin again.
        """
        if not self.playlist.segments:
            return None
        while self.wanted is not None and self.wanted < self.hinted:
            found = self._find(*self.wanted)
            if found is None:
                self._pass_gap()
            elif self.passes_on and not found.independent:
                self.took(found)
            else:
                self.passes_on = False
                return found
        hint = self._hint() if self.wanted == self.hinted else None
        return None if hint is not None and self.passes_on and not hint.independent else hint

    def give_up(self, spot: Spot) -> None:
        """Want the next part after this one that starts with an independent frame."""
        self.took(spot)
        self.passes_on = True

    def took(self, spot: Spot) -> None:
        """Want the part after this one."""
        segment = next((s for s in self.playlist.segments if s.msn == spot.msn), None)
        whole = segment is not None and bool(segment.uri) and spot.part + 1 >= len(segment.parts)
        self.wanted = (spot.msn + 1, 0) if whole else (spot.msn, spot.part + 1)

    def _find(self, msn: int, index: int) -> Spot | None:
        segment = next((s for s in self.playlist.segments if s.msn == msn), None)
        if segment is None or not segment.parts:
            raise LookupError(f"part {msn}.{index} is no longer listed")
        if index >= len(segment.parts) or segment.parts[index].gap:
            return None
        return _spot(segment, index, segment.parts[index])

    def _pass_gap(self) -> None:
        msn, part = self.wanted or (0, 0)
        segment = next(s for s in self.playlist.segments if s.msn == msn)
        self.wanted = (msn, part + 1) if part + 1 < len(segment.parts) or not segment.uri else (msn + 1, 0)

    def _hint(self) -> Spot | None:
        if not self.playlist.preload_hint_uri:
            return None
        msn, part = self.hinted
        last = self.playlist.segments[-1]
        end_ns = self.newest_ns + round(self.playlist.part_target_s * NS_PER_S)
        return Spot(msn, part, self.playlist.preload_hint_uri, self.newest_ns, end_ns, last.init_uri, False, part == 0)

    def _listed(self) -> list[Spot]:
        return [
            _spot(segment, index, part)
            for segment in self.playlist.segments
            for index, part in enumerate(segment.parts)
            if not part.gap
        ]


def frames_in(fragment: bytes) -> int:
    """Return how many frames a part holds, by its ``trun`` box; 1 if it has none."""
    at = fragment.find(b"trun")
    return max(int.from_bytes(fragment[at + 8 : at + 12], "big"), 1) if at >= 0 else 1


@dataclass(slots=True)
class Throughput:
    """What a viewer knows of its link, and the rendition that follows from it (:mod:`reference_impl.domain.abr`)."""

    fast_mean_bps: float = 0.0
    slow_mean_bps: float = 0.0
    known: float = 0.0

    def saw(self, size_bytes: int, took_s: float) -> None:
        """Learn from an answer's body."""
        self.fast_mean_bps, self.slow_mean_bps, self.known = abr.learn(
            self.fast_mean_bps, self.slow_mean_bps, self.known, size_bytes, took_s
        )

    def choose(self, bitrates_bps: Sequence[float], current: int, buffer_s: float) -> int:
        """Return the index of the rendition to load next."""
        estimate_bps = abr.throughput_bps(self.fast_mean_bps, self.slow_mean_bps, self.known)
        return abr.choose(bitrates_bps, current, estimate_bps, buffer_s)


def _spot(segment: Segment, index: int, part: Part) -> Spot:
    before_s = sum(earlier.duration_s for earlier in segment.parts[:index])
    start_ns = _start_ns(segment) + round(before_s * NS_PER_S)
    end_ns = start_ns + round(part.duration_s * NS_PER_S)
    return Spot(segment.msn, index, part.uri, start_ns, end_ns, segment.init_uri, True, part.independent)


def _start_ns(segment: Segment) -> int:
    if segment.program_unix_ns is None:
        raise RemoteProtocolError(f"segment {segment.msn} has no program date-time")
    return segment.program_unix_ns


def _length_ns(segment: Segment) -> int:
    length_s = segment.duration_s or sum(part.duration_s for part in segment.parts)
    return round(length_s * NS_PER_S)
