"""What a wallet load showed: one row a kind of call, and one verdict."""

import numpy as np
from msgspec import Struct

from loadtest.kit.load_order import CallRecords, PartResult

LAG_P99_MS_MAX = 20.0
"""A generator that starts calls later than this is not measuring the wallet."""

EXIT = {"pass": 0, "error": 1, "slo": 2, "consistency": 3, "invalid": 4}


class CallSummary(Struct, frozen=True):
    """One row of the table; latencies from the intended start, None if nothing was answered."""

    call: str
    sent: int
    done: int
    refused: int
    unknown: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class LoadResult(Struct, frozen=True):
    """What became of the load. ``missed`` debits were never sent: too many calls were outstanding."""

    url: str
    run: str
    verdict: str
    message: str
    offered_rounds_per_s: float
    calls_per_s: float
    calls: list[CallSummary]
    players: int
    missed: int
    lag_p99_ms: float
    complaints: list[str]
    unresolved: int

    @property
    def exit_code(self) -> int:
        """The verdict as a campaign's exit code."""
        return EXIT[self.verdict]


def summarise(
    url: str, run: str, parts: list[PartResult], rounds_per_s: float, seconds: float, p99_ms_max: float | None
) -> LoadResult:
    """Return the parts' result as one, with its verdict.

    Inconsistency outranks everything, an unknown outcome an invalid measurement, and that a slow one.
    """
    names = sorted({name for part in parts for name in part.calls})
    calls = [_row(name, [part.calls[name] for part in parts if name in part.calls]) for name in names]
    lags = [lag for part in parts for records in part.calls.values() for lag in records.lag_us]
    lag_p99_ms = round(float(np.percentile(lags, 99)) / 1000, 3) if lags else 0.0
    missed = sum(part.missed for part in parts)
    complaints = [complaint for part in parts for complaint in part.complaints]
    unresolved = sum(len(part.unresolved) for part in parts)
    done = sum(call.done for call in calls)
    slow = [call for call in calls if p99_ms_max and call.p99_ms is not None and call.p99_ms > p99_ms_max]
    verdict, message = "pass", "every balance is what our own books say"
    if complaints:
        verdict, message = "consistency", complaints[0]
    elif unresolved or not done:
        verdict, message = "error", f"{unresolved} calls stayed unknown, {done} were carried out"
    elif missed or lag_p99_ms > LAG_P99_MS_MAX:
        limit = f"limit {LAG_P99_MS_MAX:g} ms"
        verdict, message = "invalid", f"calls started {lag_p99_ms:g} ms late (p99, {limit}), {missed} rounds not at all"
    elif slow:
        verdict, message = "slo", f"{slow[0].call} p99 {slow[0].p99_ms:g} ms, limit {p99_ms_max:g} ms"
    return LoadResult(
        url, run, verdict, message, rounds_per_s, round(sum(call.sent for call in calls) / seconds, 1), calls,
        sum(part.players for part in parts), missed, lag_p99_ms, complaints, unresolved,
    )  # fmt: skip


def table(result: LoadResult) -> str:
    """Return the result as lines for people."""
    rows: list[tuple[str, ...]] = [("call", "sent", "done", "refused", "unknown", "p50 ms", "p95 ms", "p99 ms")]
    for row in result.calls:
        latencies = ("-" if value is None else f"{value:.1f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms))
        rows.append((row.call, *map(str, (row.sent, row.done, row.refused, row.unknown)), *latencies))
    lines = [f"{row[0]:<8}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows]
    lines.append(
        f"{result.verdict}: {result.message}; {result.calls_per_s:g} calls/s for {result.players} players,"
        f" start lag p99 {result.lag_p99_ms:g} ms"
    )
    return "\n".join(lines)


def _row(name: str, records: list[CallRecords]) -> CallSummary:
    latency = [value for part in records for value in part.latency_us]
    done, refused, unknown = (sum(getattr(part, what) for part in records) for what in ("done", "refused", "unknown"))
    quantiles = [round(float(q) / 1000, 3) for q in np.percentile(latency, (50, 95, 99))] if latency else [None] * 3
    return CallSummary(name, done + refused + unknown, done, refused, unknown, *quantiles)
