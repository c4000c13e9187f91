"""Fitting the video's parameters to a measured Run's fetches and processes.

A viewer has no rounds, so time is cut into slices of ten seconds, counted from the load's start: odd ones are fitted,
even ones are compared. What fetches do not stamp follows from differences between them:

* an answer from an edge's memory took the way there and back, and nothing else;
* a multivariant playlist or an init section that was fetched for it took a request to the origin besides;
* viewers who waited for one part at one edge get it one after another: what lies between them is their own waking;
* the first of all of them had it as soon as it was published, after the ways from the origin.

A studio that the host starves for longer than a part cuts its film. How often that happened is taken as a chance.

CPU times come from the processes' own counters, where they handled enough requests in a second to tell.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.records import CacheState, FetchKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run
from sim.empirical import SAMPLES_MIN, since_fault, table_of
from sim.parameters import Table, Video

SLICE_NS = 10 * NS_PER_S

REQUESTS_MIN = 20
"""Requests in a second below which a process's CPU says little of one of them."""

NOTE_NS_MAX = 3 * NS_PER_S // 2
"""Notes of a process further apart than this have a slice of the other parity, or a gap, between them."""

CALM_SHARE = 0.1
"""Crowds whose viewers woke quickly: there the edge's own work shows."""

OPS_SPREAD_MIN = 2
"""Largest over smallest count of requests in a second, from which CPU per request and CPU per second are told apart."""

CROWD_MIN = 3
"""Viewers who waited for one part at one edge, from which the time between two of them is taken."""

MEDIA = MediaTiming()

RETURN_NS_MEAN = 100 * NS_PER_MS
"""How long a viewer that lost its edge waits on average before it asks for another."""

STREAMING = ("edge-", "origin", "studio-")
"""How the names of streaming processes begin."""

ENDED = ("kill", "restart", "crash")
"""Kinds of faults in which a process ended: only they tell how long it takes to come back."""

_SETUP = (int(FetchKind.MASTER), int(FetchKind.INIT))
_READY = (*_SETUP, int(FetchKind.PART))
_WAITED = (int(CacheState.MISS), int(CacheState.COALESCED))
_OBJECT = ["edge", "table", "rendition", "msn", "part"]


