"""What was asked and what came of it: counts and latencies of operations.

Latency counts from the *intended* start (``due_ns``), so that a stalled generator or server cannot hide its own delay,
and is known of answered operations only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS

PERCENTILES = (50, 95, 99)


def answered(ops: pd.DataFrame) -> pd.DataFrame:
    """Return the operations that got an answer, whichever it was."""
    return ops[ops["outcome"].isin((int(Outcome.OK), int(Outcome.REJECTED))) & (ops["return_ns"] > 0)]


def latency_ms(ops: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the latency of each answered operation, from its intended start, shape ``(n_answered,)``."""
    rows = answered(ops)
    elapsed: npt.NDArray[np.float64] = (rows["return_ns"] - rows["due_ns"]).to_numpy() / NS_PER_MS
    return elapsed


def of_kind(ops: pd.DataFrame, kind: OpKind) -> pd.DataFrame:
    """Return the operations of a kind."""
    return ops[ops["kind"] == int(kind)]


def percentiles_ms(values_ms: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """Return ``p50_ms``, ``p95_ms`` and ``p99_ms``; None if there are no values."""
    if not len(values_ms):
        return {f"p{p}_ms": None for p in PERCENTILES}
    return {
        f"p{p}_ms": round(float(value), 3)
        for p, value in zip(PERCENTILES, np.percentile(values_ms, PERCENTILES), strict=True)
    }


def operation_figures(ops: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return counts and latency percentiles for each kind of operation: ``bet``, ``login`` and ``connect``."""
    return {kind.name.lower(): _figures(of_kind(ops, kind)) for kind in OpKind}


def _figures(ops: pd.DataFrame) -> dict[str, Any]:
    counts = np.bincount(ops["outcome"].to_numpy(), minlength=len(Outcome))
    return {
        "offered": len(ops),
        "ok": int(counts[Outcome.OK]),
        "rejected": int(counts[Outcome.REJECTED]),
        "unknown": int(counts[Outcome.UNKNOWN]),
        "refused": int(counts[Outcome.REFUSED]),
        **percentiles_ms(latency_ms(ops)),
    }
