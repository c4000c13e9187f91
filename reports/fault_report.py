"""What faults did over several Runs, measured beside simulated: a figure and a page to be published.

A row is a kind of fault and what it struck, over all Runs; the simulated figures are those of the Runs' twins, for the
faults that the model has. Both are fits: a twin's stage times come from its Run's odd rounds, without the bets that a
fault held up; how long a killed process takes to come back comes from the Run itself.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from reports.canvas import MEASURED, SIMULATED, stand_alone, style
from reports.fault_figures import drawn, fault_name
from reports.judgement import read_summary
from reports.recovery import Recovery, recoveries
from reports.run import Run

PAGE, FIGURE = "README.md", "recovery.svg"


class Seen(Struct, frozen=True):
    """A Run, what its faults did, and what its twin's did."""

    run: Run
    measured: list[Recovery]
    simulated: list[Recovery]


class Row(Struct, frozen=True):
    """A kind of fault and what it struck: times in ms, None where nothing was to be told."""

    name: str
    n: int
    noticed_p50_ms: float | None
    served_p50_ms: float | None
    served_max_ms: float | None
    late_p99_ms: float | None
    hit: int
    unknown: int
    simulated_n: int
    simulated_served_p50_ms: float | None
    simulated_late_p99_ms: float | None


def seen(run: Run) -> Seen:
    """Return what the faults of a Run and of its twin did."""
    return Seen(run, recoveries(run), recoveries(run.twin) if run.twin else [])


def rows(runs: Sequence[Seen]) -> list[Row]:
    """Return a row for each kind of fault and group of targets, in the order of their names."""
    mine = [one for each in runs for one in each.measured]
    theirs = [one for each in runs for one in each.simulated]
    return [_row(name, _of(mine, name), _of(theirs, name)) for name in sorted({fault_name(one) for one in mine})]


def publish(looked: Sequence[Seen], folder: Path, command: str, note: str = "") -> Path:
    """Write the page and its figure; return the page's path. `note` is what readers must know of the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [(MEASURED, [one for each in looked for one in each.measured])]
    if simulated := [one for each in looked for one in each.simulated]:
        pairs.append((SIMULATED, simulated))
    with style("faults"):
        (folder / FIGURE).write_text(stand_alone(drawn(pairs)), encoding="utf-8")
    page = folder / PAGE
    page.write_text(_page(looked, command, note), encoding="utf-8")
    return page


def _page(runs: Sequence[Seen], command: str, note: str) -> str:
    n = sum(len(each.measured) for each in runs)
    lines = [
        "# What each fault does to those who bet and watch", "",
        f"{n} faults in {len(runs)} runs, measured beside simulated; `{command}` writes this page again.", "",
        *([note, ""] if note else []),
        _head("run", "commit", "verdict", "checks ok", "bets", "without an answer", "p50 / p95 / p99, ms", "simulated",
              "faults"), *(_run_line(each) for each in runs), "",
        f"![times until service, by fault: blue measured, orange simulated]({FIGURE})", "",
        "*Served* counts from the strike, or from its undoing if it lasted, to the first operation that went well for",
        "those whom it struck, and includes waiting for the next open window. *p99* is of the bets that were under way",
        "meanwhile. A dash is what cannot be told: nobody bets on a picture, or the model does not have it.", "",
        _head("fault", "n", "noticed p50, ms", "served p50 / worst, ms", "simulated served p50", "p99, ms",
              "simulated p99", "bets under way", "without an answer"), *(_line(row) for row in rows(runs)), "",
    ]  # fmt: skip
    left_out = sorted({str(name) for each in runs if each.run.twin for name in each.run.twin.manifest["not_modelled"]})
    lines += [f"The model leaves out: {', '.join(left_out)}.", ""] if left_out else []
    return "\n".join(lines)


def _head(*names: str) -> str:
    return f"| {' | '.join(names)} |\n" + "|" + "---|" * len(names)


def _run_line(each: Seen) -> str:
    run, summary = each.run, read_summary(each.run)
    checks = summary["checks"].values()
    return (
        f"| `{run.manifest['name']}` | `{run.manifest['commit'][:7]}` | {summary['verdict']} |"
        f" {sum(status == 'ok' for status in checks)} of {len(checks)} | {summary['bet']['offered']:,} |"
        f" {summary['bet']['unknown']:,} | {_percentiles(summary)} | {_percentiles(summary['simulated'])} |"
        f" {len(each.measured)} |"
    )


def _percentiles(figures: dict[str, Any] | None) -> str:
    return " / ".join(_text(figures["bet"][f"p{p}_ms"]) for p in (50, 95, 99)) if figures else "–"


def _line(row: Row) -> str:
    return (
        f"| {row.name} | {row.n} | {_text(row.noticed_p50_ms)} | {_text(row.served_p50_ms)} /"
        f" {_text(row.served_max_ms)} | {_text(row.simulated_served_p50_ms)} | {_text(row.late_p99_ms)} |"
        f" {_text(row.simulated_late_p99_ms)} | {row.hit:,} | {row.unknown:,} |"
    )


def _row(name: str, mine: list[Recovery], theirs: list[Recovery]) -> Row:
    return Row(
        name=name, n=len(mine),
        noticed_p50_ms=_middle(one.noticed_ms for one in mine),
        served_p50_ms=_middle(one.served_ms for one in mine),
        served_max_ms=max((one.served_ms for one in mine if one.served_ms is not None), default=None),
        late_p99_ms=_middle(one.p99_ms for one in mine),
        hit=sum(one.hit for one in mine), unknown=sum(one.unknown for one in mine),
        simulated_n=len(theirs),
        simulated_served_p50_ms=_middle(one.served_ms for one in theirs),
        simulated_late_p99_ms=_middle(one.p99_ms for one in theirs),
    )  # fmt: skip


def _of(found: list[Recovery], name: str) -> list[Recovery]:
    return [one for one in found if fault_name(one) == name]


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
