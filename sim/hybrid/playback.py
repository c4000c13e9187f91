"""What a viewer does with a part, compiled: learn its link, play, choose the next rendition, begin anew.

Playback is :class:`reference_impl.domain.playout.Playback` for media without holes, in scalars: a property test holds
the two equal. Rendition choice is the domain's own, compiled.
"""

import numpy as np

from reference_impl.domain.playout import SLACK_NS
from reference_impl.domain.units import NS_PER_S
from sim.hybrid.events import bucket
from sim.hybrid.layout import Row
from sim.hybrid.screens import (
    COALESCED,
    DOWN,
    HITS,
    LATENCY_NS,
    PARTS,
    SHARP,
    SKIPPED,
    STALL_NS,
    STALLS,
    UP,
    WATCHED_N,
    Hall,
)
from sim.kernels import Floats, choose, compiled, learn, pair, throughput_bps

S_PER_NS = 1.0 / NS_PER_S
TRANSFER_S_MIN = 1e-6


def quick_table_ns(u: float, steps: Floats) -> float:
    """Return the quantile of a table, interpolated, without a search where levels are percents."""
    i = int(u * 100.0)
    if i >= SHARP:
        while i + 1 < len(steps) and steps[i + 1, 0] < u:
            i += 1
    return float(steps[i, 1] + steps[i, 2] * (u - steps[i, 0]))


def _advance_playback(
    playhead_ns: int, end_ns: int, before_ns: int, now_ns: int, rate: float
) -> tuple[int, int]:  # fmt: skip
    """Play until now; return the playhead, and since when the buffer has been dry, or 0."""
    left_ns = max(now_ns - before_ns, 0)
    if rate != 1.0:
        left_ns = round(left_ns * rate)
    ahead_ns = end_ns - playhead_ns
    if left_ns < ahead_ns:
        return playhead_ns + left_ns, 0
    return end_ns, max(now_ns, before_ns) - round((left_ns - ahead_ns) / rate)


def _take_part(h: Hall, viewer: Row, now_ns: int) -> int:
    """Add the wanted part to a viewer's buffer; return the length of the stall that it ends, or 0."""
    end_ns = viewer.wanted * h.part_ns
    rate = h.hurry if viewer.hurried else 1.0
    dry_ns = stall_ns = 0
    if viewer.started:
        viewer.playhead_ns, dry_ns = advance_playback(viewer.playhead_ns, end_ns, viewer.now_ns, now_ns, rate)
    viewer.now_ns = max(viewer.now_ns, now_ns)
    if dry_ns:
        stall_ns = viewer.now_ns - dry_ns
    elif not viewer.started and end_ns + h.part_ns - viewer.playhead_ns >= h.hold_ns:
        viewer.started = 1
    viewer.wanted += 1
    return int(stall_ns)


def _begin(h: Hall, viewer: Row, newest: int) -> None:
    """Want the last independent part that starts at least the hold-back before the end of the newest."""
    latest = newest + 1 - -(-h.hold_ns // h.part_ns)
    viewer.wanted = max(0, latest - latest % h.gop_parts)
    if not viewer.started:
        viewer.playhead_ns = viewer.wanted * h.part_ns


def _trip_ns(h: Hall, viewer: Row) -> int:
    """Return a viewer's next round trip."""
    viewer.trips += 1
    u, _ = pair(viewer.key, -np.int64(viewer.trips))
    return int(quick(u, h.trips))


def _switch(h: Hall, viewer: Row, buffer_ns: int) -> None:
    """Choose the rendition of the next segment."""
    estimate_bps = throughput_bps(viewer.fast, viewer.slow, viewer.known)
    best = choose(h.bandwidths_bps, viewer.rendition, estimate_bps, buffer_ns * S_PER_NS)
    if best != viewer.rendition:
        played = h.played[viewer.edge, viewer.table]
        played[viewer.rendition] -= 1
        played[best] += 1
        h.totals[UP if best > viewer.rendition else DOWN] += 1
        viewer.switched = 1 if best > viewer.rendition else -1
        viewer.rendition = best


def _note(
    h: Hall, viewer: Row, first_byte_ns: int, end_ns: int, asked_ns: int, size_bytes: int, waited: int,
    latency_ns: int, buffer_ns: int, stall_ns: int,
) -> None:  # fmt: skip
    """Note what a followed viewer saw of a part."""
    row = h.watched[h.totals[WATCHED_N]]
    h.totals[WATCHED_N] += 1
    row.viewer, row.table, row.edge, row.rendition = viewer.number, viewer.table, viewer.edge, viewer.rendition
    row.number, row.bytes, row.cache, row.switched = viewer.wanted - 1, size_bytes, waited, viewer.switched
    row.due_ns, row.first_byte_ns, row.end_ns = asked_ns, first_byte_ns, end_ns
    row.buffer_ns, row.latency_ns, row.stall_ns = buffer_ns, latency_ns, stall_ns


def _finish_part(
    h: Hall, viewer: Row, newest: int, first_byte_ns: int, end_ns: int, size_bytes: int, waited: int
) -> None:
    """Let a viewer have a part: learn, play, note what was seen, choose; from then on it asks for the next."""
    took_s = max((end_ns - first_byte_ns) * S_PER_NS, TRANSFER_S_MIN)
    viewer.fast, viewer.slow, viewer.known = learn(viewer.fast, viewer.slow, viewer.known, size_bytes, took_s)
    stall_ns = take_part(h, viewer, end_ns)
    totals, latency_ns, started = h.totals, 0, viewer.started
    totals[PARTS] += 1
    totals[COALESCED if waited else HITS] += 1
    if stall_ns:
        totals[STALLS] += 1
        totals[STALL_NS] += stall_ns
    if started:
        latency_ns = end_ns - viewer.playhead_ns
        totals[LATENCY_NS] += latency_ns
        h.latencies[bucket(latency_ns)] += 1
    buffer_ns = viewer.wanted * h.part_ns - viewer.playhead_ns
    if viewer.followed:
        note(h, viewer, first_byte_ns, end_ns, viewer.asked_ns, size_bytes, waited, latency_ns, buffer_ns, stall_ns)
    viewer.asked_ns = end_ns
    viewer.switched = 0
    live_ns = (newest + 1) * h.part_ns - h.hold_ns
    viewer.hurried = 1 if started and live_ns - viewer.playhead_ns > SLACK_NS else 0
    if (h.per_segment == 1 or viewer.wanted % h.per_segment == 0) and len(h.bandwidths_bps) > 1:
        switch(h, viewer, buffer_ns)
    if started and live_ns - viewer.wanted * h.part_ns > h.skip_ns:
        begin(h, viewer, newest)
        totals[SKIPPED] += 1
        viewer.playhead_ns = max(viewer.playhead_ns, viewer.wanted * h.part_ns)


quick = compiled(quick_table_ns)
advance_playback = compiled(_advance_playback)
take_part = compiled(_take_part)
begin = compiled(_begin)
trip = compiled(_trip_ns)
switch = compiled(_switch)
note = compiled(_note)
finish_part = compiled(_finish_part)
