"""Whether the load generator kept to its schedule. If not, a Run measures the generator and is *invalid*.

Latency counts from the intended start, so a late start can only make a Run look worse, but beyond a limit the Run would
tell more of the generator than of the system. What is not on record counts as not kept: silence is no health. A
simulated load has no generator and is always on time.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import pandas as pd

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.latency import of_kind
from reports.limits import HealthLimits
from reports.run import Run
from reports.slo import LimitResult

CPU_WINDOW_S: Final = 10
"""The generator's load is judged over its busiest stretch of this length; a shorter peak is the start of users."""


def health_of(run: Run) -> list[LimitResult]:
    """Return the generator's limits with what was measured; none if the Run is simulated.

    Raises
    ------
    ConfigError
        If the manifest's ``health`` is none of this version.
    """
    if run.manifest["kind"] == "simulated":
        return []
    limits = msgspec.to_builtins(health_limits(run))
    rows = _during_load(run)
    kept = [
        LimitResult(f"generator.{name.removesuffix('_max')}", "<=", limits[name], value(run, rows), unit, meaning)
        for name, (value, unit, meaning) in _MEASURES.items()
    ]
    return kept + _deliveries(run)


def health_limits(run: Run) -> HealthLimits:
    """Return the limits in a Run's manifest, the defaults where it names none."""
    try:
        return msgspec.convert(run.manifest["campaign"].get("health", {}), HealthLimits)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{run.path}: the manifest's limits of health are not understood: {error}") from None


def _during_load(run: Run) -> pd.DataFrame:
    rows = run.generator
    return rows[rows["t_ns"].between(run.manifest["load_start_ns"], run.manifest["load_end_ns"])]


def _lag_p99_ms(run: Run, _rows: pd.DataFrame) -> float | None:
    bets = of_kind(run.ops, OpKind.BET)
    sent = bets[bets["invoke_ns"] > 0]
    if sent.empty:
        return None
    lag_ns = sent["invoke_ns"] - np.maximum(sent["due_ns"], _connected_ns(run, sent))
    return round(float(np.percentile(lag_ns, 99)) / NS_PER_MS, 2)


def _connected_ns(run: Run, sent: pd.DataFrame) -> pd.Series:
    """Return since when each bet's player was connected: what fell due before could not be sent by any generator."""
    rows = sent[["session", "invoke_ns"]].sort_values("invoke_ns")
    opened = run.sessions[["session", "opened_ns"]].sort_values("opened_ns")
    found = pd.merge_asof(rows, opened, left_on="invoke_ns", right_on="opened_ns", by="session")["opened_ns"]
    return found.fillna(0).astype(np.int64).set_axis(rows.index).reindex(sent.index)


def _missed_share(_run: Run, rows: pd.DataFrame) -> float | None:
    missed, started = rows.groupby("worker")[["missed", "ops"]].max().sum()
    return round(float(missed / (missed + started)), 5) if missed + started else None


def _cpu_share(_run: Run, rows: pd.DataFrame) -> float | None:
    shares = [_busiest_share(own) for _, own in rows.groupby("worker")]
    return round(max(shares), 3) if shares else None


def _busiest_share(rows: pd.DataFrame) -> float:
    """Return CPU time over wall time in the busiest window of one worker; the whole load if it is no longer."""
    ordered = rows.sort_values("t_ns")
    t_ns, cpu_ns = ordered["t_ns"].to_numpy(), ordered["cpu_ns"].to_numpy()
    until = np.searchsorted(t_ns, t_ns + CPU_WINDOW_S * NS_PER_S)
    until = np.where(until < len(t_ns), until, len(t_ns) - 1)
    whole = t_ns[until] - t_ns >= min(CPU_WINDOW_S * NS_PER_S, t_ns[-1] - t_ns[0])
    elapsed_ns = t_ns[until] - t_ns
    counted = whole & (elapsed_ns > 0)
    return float(((cpu_ns[until] - cpu_ns)[counted] / elapsed_ns[counted]).max()) if counted.any() else 0.0


def _timer_lag_p95_ms(_run: Run, rows: pd.DataFrame) -> float | None:
    return round(float(np.percentile(rows["lag_ns_max"], 95)) / NS_PER_MS, 2) if len(rows) else None


def _silent_s(run: Run, rows: pd.DataFrame) -> float | None:
    """Return the longest gap between a worker's records, the load's start and end included."""
    start_ns, end_ns = run.manifest["load_start_ns"], run.manifest["load_end_ns"]
    gaps = [np.diff([start_ns, *sorted(own["t_ns"]), end_ns]).max() for _, own in rows.groupby("worker")]
    if len(gaps) < run.manifest["campaign"].get("workers", 1):
        gaps.append(end_ns - start_ns)  # one never said a word
    return round(float(max(gaps)) / NS_PER_S, 2)


def _clock_error_ms(run: Run, _rows: pd.DataFrame) -> float | None:
    error_ns = run.manifest["clock_offsets"].get("error_ns")
    return None if error_ns is None else round(error_ns / NS_PER_MS, 3)


def _deliveries(run: Run) -> list[LimitResult]:
    """Return what came of the records of workers on other machines; nothing if there were none."""
    machines = run.manifest["clock_offsets"].get("machines")
    if not machines:
        return []
    lacking = sum(not machine["complete"] for machine in machines)
    return [LimitResult("generator.undelivered", "<=", 0, lacking, "", "workers whose records did not all come")]


_MEASURES: Final[dict[str, tuple[Callable[[Run, pd.DataFrame], float | None], str, str]]] = {
    "lag_p99_ms_max": (_lag_p99_ms, "ms", "99 % of the bets started at most so late"),
    "missed_share_max": (_missed_share, "", "share of scheduled operations that were not started"),
    "cpu_share_max": (_cpu_share, "", f"share of a core, busiest worker, busiest {CPU_WINDOW_S} s"),
    "timer_lag_p95_ms_max": (_timer_lag_p95_ms, "ms", "in 95 % of the seconds no timer ran later"),
    "silent_s_max": (_silent_s, "s", "longest time without a sign of life of a worker"),
    "clock_error_ms_max": (_clock_error_ms, "ms", "how far the clocks of this run may be apart"),
}
