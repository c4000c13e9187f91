"""What faults did over several Runs, measured beside simulated: a figure and a page to be published.

A row is a kind of fault and what it struck, over all Runs; the simulated figures are those of the Runs' twins, for the
faults that the model has. Both are fits: a twin's stage times come from its Run's odd rounds, without the bets that a
fault held up; how long a killed process takes to come back comes from the Run itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reports.canvas import MEASURED, SIMULATED, stand_alone, style
from reports.fault_figures import drawn, fault_name
from reports.judgement import read_summary
from reports.publishing import Recipe, Report, markdown
from reports.recovery import Recovery, recoveries
from reports.run import Run

FIGURE: Final = "recovery.svg"
QUANTILES: Final = ("p50_ms", "p95_ms", "p99_ms")


class Line(Struct, frozen=True, kw_only=True):
    """What the page says of a Run: quantiles are those of bets, None where there were none or no twin."""

    name: str
    commit: str
    verdict: str
    checks: int
    checks_ok: int
    bets: int
    unknown: int
    measured_ms: list[float | None]
    simulated_ms: list[float | None]
    faults: int


class Faults(Struct, frozen=True, kw_only=True):
    """What faults did over several Runs, and their twins.

    Parameters
    ----------
    runs : list of Line
        The Runs.
    measured, simulated : list of Recovery
        All faults of the Runs, and of their twins.
    left_out : list of str
        What the twins do not model.
    note : str
        What readers must know of the machine.
    """

    runs: list[Line]
    measured: list[Recovery]
    simulated: list[Recovery]
    left_out: list[str]
    note: str = ""


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


def gathered(runs: Sequence[Run], note: str = "") -> Faults:
    """Return what the faults of Runs and of their twins did.

    Raises
    ------
    ConfigError
        If a Run was not judged, or ended in an error.
    """
    measured = [recoveries(run) for run in runs]
    twins = [run.twin for run in runs if run.twin]
    return Faults(
        runs=[_line_of(run, len(found)) for run, found in zip(runs, measured, strict=True)],
        measured=[one for found in measured for one in found],
        simulated=[one for twin in twins for one in recoveries(twin)],
        left_out=sorted({str(name) for twin in twins for name in twin.manifest["not_modelled"]}), note=note,
    )  # fmt: skip


def rows(found: Faults) -> list[Row]:
    """Return a row for each kind of fault and group of targets, in the order of their names."""
    names = sorted({fault_name(one) for one in found.measured})
    return [_row(name, _of(found.measured, name), _of(found.simulated, name)) for name in names]


def report_of(found: Faults) -> Report:
    """Return what faults did, as people read it."""
    worlds = [(MEASURED, found.measured), (SIMULATED, found.simulated)]
    with style("faults"):
        figure = stand_alone(drawn(worlds if found.simulated else worlds[:1]))
    return Report(tables=_tables(found), figures={FIGURE: figure}, opening=OPENING, closing=CLOSING)


def differences(published: Faults, found: Faults) -> Iterable[str]:
    """Return which rows are others, a line each: the same Runs say the same."""
    yield from (f"run {run.name} is not among these, or says something else" for run in published.runs
                if run not in found.runs)  # fmt: skip
    known, now = ({row.name: row for row in rows(side)} for side in (published, found))
    yield from (f"{name} is now {now.get(name)}" for name, row in known.items() if now.get(name) != row)
    yield from (f"{name} is not published" for name in sorted(now.keys() - known.keys()))


REPORT: Final = Recipe(file="faults.json", content=Faults, report_of=report_of, differences=differences)

OPENING: Final = f"""\
# What each fault does to those who bet and watch

**Question.** When something breaks, who notices when, how soon are those whom it struck served again, and what becomes
of the bets that were under way?

**Answer.** The tables below say it for each run, and for each kind of fault and what it struck.

![times until service, by fault: blue measured, orange simulated]({FIGURE})
"""

CLOSING: Final = """\
**Method.** Campaigns with faults against the real system, and each Run's twin, a *fit* made from its odd rounds
without the bets that a fault held up. *Served* counts from the strike, or from its undoing if it lasted, to the first
operation that went well for those whom it struck, and includes waiting for the next open window. *p99* is of the bets
that were under way meanwhile. A dash is what cannot be told: nobody bets on a picture, or the model does not have it.

**Intervals.** None: most kinds have a handful of faults, so the median stands beside the worst.

**Threats.** Processes share one machine's cores, so what starts again waits for them. How long a killed process takes
to come back is the simulation's input, not its finding.

**Command.** `livetable faults report RUN… --out FOLDER`; with `--check` it compares the same runs with what is
published."""


def _line_of(run: Run, faults: int) -> Line:
    summary = read_summary(run)
    if summary["verdict"] == "error":
        raise ConfigError(f"{run.path}: ended in an error, so there is nothing to report of it: {summary['reason']}")
    checks, bets, simulated = summary["checks"].values(), summary["bet"], summary["simulated"]
    return Line(
        name=run.manifest["name"], commit=run.manifest["commit"], verdict=summary["verdict"], checks=len(checks),
        checks_ok=sum(status == "ok" for status in checks), bets=bets["offered"], unknown=bets["unknown"],
        measured_ms=_quantiles(bets), simulated_ms=_quantiles(simulated["bet"] if simulated else {}), faults=faults,
    )  # fmt: skip


def _quantiles(figures: dict[str, Any]) -> list[float | None]:
    return [figures.get(name) for name in QUANTILES]


def _tables(found: Faults) -> str:
    runs = markdown(
        ("run", "commit", "verdict", "checks ok", "bets", "without an answer", "p50 / p95 / p99, ms", "simulated",
         "faults"),
        (
            (f"`{run.name}`", f"`{run.commit[:7]}`", run.verdict, f"{run.checks_ok} of {run.checks}", f"{run.bets:,}",
             f"{run.unknown:,}", " / ".join(map(_text, run.measured_ms)), " / ".join(map(_text, run.simulated_ms)),
             str(run.faults))
            for run in found.runs
        ),
    )  # fmt: skip
    kinds = markdown(
        ("fault", "n", "noticed p50, ms", "served p50 / worst, ms", "simulated served p50", "p99, ms",
         "simulated p99", "bets under way", "without an answer"),
        (
            (row.name, str(row.n), _text(row.noticed_p50_ms),
             f"{_text(row.served_p50_ms)} / {_text(row.served_max_ms)}", _text(row.simulated_served_p50_ms),
             _text(row.late_p99_ms), _text(row.simulated_late_p99_ms), f"{row.hit:,}", f"{row.unknown:,}")
            for row in rows(found)
        ),
    )  # fmt: skip
    parts = [
        f"{len(found.measured)} faults in {len(found.runs)} runs, measured beside simulated.",
        found.note, runs, kinds,
        f"The model leaves out: {', '.join(found.left_out)}." if found.left_out else "",
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts if part)


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
