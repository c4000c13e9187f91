"""Checks of the video: what viewers got is one film that goes forward, and edges keep what playlists announce."""

import numpy as np
import pandas as pd

from reference_impl.domain.records import FetchKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.checks.history import History
from reports.checks.verdict import Mask, Rule, Verdict, first_broken, ok, unknown

STAMP_ERROR_NS = 2 * NS_PER_MS
"""Instants of films and arrivals come from two clocks of a host that are read one after the other."""

ANNOUNCED_NS_MAX = 15 * NS_PER_S
"""After an origin began anew, caches may announce what it has forgotten for as long as they keep playlists."""

_GONE = (404, 410)
_SHOWN = ["viewer", "table", "edge", "rendition", "msn", "part", "status", "start_ns", "end_ns", "media_ns"]


def video_advances(history: History) -> Verdict:
    """Check that each viewer's parts go forward, none is older than film allows, and announced parts are there."""
    rows = history.video
    if rows.empty and not history.terms.viewers:
        return ok("nobody was to watch any video")
    parts = rows.loc[(rows["kind"] == int(FetchKind.PART)) & (rows["status"] == 200), _SHOWN]
    parts = parts.sort_values(["viewer", "end_ns"], kind="stable", ignore_index=True)
    refused, excused = _refused(history, rows)
    before = parts.groupby("viewer")[["msn", "part", "media_ns"]].shift(fill_value=-1)
    same_or_back = (parts["msn"] < before["msn"]) | (
        (parts["msn"] == before["msn"]) & (parts["part"] <= before["part"])
    )
    older = (parts["media_ns"] > 0) & (before["media_ns"] > 0) & (parts["media_ns"] <= before["media_ns"])
    watched = int(parts["viewer"].nunique())
    counts = {"viewers": watched, "parts": len(parts), "refused": len(refused), "excused": excused}
    broken = first_broken(
        (
            Rule("a part that a viewer had already seen or passed", parts, same_or_back),
            Rule("a part whose film is not newer than the one before it", parts, older),
            Rule("a part that was there before its last frame was taken", parts, _too_early(history, parts)),
            Rule("a part that a playlist announced and the edge did not have", refused, np.ones(len(refused), bool)),
        ),
        **counts,
    )
    if broken:
        return broken
    if watched < max(history.terms.viewers, 1):
        return unknown(
            f"{history.terms.viewers - watched:,} of {history.terms.viewers:,} viewers saw nothing", **counts
        )
    undated = int((parts["media_ns"] <= 0).sum())
    if undated:
        return unknown(f"{undated:,} parts do not say when they were filmed", **counts)
    return ok(
        f"all {len(parts):,} parts of {watched:,} viewers went forward, and none that was announced was missing",
        **counts,
    )


def _too_early(history: History, parts: pd.DataFrame) -> Mask:
    early: Mask = (parts["end_ns"] + history.clock_error_ns + STAMP_ERROR_NS < parts["media_ns"]).to_numpy()
    return early


def _refused(history: History, rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return announced parts that were refused, and how many more a fault excuses."""
    gone = rows.loc[(rows["kind"] == int(FetchKind.PART)) & rows["status"].isin(_GONE), _SHOWN]
    lists = rows.loc[(rows["kind"] == int(FetchKind.PLAYLIST)) & (rows["status"] == 200)]
    newest = lists[["viewer", "edge", "rendition", "end_ns", "msn", "part"]].rename(
        columns={"end_ns": "announced_ns", "msn": "newest_msn", "part": "newest_part"}
    )
    found = pd.merge_asof(
        gone.sort_values("start_ns"), newest.sort_values("announced_ns"), left_on="start_ns", right_on="announced_ns",
        by=["viewer", "edge", "rendition"],
    )  # fmt: skip
    announced = (found["msn"] < found["newest_msn"]) | (
        (found["msn"] == found["newest_msn"]) & (found["part"] <= found["newest_part"])
    )
    found = found[announced]
    excused = _origin_was_new(history, found)
    return found[~excused].astype({"newest_msn": "int64", "newest_part": "int64"}), int(excused.sum())


def _origin_was_new(history: History, rows: pd.DataFrame) -> Mask:
    start = rows["start_ns"].to_numpy()
    new = np.zeros(len(rows), dtype=bool)
    faults = history.faults[history.faults["target"] == "origin"]
    for struck_ns, back_ns in zip(faults["t_ns"].to_list(), faults["recovered_ns"].to_list(), strict=True):
        new |= (start >= struck_ns) & ((start <= back_ns + ANNOUNCED_NS_MAX) | (back_ns == 0))
    return new
