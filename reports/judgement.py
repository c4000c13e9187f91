"""The verdict of a campaign: checks, limits and the generator's health, in that order of weight.

A broken rule outweighs everything; a Run that cannot be judged comes next, since its latencies mean nothing; a broken
limit comes last. The limits are those of the campaign in the Run's manifest.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import numpy as np
from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_MS
from reports.checks import allowed_skips, run_checks
from reports.checks.verdict import Verdict
from reports.latency import of_kind, operation_figures
from reports.run import Run, write_json
from reports.video import video_summary

EXIT_CODES: Final = {"pass": 0, "error": 1, "slo": 2, "consistency": 3, "invalid": 4}
SUMMARY: Final = "summary.json"
MISSED_SHARE_MAX: Final = 0.01
"""Share of scheduled operations that a healthy generator may fail to start; more than that is another load."""

_SLO_DEFAULTS: Final = {
    "bet_p99_ms_max": 250.0, "unknown_share_max": 0.0, "generator_lag_p99_ms_max": 50.0, "video_p95_ms_max": 3000.0,
    "stalled_share_max": 0.02,
}  # fmt: skip


class SloResult(Struct, frozen=True):
    """A limit, what was measured, and whether it holds. A value of None was not measurable and breaks the limit."""

    name: str
    limit: float
    value: float | None
    unit: str

    @property
    def ok(self) -> bool:
        """Whether the limit holds."""
        return self.value is not None and self.value <= self.limit


class GeneratorHealth(Struct, frozen=True):
    """Whether the load generator itself kept to its schedule; if not, the Run measures the generator."""

    ok: bool
    lag_p99_ms: float | None
    lag_p99_ms_max: float
    missed: int
    message: str


class Judgement(Struct, frozen=True):
    """Everything that is said about a Run."""

    verdict: str
    checks: dict[str, Verdict]
    slos: list[SloResult]
    generator: GeneratorHealth

    @property
    def exit_code(self) -> int:
        """What the campaign's process ends with."""
        return EXIT_CODES[self.verdict]


def verdict(
    checks: Mapping[str, Verdict],
    slo_results: Iterable[SloResult],
    *,
    generator_ok: bool,
    skippable: Collection[str] = (),
) -> str:
    """Return ``pass``, ``slo``, ``consistency`` or ``invalid``; a broken rule before an invalid Run before a limit."""
    statuses = {check.status for check in checks.values()}
    forbidden = any(check.status == "skipped" and name not in skippable for name, check in checks.items())
    if "illegal" in statuses:
        return "consistency"
    if "unknown" in statuses or forbidden or not generator_ok:
        return "invalid"
    return "pass" if all(result.ok for result in slo_results) else "slo"


def slo_results(run: Run) -> list[SloResult]:
    """Return the campaign's limits with what was measured."""
    limits = _limits(run)
    bets = operation_figures(of_kind(run.ops, OpKind.BET))["bet"]
    share = bets["unknown"] / bets["offered"] if bets["offered"] else None
    results = [
        SloResult("bet p99", limits["bet_p99_ms_max"], bets["p99_ms"], "ms"),
        SloResult("bets without an answer", 100 * limits["unknown_share_max"], _percent(share), "%"),
    ]
    if video := video_summary(run):
        stalled = _percent(video["stalled_share"])
        results += [
            SloResult("video latency p95", limits["video_p95_ms_max"], video["latency_p95_ms"], "ms"),
            SloResult("time that pictures stood still", 100 * limits["stalled_share_max"], stalled, "%"),
        ]
    return results


def generator_health(run: Run) -> GeneratorHealth:
    """Return whether the load kept to its schedule: how late its bets started, and how many operations it missed.

    Notes
    -----
    Latency counts from the intended start, so a late start can only make a Run look worse. Beyond the limit the Run
    would tell more of the generator than of the system, and is not judged.
    """
    limit_ms = _limits(run)["generator_lag_p99_ms_max"]
    rows = run.generator
    rows = rows[rows["t_ns"].between(run.manifest["load_start_ns"], run.manifest["load_end_ns"])]
    if rows.empty and run.manifest["kind"] == "simulated":
        return GeneratorHealth(True, None, limit_ms, 0, "a simulated load is always on time")
    bets = of_kind(run.ops, OpKind.BET)
    sent = bets[bets["invoke_ns"] > 0]
    if rows.empty or sent.empty:
        return GeneratorHealth(False, None, limit_ms, 0, "the generator left no record of its health")
    lag_ms = round(float(np.percentile(sent["invoke_ns"] - sent["due_ns"], 99)) / NS_PER_MS, 2)
    timers_ms = float(rows["lag_ns_max"].max()) / NS_PER_MS
    totals = rows.groupby("worker")[["missed", "ops"]].max().sum()
    missed, started = int(totals["missed"]), int(totals["ops"])
    message = (
        f"99 % of the bets started at most {lag_ms:,.1f} ms late; {missed:,} operations were missed; "
        f"the worst timer was {timers_ms:,.0f} ms late"
    )
    healthy = lag_ms <= limit_ms and missed <= MISSED_SHARE_MAX * (missed + started)
    return GeneratorHealth(healthy, lag_ms, limit_ms, missed, message)


def judge(run: Run) -> Judgement:
    """Check a Run, write ``checks.json`` and ``summary.json`` beside it, and return the judgement."""
    checks, slos, generator = run_checks(run), slo_results(run), generator_health(run)
    said = verdict(checks, slos, generator_ok=generator.ok, skippable=allowed_skips(run))
    judgement = Judgement(said, checks, slos, generator)
    write_summary(run, summarise(run, judgement))
    return judgement


def summarise(run: Run, judgement: Judgement) -> dict[str, Any]:
    """Return the content of ``summary.json``; ``simulated`` holds the twin's figures, or None."""
    return {
        "verdict": judgement.verdict,
        "checks": {name: check.status for name, check in judgement.checks.items()},
        "slos": {slo.name: {"limit": slo.limit, "value": slo.value, "ok": slo.ok} for slo in judgement.slos},
        "generator": {"ok": judgement.generator.ok, "lag_p99_ms": judgement.generator.lag_p99_ms},
        **_figures(run),
        "simulated": _figures(run.twin) if run.twin else None,
    }


def _figures(run: Run) -> dict[str, Any]:
    return {**operation_figures(run.ops), "video": video_summary(run)}


def error_summary(reason: str) -> dict[str, Any]:
    """Return a summary for a campaign that failed before it could be judged."""
    return {"verdict": "error", "reason": reason, "checks": {}, "simulated": None}


def write_summary(run: Run, summary: Mapping[str, Any]) -> None:
    """Write ``summary.json``."""
    write_json(run.path / SUMMARY, summary)


def read_summary(run: Run) -> dict[str, Any]:
    """Read ``summary.json``.

    Raises
    ------
    ConfigError
        If the Run was not judged yet.
    """
    try:
        summary: dict[str, Any] = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{run.path} has no {SUMMARY}: check it first") from None
    return summary


def _limits(run: Run) -> dict[str, float]:
    return {**_SLO_DEFAULTS, **run.manifest["campaign"].get("slo", {})}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)
