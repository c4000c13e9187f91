"""The report: one self-contained HTML page, the verdict first, then measured beside simulated."""

import datetime as dt
from pathlib import Path
from typing import Any, Final

import jinja2
from msgspec import Struct

from reference_impl.domain.units import NS_PER_S
from reports.checks import CHECKS
from reports.compare import compare, repeat_floor
from reports.figures import pictures
from reports.judgement import Judgement
from reports.latency import PERCENTILES, operation_figures
from reports.lives_page import page_of_lives
from reports.run import Run
from reports.sentences import log_ratio_percent
from reports.users import adversary_gain, user_figures
from reports.video import video_summary

REPORT: Final = "report.html"
VERDICTS: Final = {
    "pass": "Every rule held, and so did every limit.",
    "slo": "Every rule held, but a limit was broken.",
    "consistency": "A rule was broken: what players were told and what the ledger says do not agree.",
    "invalid": "This run cannot be judged: a check could not decide, or the load was not what it should have been.",
    "error": "The campaign failed before it could be judged.",
}
"""What each verdict means."""


class Row(Struct, frozen=True):
    """A line of the percentile table."""

    name: str
    measured: str
    simulated: str
    off: str
    floor: str


def render_report(run: Run, judgement: Judgement) -> Path:
    """Write ``report.html`` beside a judged Run, its twin beside it where there is one, and return its path."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("report.html").render(_content(run, judgement))
    file = run.path / REPORT
    file.write_text(page, encoding="utf-8")
    return file


def terminal_table(run: Run, judgement: Judgement) -> str:
    """Return a short table for the terminal, with the same verdict and figures as the page."""
    twin = run.twin
    lines = [f"{run.manifest['name']}: {judgement.verdict.upper()} - {VERDICTS[judgement.verdict]}"]
    lines += [f"  decided by: {', '.join(judgement.because)}"] if judgement.because else []
    lines.append("")
    lines += [f"  {check.status:8} {name:24} {check.message}" for name, check in judgement.checks.items()]
    lines += [f"  {'ok' if slo.ok else 'broken':8} {slo.text:44} {slo.said}" for slo in judgement.slos]
    lines += [f"  {'ok' if limit.ok else 'invalid':8} {limit.text:44} {limit.said}" for limit in judgement.health]
    lines.append("")
    lines += [f"  {remark}\n" for remark in _remarks(run, twin)]
    scope = "bets of even rounds" if twin and twin.manifest["label"] == "fit" else "bets"
    lines += [f"  {scope:24} {'measured':>12} {'simulated':>12} {'off by':>8} {'floor':>8}"]
    lines += [f"  {r.name:24} {r.measured:>12} {r.simulated:>12} {r.off:>8} {r.floor:>8}" for r in _rows(run, twin)]
    lines += [f"  {name:38} {mine:>12} {theirs:>12}" for name, mine, theirs in _video_rows(run, twin)]
    return "\n".join(lines) + "\n"


def _content(run: Run, judgement: Judgement) -> dict[str, Any]:
    twin = run.twin
    started = dt.datetime.fromtimestamp(run.manifest["started_unix_ns"] // NS_PER_S, tz=dt.UTC)
    return {
        "run": run.manifest,
        "twin": twin.manifest if twin else None,
        "started": f"{started:%d %B %Y, %H:%M} UTC" if run.manifest["started_unix_ns"] else "",
        "load_s": (run.manifest["load_end_ns"] - run.manifest["load_start_ns"]) / NS_PER_S,
        "judgement": judgement,
        "meaning": VERDICTS[judgement.verdict],
        "checks": [(name, CHECKS[name].question, check) for name, check in judgement.checks.items()],
        "rows": _rows(run, twin),
        "video": _video_rows(run, twin),
        "operations": [("all", operation_figures(run.ops)), *user_figures(run).items()],
        "remarks": _remarks(run, twin),
        "pictures": pictures(run, twin),
        "lives": page_of_lives(run),
        "number": _number,
    }


def _remarks(run: Run, twin: Run | None) -> list[str]:
    """Return what must be known before the figures are read."""
    gain, pace = adversary_gain(run), run.manifest.get("pace", "open")
    remarks = [gain.sentence[0].upper() + gain.sentence[1:] + "."] if gain else []
    if pace != "open":
        which = "Closed model" if pace == "closed" else "Partly a closed model"
        remarks.append(f"{which}: the next bet waits for the last answer, so latencies forgive a slow system.")
    if twin and (left_out := twin.manifest.get("not_modelled")):
        remarks.append(f"The simulation leaves out: {', '.join(left_out)}.")
    return remarks


def _rows(run: Run, twin: Run | None) -> list[Row]:
    held_out = twin is not None and twin.manifest["label"] == "fit"  # a fit saw the odd rounds
    mine = compare(run, twin or run, "even" if held_out else "all")
    floor = repeat_floor(run)
    rows = []
    for key in (f"p{p}" for p in PERCENTILES):
        first, second = (_number(side[f"{key}_ms"]) for side in (mine.first, mine.second))
        off, apart = (log_ratio_percent(distance.log_ratio[key]) for distance in (mine, floor))
        rows.append(Row(f"{key}, ms", first, second if twin else "", off if twin else "", apart.lstrip("+-")))
    rows += [
        Row("bets", f"{mine.first['bets']:,}", f"{mine.second['bets']:,}" if twin else "", "", ""),
        Row("rejected, %", _share(mine.first), _share(mine.second) if twin else "", "", ""),
        Row("without an answer", f"{mine.first['unknown']:,}", f"{mine.second['unknown']:,}" if twin else "", "", ""),
    ]
    if twin:
        rows += [
            Row("distance W1 / mean", "", "", _number(mine.w1_over_mean), _number(floor.w1_over_mean)),
            Row("distance KS", "", "", _number(mine.ks), _number(floor.ks)),
        ]
    return rows


_VIDEO_ROWS: Final = {
    "viewers": "viewers", "latency_p50_ms": "behind the table, p50, ms", "latency_p95_ms": "behind the table, p95, ms",
    "glass_p50_ms": "from the camera to the screen, p50, ms", "stalls": "stalls", "stall_s": "seconds of stalls",
    "stalled_viewers": "viewers who saw a stall", "fetches": "requests", "failed": "failed requests",
    "edge_switches": "changes of the edge", "frames_dropped": "frames that studios were too late for",
    "cuts": "cuts of the film",
}  # fmt: skip


def _video_rows(run: Run, twin: Run | None) -> list[tuple[str, str, str]]:
    """Return name, measured and simulated value of each figure of the video; nothing if nobody watched."""
    mine, theirs = video_summary(run), video_summary(twin) if twin else None
    if mine is None:
        return []
    return [(name, _number(mine[key]), _number(theirs[key]) if theirs else "") for key, name in _VIDEO_ROWS.items()]


def _share(side: dict[str, Any]) -> str:
    return f"{100 * side['rejected_share']:.2f}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
