"""Locust's live percentiles, exact to half a percent, in its web UI, its CSV files and on the console.

Locust counts response times in buckets of two significant digits (147 ms becomes 150 ms) and prints whole milliseconds.
Here a bucket has three significant digits at every magnitude, as in an HDR histogram: its middle is off by at most
0.5 %. Buckets are the same on every worker, so the master's sums of their counts are exact too. There are 900 buckets a
decade, of which a load uses a few hundred.

The journals hold every single response time; verdicts are computed from them and never from here.
"""

import math
from types import ModuleType
from typing import Any, Final

DIGITS: Final = 3
LEAST_MS: Final = 0.001
"""Response times below a microsecond are none."""


def bucket_ms(response_ms: float) -> float:
    """Return the middle of the bucket that a response time falls into: three significant digits."""
    if response_ms < LEAST_MS:
        return 0.0
    return round(response_ms, _decimals(response_ms))


def install(stats: ModuleType) -> None:
    """Make Locust count in these buckets and print what they tell; to be called in every process, master and worker.

    Parameters
    ----------
    stats : module
        ``locust.stats``, handed over since importing Locust patches the whole process.
    """

    def percentile(entry: Any) -> str:
        return _percentile_line(stats, entry)

    def to_string(entry: Any, current: bool = True) -> str:  # noqa: FBT001, FBT002 - Locust's signature
        return _summary_line(stats, entry, current=current)

    vars(stats)["bucket_response_time"] = bucket_ms
    stats.StatsEntry.percentile = percentile
    stats.StatsEntry.to_string = to_string
    stats.StatsCSV._percentile_fields = _csv_fields  # noqa: SLF001 - it truncates to whole ms and has no other seam


def shown_ms(value_ms: float) -> str:
    """Return a response time with three significant digits."""
    return f"{value_ms:.{max(0, _decimals(value_ms))}f}" if value_ms >= LEAST_MS else "0"


def _decimals(value_ms: float) -> int:
    return DIGITS - 1 - math.floor(math.log10(value_ms))


def _csv_fields(table: Any, entry: Any, use_current: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - Locust's
    """Return an entry's percentiles for a line of a CSV file."""
    if not entry.num_requests:
        return list(table.percentiles_na)
    recent = use_current and entry.use_response_times_cache
    quantile = entry.get_current_response_time_percentile if recent else entry.get_response_time_percentile
    return [quantile(percent) or 0 for percent in table.percentiles_to_report]


def _percentile_line(stats: ModuleType, entry: Any) -> str:
    """Return an entry's line of the table of percentiles, under Locust's own header."""
    first, *others = (shown_ms(entry.get_response_time_percentile(p)) for p in stats.PERCENTILES_TO_REPORT)
    cells = " ".join(f"{cell:>6}" for cell in others)
    name = f"{entry.method or '':<{stats.STATS_TYPE_WIDTH}} {entry.name:<{stats.STATS_NAME_WIDTH}}"
    return f"{name} {first:>8} {cells} {entry.num_requests:>6d}"


def _summary_line(stats: ModuleType, entry: Any, *, current: bool) -> str:
    """Return an entry's line of the table of requests, under Locust's own header."""
    rates = (entry.current_rps, entry.current_fail_per_sec) if current else (entry.total_rps, entry.total_fail_per_sec)
    least = entry.min_response_time or 0.0
    times = (entry.avg_response_time, least, entry.max_response_time, entry.median_response_time)
    average, least, most, median = (shown_ms(float(value)) for value in times)
    method = f"{entry.method} " if entry.method else ""
    name_width = stats.STATS_NAME_WIDTH - stats.STATS_TYPE_WIDTH + 4
    failures = f"{entry.num_failures}({entry.fail_ratio:.2%})"
    return (
        f"{method:<{stats.STATS_TYPE_WIDTH}} {entry.name:<{name_width}} {entry.num_requests:>7d} {failures:>12} "
        f"|{average:>7} {least:>7} {most:>7}{median:>7} | {rates[0] or 0:>7.2f} {rates[1] or 0:>11.2f}"
    )