def fit_video(run: Run, parity: str) -> Video:
    """Return the video's parameters that a Run's slices of one parity suggest; what it cannot tell stays assumed."""
    default = Video()
    chosen = in_slices(run, run.video["due_ns"], parity)
    good = run.video[chosen & (run.video["status"] == 200).to_numpy()]
    if good.empty:
        return default
    edge_ns, _ = request_ns(run, parity, "edge-", default.edge_request_ns)
    origin_ns, origin_s = request_ns(run, parity, "origin", default.origin_request_ns)
    studio_ns, _ = request_ns(run, parity, "studio-", default.studio_part_ns // MEDIA.part_frames)
    trip_ns, fetch_ns = _ways(good, default, edge_ns, origin_ns)
    parts = good[good["kind"] == int(FetchKind.PART)]
    waited = parts[parts["cache"].isin(_WAITED) & (parts["start_ns"] < parts["media_ns"])]
    answer_ns = min(answer_of(waited, default.edge_answer_ns), edge_ns // 2)
    hop_ns = median(fetch_ns) // 2 + answer_ns + origin_ns
    parts_s = parts["table"].nunique() / MEDIA.part_s
    ended = run.faults[run.faults["kind"].isin(ENDED)]
    streaming = ended[ended["target"].str.startswith(STREAMING)]
    cut_share, cut_ns = _cuts(run, parity, default)
    return Video(
        cut_share=cut_share,
        cut_ns=cut_ns,
        publish_ns=table_of(published_ns(waited) - hop_ns, default.publish_ns),
        fetch_ns=fetch_ns,
        trip_ns=trip_ns,
        wake_ns=table_of(woken_ns(waited, answer_ns), default.wake_ns),
        body_ns=table_of(parts["end_ns"] - parts["first_byte_ns"], default.body_ns),
        place_ns=table_of(_moved_ns(run.video[chosen]) - RETURN_NS_MEAN, default.place_ns, few=True),
        detect_ns=since_fault(streaming, "detected_ns", default.detect_ns),
        restart_ns=since_fault(streaming, "recovered_ns", default.restart_ns),
        part_bytes=_part_bytes(parts, default),
        bandwidths_bps=default.bandwidths_bps,
        playlist_bytes=_typical_bytes(good, (int(FetchKind.PLAYLIST),), default.playlist_bytes),
        setup_bytes=_typical_bytes(good, _SETUP, default.setup_bytes),
        edge_request_ns=edge_ns,
        edge_answer_ns=answer_ns,
        origin_request_ns=origin_ns,
        origin_part_ns=default.origin_part_ns if origin_s is None else round(origin_s / parts_s),
        studio_part_ns=studio_ns * MEDIA.part_frames,
        edge_link_bps=default.edge_link_bps,
    )


def in_slices(run: Run, t_ns: "pd.Series[int]", parity: str) -> npt.NDArray[np.bool_]:
    """Tell which instants lie in slices of a parity; the first slice, number 1, begins with the load."""
    number = (t_ns.to_numpy() - int(run.manifest["load_start_ns"])) // SLICE_NS + 1
    chosen: npt.NDArray[np.bool_] = (number % 2 == (1 if parity == "odd" else 0)) if parity != "all" else number >= 1
    return chosen & (number >= 1)


def request_ns(run: Run, parity: str, node: str, default: int) -> tuple[int, float | None]:
    """Return the CPU of one operation of the processes whose name begins so, and of a second without any, in ns.

    The second is None where it cannot be told, because every second saw about as much work or none is known.
    """
    notes = run.nodes[run.nodes["node"].str.startswith(node)].sort_values(["node", "pid", "t_ns"])
    notes = notes[in_slices(run, notes["t_ns"], parity)]
    change = notes.groupby(["node", "pid"])[["cpu_ns", "ops", "t_ns"]].diff()
    change = change[(change["ops"] >= 0) & (change["t_ns"] <= NOTE_NS_MAX)]
    busy = change[change["ops"] >= REQUESTS_MIN]
    if len(busy) < 2:
        return default, None
    each_ns = float((busy["cpu_ns"] / busy["ops"]).median())
    if len(change) >= SAMPLES_MIN and change["ops"].max() >= OPS_SPREAD_MIN * max(change["ops"].min(), 1):
        slope_ns, idle_ns = np.polyfit(change["ops"], change["cpu_ns"], 1)
        if 0 < slope_ns <= each_ns:
            return round(float(slope_ns)), max(float(idle_ns), 0.0)
    return round(each_ns), None


def answer_of(waited: pd.DataFrame, default: int) -> int:
    """Return the time from one viewer's answer to the next one's, of those who waited for the same part."""
    same = waited.groupby(_OBJECT)["first_byte_ns"].agg(["min", "max", "size"])
    crowds = same[same["size"] >= CROWD_MIN]
    if len(crowds) < SAMPLES_MIN:
        return default
    return round(float(((crowds["max"] - crowds["min"]) / (crowds["size"] - 1)).quantile(CALM_SHARE)))


def published_ns(waited: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return, for each part that was waited for, how long after its last frame's capture the first viewer had it."""
    after_ns = waited["first_byte_ns"] - waited["media_ns"]
    return after_ns.groupby([waited[name] for name in ("table", "msn", "part")]).min().to_numpy()


def woken_ns(waited: pd.DataFrame, answer_ns: int) -> npt.NDArray[np.float64]:
    """Return how long after an edge wrote a part each viewer that waited for it had it.

    The edge writes one answer after another, each `answer_ns` after the one before; the first one's way is taken as 0.
    """
    same = waited.groupby(_OBJECT)["first_byte_ns"]
    late_ns = waited["first_byte_ns"] - same.transform("min") - answer_ns * (same.rank(method="first") - 1)
    crowded = same.transform("size") > 1
    return np.asarray(late_ns[crowded], dtype=np.float64)


def median(table_ns: Table) -> int:
    """Return the middle of an empirical table."""
    return table_ns[len(table_ns) // 2]


def _ways(good: pd.DataFrame, default: Video, edge_ns: int, origin_ns: int) -> tuple[Table, Table]:
    """Return a viewer's way to its edge and back, and an edge's way to the origin and back."""
    took_ns = good["first_byte_ns"] - good["start_ns"]
    hit = good["kind"].isin(_READY) & (good["cache"] == int(CacheState.HIT))
    trip_ns = table_of(took_ns[hit] - edge_ns, default.trip_ns)
    missed = good["kind"].isin(_SETUP) & (good["cache"] == int(CacheState.MISS))
    return trip_ns, table_of(took_ns[missed] - median(trip_ns) - edge_ns - origin_ns, default.fetch_ns, few=True)


def _cuts(run: Run, parity: str, default: Video) -> tuple[float, Table]:
    """Return how often a part was the last before its studio cut the film by itself, and how long the camera stood.

    Parts that no viewer has seen never came. A cut film goes on with a segment, so half of one is waiting for that.
    """
    video = run.video[(run.video["kind"] == int(FetchKind.PART)) & (run.video["status"] == 200)]
    number = (video["msn"] * MEDIA.parts_per_segment + video["part"]).rename("number")
    seen = video.groupby(["table", number])["end_ns"].min().reset_index()
    following = seen.groupby("table")[["number", "end_ns"]].shift(-1)
    lost = following["number"] - seen["number"] - 1
    chosen = in_slices(run, seen["end_ns"], parity)
    struck_ns = run.faults.loc[run.faults["target"].str.startswith(("origin", "studio-")), "t_ns"].to_numpy()
    broken = [
        bool(np.any((struck_ns > a) & (struck_ns < b)))
        for a, b in zip(seen["end_ns"], following["end_ns"], strict=True)
    ]
    cut = chosen & ((lost > 0) & (following["number"] % MEDIA.parts_per_segment == 0)).to_numpy() & ~np.array(broken)
    stood_ns = lost[cut] * MEDIA.part_frames * MEDIA.frame_ns - MEDIA.segment_ns / 2
    return float(cut.sum() / max(chosen.sum(), 1)), table_of(stood_ns, default.cut_ns, few=True)


def _moved_ns(video: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return how long viewers whose connection failed took until their next request, at another edge."""
    ordered = video.sort_values(["viewer", "start_ns"], kind="stable")
    following = ordered.groupby("viewer")[["start_ns", "edge"]].shift(-1)
    moved = (ordered["status"] == 0) & (following["edge"] != ordered["edge"]) & (following["start_ns"] > 0)
    return np.asarray((following["start_ns"] - ordered["end_ns"])[moved], dtype=np.float64)


def _part_bytes(parts: pd.DataFrame, default: Video) -> tuple[Table, ...]:
    once = parts.drop_duplicates(["table", "rendition", "msn", "part"])
    return tuple(
        table_of(once.loc[once["rendition"] == rendition, "bytes"], assumed)
        for rendition, assumed in enumerate(default.part_bytes)
    )


def _typical_bytes(good: pd.DataFrame, kinds: tuple[int, ...], default: int) -> int:
    sizes = good.loc[good["kind"].isin(kinds), "bytes"]
    return max(round(float(sizes.median())), 1) if len(sizes) >= SAMPLES_MIN else default
