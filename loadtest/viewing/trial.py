"""A viewer on a made-up link, in virtual time: the playhead's and the choice's rules are those of the real one.

Parts exist when their last frame was taken and come one after the other over the link; a rendition is chosen before
each independent part. A part that will not come in time is given up: the viewer jumps to the next independent part of
the lowest rendition, since nothing else can be decoded. The same seed gives the same trial.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from loadtest.viewing.choosers import CHOOSERS, Chooser, Now, patience_s
from loadtest.viewing.diary import Diary
from loadtest.viewing.links import SHAPES, Link, link_of
from reference_impl.domain.abr_rules import SegmentSeen, qoe
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playout import Playback
from reference_impl.domain.units import NS_PER_S

BITRATES_BPS = (300_000.0, 1_000_000.0, 3_000_000.0)
ROUND_TRIP_S = 0.02
INDEPENDENT_SHARE = 1.6
"""Size of a part that begins with an independent frame over the mean; the others make up for it. An **assumption**."""
SIZE_SPREAD = 0.1
CATCH_UP_RATE_MAX = 1.05
MARGIN_NS = NS_PER_S
"""Virtual time begins here, since playback takes 0 for "not started"."""


class Choice(NamedTuple):
    """A rendition was chosen: when, which, and the latency and buffer at that instant."""

    at_s: float
    rendition: int
    latency_s: float
    buffer_s: float


class Outcome(NamedTuple):
    """A trial in figures. ``qoe`` is the mean of a segment by LoL+'s measure, Mbit."""

    qoe: float
    kbps: float
    stalled_s: float
    switches: int
    given_up: int
    latency_s: float


@dataclass
class Trial:
    """One viewer, one link.

    Parameters
    ----------
    chooser : Chooser
        Chooses renditions.
    link : Link
        Carries parts.
    seed : int
        Of the parts' sizes.
    bitrates_bps : sequence of float
        Ascending.
    timing : MediaTiming
        Parts and segments.
    """

    chooser: Chooser
    link: Link
    seed: int = 0
    bitrates_bps: Sequence[float] = BITRATES_BPS
    timing: MediaTiming = field(default_factory=MediaTiming)
    choices: list[Choice] = field(default_factory=list)
    segments: list[SegmentSeen] = field(default_factory=list)
    given_up: int = 0
    _rendition: int = 0
    _now_s: float = 0.0

    def __post_init__(self) -> None:
        self._diary = Diary(self.bitrates_bps)
        self._playback = Playback(round(self.timing.part_hold_back_s * NS_PER_S), CATCH_UP_RATE_MAX)
        self._sizes = random.Random(self.seed)

    def run(self, seconds: float) -> Outcome:
        """Watch for so long."""
        number = 0
        while self._now_s < seconds:
            number = self._next(number)
        return self._outcome()

    def _next(self, number: int) -> int:
        """Load a part; return the number of the part after it."""
        timing = self.timing
        if self._independent(number):
            self._choose()
        if number % timing.parts_per_segment == 0:
            self._end_segment()
        exists_s = (number + 1) * timing.part_s
        start_s = max(self._now_s, exists_s) + ROUND_TRIP_S
        bits = self._bits(number)
        end_s = self.link.arrival_s(start_s, bits)
        give_up_s = start_s + patience_s(self._buffer_s(start_s), timing.part_s)
        self._diary.loaded.append(self._rendition)
        if end_s > give_up_s and self._rendition > 0:
            return self._give_up(number, give_up_s, bits * (give_up_s - start_s) / (end_s - start_s), start_s)
        self._take(number, start_s, end_s, bits)
        return number + 1

    def _take(self, number: int, start_s: float, end_s: float, bits: float) -> None:
        self.chooser.saw(math.ceil(bits / 8), end_s - start_s)
        media_ns = MARGIN_NS + round(number * self.timing.part_s * NS_PER_S)
        now_ns = MARGIN_NS + round(end_s * NS_PER_S)
        stall_ns = self._playback.take(media_ns, media_ns + round(self.timing.part_s * NS_PER_S), now_ns)
        self._playback.pace(self._live_ns(end_s), now_ns)
        self._diary.stalled_s += stall_ns / NS_PER_S
        self._now_s = end_s

    def _give_up(self, number: int, at_s: float, bits: float, start_s: float) -> int:
        self.given_up += 1
        self.chooser.saw(math.ceil(bits / 8), at_s - start_s)
        self._now_s, self._rendition = at_s, 0
        self.choices.append(Choice(at_s, 0, self._latency_s(at_s), self._buffer_s(at_s)))
        after = number + 1
        while not self._independent(after):
            after += 1
        return after

    def _choose(self) -> None:
        at_s = self._now_s
        seen = self._diary.now(self._latency_s(at_s))
        now = Now(self._rendition, self._buffer_s(at_s), self.timing.part_hold_back_s, self.timing.segment_s, seen)
        self._rendition = self.chooser.choose(now)
        self.choices.append(Choice(at_s, self._rendition, self._latency_s(at_s), now.buffer_s))

    def _end_segment(self) -> None:
        latency_s = self._latency_s(self._now_s)
        speed = CATCH_UP_RATE_MAX if latency_s > self.timing.part_hold_back_s + 0.2 else 1.0
        if seen := self._diary.end(latency_s, speed):
            self.segments.append(seen)

    def _independent(self, number: int) -> bool:
        return number * self.timing.part_frames % self.timing.gop_frames == 0

    def _bits(self, number: int) -> float:
        parts = self.timing.gop_frames / self.timing.part_frames
        share = INDEPENDENT_SHARE if self._independent(number) else (parts - INDEPENDENT_SHARE) / (parts - 1)
        spread = self._sizes.uniform(1 - SIZE_SPREAD, 1 + SIZE_SPREAD)
        return self.bitrates_bps[self._rendition] * self.timing.part_s * share * spread

    def _live_ns(self, at_s: float) -> int:
        newest = int(at_s / self.timing.part_s)
        return MARGIN_NS + round(newest * self.timing.part_s * NS_PER_S)

    def _buffer_s(self, at_s: float) -> float:
        self._playback.advance(MARGIN_NS + round(at_s * NS_PER_S))
        return self._playback.buffered_ns / NS_PER_S

    def _latency_s(self, at_s: float) -> float:
        self._playback.advance(MARGIN_NS + round(at_s * NS_PER_S))
        if not self._playback.started:
            return 0.0
        return at_s - (self._playback.playhead_ns - MARGIN_NS) / NS_PER_S

    def _outcome(self) -> Outcome:
        count = max(len(self.segments), 1)
        lowest, highest = self.bitrates_bps[0], self.bitrates_bps[-1]
        picked = [choice.rendition for choice in self.choices]
        return Outcome(
            qoe=sum(qoe(seen, self.timing.segment_s, lowest, highest) for seen in self.segments) / count,
            kbps=sum(seen.bitrate_bps for seen in self.segments) / count / 1000,
            stalled_s=sum(seen.stalled_s for seen in self.segments),
            switches=sum(a != b for a, b in pairwise(picked)),
            given_up=self.given_up,
            latency_s=sum(seen.latency_s for seen in self.segments) / count,
        )


