"""What people see of comparisons and trends: a table for the terminal, and one self-contained page with figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np

from reports.cohort_figures import contrast_pictures, trend_pictures
from reports.contrast import Contrast, Difference
from reports.statistics import ALPHA
from reports.trend import Trend

_COLUMNS: Final = ("figure", "baseline", "runs", "change", "95 % interval", "p", "finding")
_TREND_COLUMNS: Final = ("figure", "from run", "runs", "level", "change", "finding")

_METHOD: Final = (
    "The run is the unit: each gives one number a figure. "
    f"Chance of any false alarm over all figures: {100 * ALPHA:.0f} %. "
)


def contrast_text(found: Contrast) -> str:
    """Return a comparison as a table for the terminal."""
    return _text(_contrast_head(found), _COLUMNS, _contrast_rows(found), found.warnings, found.conclusion)


def trend_text(found: Trend) -> str:
    """Return a trend as a table for the terminal."""
    return _text(f"{len(found.runs)} runs", _TREND_COLUMNS, _trend_rows(found), found.warnings, found.conclusion)


def write_contrast_page(found: Contrast, file: Path, names: Mapping[str, Sequence[str]]) -> Path:
    """Write a comparison's page; `names` are the runs of each side."""
    method = (
        f"{_METHOD}All {found.relabelings:,} ways to label the runs were compared by their largest standardised "
        "difference; the intervals hold for all figures at once."
    )
    return _write(
        file,
        found,
        title="Runs against a baseline",
        subtitle=_contrast_head(found),
        caption=f"Changes below {100 * found.effect_min:.0f} % do not matter here",
        columns=_COLUMNS,
        rows=_contrast_rows(found),
        pictures=contrast_pictures(found),
        groups=names,
        method=method,
    )


def write_trend_page(found: Trend, file: Path) -> Path:
    """Write a trend's page."""
    method = (
        f"{_METHOD}A change of level is one that fewer permutations of the runs show than its stretch's share of that "
        "chance allows."
    )
    return _write(
        file,
        found,
        title="Runs in order of time",
        subtitle=f"{len(found.runs)} runs",
        caption="Levels of each figure",
        columns=_TREND_COLUMNS,
        rows=_trend_rows(found),
        pictures=trend_pictures(found),
        groups={"In order": [f"{place}. {name}" for place, name in enumerate(found.runs, start=1)]},
        method=method,
    )


def _write(file: Path, found: Contrast | Trend, **content: Any) -> Path:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    shared = {"conclusion": found.conclusion, "exit_code": found.exit_code, "warnings": found.warnings}
    page = environment.get_template("runs.html").render(**shared, **content)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    return file


def _text(
    head: str, columns: Sequence[str], rows: Sequence[Sequence[str]], warnings: Sequence[str], conclusion: str
) -> str:
    table = [columns, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    lines = [head, ""]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:-1], widths[1:-1], strict=True))]
        lines.append(f"  {'  '.join(cells)}  {row[-1]}".rstrip())
    lines += ["", *(f"beware: {warning}" for warning in warnings), conclusion]
    return "\n".join(lines)


def _contrast_head(found: Contrast) -> str:
    return f"{found.n_runs} runs against a baseline of {found.n_baseline}"


def _contrast_rows(found: Contrast) -> list[tuple[str, ...]]:
    return [
        (
            d.figure, _typical(d, d.baseline), _typical(d, d.runs), _shown(d, d.change), _interval(d),
            f"{d.p:.3f}" if _tested(d) else "", d.said,
        )
        for d in found.differences
    ]  # fmt: skip


def _trend_rows(found: Trend) -> list[tuple[str, ...]]:
    return [
        (
            line.figure if not level.begin else "", found.runs[level.begin] if found.runs else "",
            str(level.end - level.begin), f"{level.mean:,.4g} {line.unit}".rstrip(),
            "" if level.change is None else _percent(level.change), level.said,
        )
        for line in found.lines
        for level in line.levels
    ]  # fmt: skip


def _tested(d: Difference) -> bool:
    return d.said not in ("not measured", "constant", "not tested")


def _typical(d: Difference, values: Sequence[float]) -> str:
    known = np.array(values)
    if not len(known) or np.isnan(known).any():
        return "–"
    mean = float(np.exp(np.log(known).mean()) if d.ratio else known.mean())
    return f"{mean:,.4g} {d.unit}".rstrip()


def _shown(d: Difference, value: float) -> str:
    if not _tested(d):
        return ""
    return _percent(value) if d.ratio else f"{value:+,.3g}"


def _percent(change: float) -> str:
    return f"{100 * change:+,.{0 if abs(change) >= 0.1 else 1}f} %"


def _interval(d: Difference) -> str:
    if not _tested(d):
        return ""
    low, high = ("∞" if end is None else _shown(d, end) for end in (d.low, d.high))
    return f"{'-' if d.low is None else ''}{low} to {high}"
