"""Several measured Runs as one, so that stages are fitted on all of them together.

Runs keep apart what belongs to one of them: instants are shifted so that no two runs overlap, and rounds, tables and
sessions get numbers of their own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.units import NS_PER_S
from reports.run import Run, open_run

APART_NS = 100_000 * NS_PER_S
"""Instants of two runs of a pool are at least so far apart: longer than any campaign."""

_ROUND_SHIFT, _TABLE_SHIFT, _SESSION_SHIFT = 47, 15, 32
"""Where a run's number stands in rounds, tables and sessions: above the bits that these use themselves."""

POOLED = ("ops", "rounds", "pushes", "sessions", "faults")


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Open measured Runs.

    Raises
    ------
    ConfigError
        If there is none, or one of them is no finished measured Run.
    """
    if not paths:
        raise ConfigError("name at least one run")
    runs = [open_run(path) for path in paths]
    for run in runs:
        kind, reason = run.manifest.get("kind"), run.manifest.get("exit_reason")
        if kind != "measured" or reason != "finished":
            raise ConfigError(f"{run.path}: is {kind} and ended with '{reason}', must be measured and finished")
    return runs


def pooled(runs: Sequence[Run]) -> Run:
    """Return runs as one; its manifest is the first one's. A single run is returned as it is, but for its instants."""
    tables = {
        name: pd.concat([_shifted(run, number, name) for number, run in enumerate(runs, 1)], ignore_index=True)
        for name in POOLED
    }
    tables["ledger"] = max((run.ledger for run in runs), key=len)
    return Run(runs[0].path, {**runs[0].manifest, "load_start_ns": APART_NS}, tables)


def _shifted(run: Run, number: int, name: str) -> pd.DataFrame:
    table = run.table(name).reset_index(drop=True).copy()
    later_ns = number * APART_NS - int(run.manifest["load_start_ns"])
    bits: dict[str, int] = {
        "round": number << _ROUND_SHIFT, "table": number << _TABLE_SHIFT, "session": number << _SESSION_SHIFT
    }  # fmt: skip
    for column in table.columns:
        values: Any = table[column]
        if not pd.api.types.is_integer_dtype(values):
            continue
        if column.endswith("_ns"):
            table[column] = np.where(values > 0, values.astype(np.int64) + later_ns, values)
        elif column in bits:
            table[column] = np.where(values > 0, values.astype(np.int64) | bits[column], values)
    return table