class Row(NamedTuple):
    """A rule on a shape over all seeds: the mean of each figure, and the range of the QoE."""

    shape: str
    rule: str
    mean: Outcome
    qoe_min: float
    qoe_max: float
    n: int


def compare(seeds: int, seconds: float) -> list[Row]:
    """Return every rule on every shape of link, each with the seeds from 0 on."""
    rows = []
    for shape in SHAPES:
        for rule in CHOOSERS:
            ran = [trial(rule, shape, seed).run(seconds) for seed in range(seeds)]
            mean = Outcome(*(sum(column) / seeds for column in zip(*ran, strict=True)))
            qoes = [outcome.qoe for outcome in ran]
            rows.append(Row(shape, rule, mean, min(qoes), max(qoes), seeds))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the comparison as a person reads it."""
    columns = f"{'QoE':>6}  {'range':<14}{'kbit/s':>7}{'stalled s':>10}{'switches':>9}{'latency s':>10}"
    lines = [f"{'link':<19}{'rule':<12}{columns}"]
    for row in rows:
        spread = f"{row.qoe_min:.2f} to {row.qoe_max:.2f}"
        lines.append(
            f"{row.shape:<19}{row.rule:<12}{row.mean.qoe:>6.2f}  {spread:<14}{row.mean.kbps:>7.0f}"
            f"{row.mean.stalled_s:>10.2f}{row.mean.switches:>9.1f}{row.mean.latency_s:>10.2f}"
        )
    return "\n".join(lines)


def trial(rule: str, shape: str, seed: int) -> Trial:
    """Return a trial of a rule on a shape of link, not yet run."""
    return Trial(CHOOSERS[rule](BITRATES_BPS), link_of(shape, seed), seed)
