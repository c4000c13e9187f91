"""Lives of bets for the report's page: columns packed into text, which the page draws one bet of."""

import base64
import gzip
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from reference_impl.domain.bets import Status
from reference_impl.domain.money import EXPONENT
from reference_impl.domain.records import Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_US
from reports.lives import MOMENTS, lives, notable
from reports.run import Run
from reports.series import STAGES

BETS_MAX: Final = 12_000
"""Bets that a page carries, about 50 bytes each; of more there is a sample."""
SLOW_SHARE: Final = 0.01
NEVER: Final = -(2**31)
"""Microseconds of a moment that did not happen."""
COLUMNS: Final = {
    "op": "<i8", "account": "<i8", "amount": "<i4", "table": "<i4", "round_no": "<i4", "batch_size": "<i4",
    "queue_depth": "<i4", "due_ms": "<i4", "currency": "<i2", "spot": "<i2", "status": "<i2", "attempts": "<i2",
    "outcome": "<i2",
}  # fmt: skip
"""What the page shows of a bet beside its moments; the widest first."""


def page_of_lives(run: Run) -> dict[str, Any] | None:
    """Return what the page needs to draw any of a Run's bets; None if nobody bet.

    Returns
    -------
    dict or None
        ``packed`` is gzip in base64: :data:`COLUMNS` and after them, as int32 columns of microseconds since ``due_ns``,
        each of :data:`reports.lives.MOMENTS`, :data:`NEVER` where it did not happen.
    """
    told = lives(run)
    if told.empty:
        return None
    special = notable(told)
    kept = sampled(told, BETS_MAX, list(special.values()))
    spots, codes = np.unique(kept["spot"].to_numpy(dtype=str), return_inverse=True)
    shown = kept.assign(spot=codes, due_ms=(kept["due_ns"] - run.manifest["load_start_ns"]) // NS_PER_MS)
    return {
        "bets": len(kept),
        "of": len(told),
        "notable": {name: str(op) for name, op in special.items()},
        "columns": list(COLUMNS.items()),
        "never": NEVER,
        "moments": MOMENTS,
        "stages": STAGES,
        "spots": spots.tolist(),
        "statuses": {int(status): status.name.lower().replace("_", " ") for status in Status},
        "outcomes": {int(outcome): outcome.name.lower() for outcome in Outcome},
        "currencies": {int(currency): [currency.name, digits] for currency, digits in EXPONENT.items()},
        "packed": _packed(shown),
    }


def sampled(told: pd.DataFrame, most: int, keep: Sequence[int]) -> pd.DataFrame:
    """Return at most `most` bets: those to `keep`, the slow, refused and resent, and an even share of the rest."""
    if len(told) <= most:
        return told
    odd = told["op"].isin(keep) | (told["outcome"] != int(Outcome.OK)) | (told["attempts"] > 1)
    latency = (told["return_ns"] - told["due_ns"]).where(told["return_ns"] > 0, 0)
    odd |= latency >= latency.quantile(1 - SLOW_SHARE)
    chosen = np.flatnonzero(odd.to_numpy())[: most // 2]
    others = np.setdiff1d(np.arange(len(told)), chosen)
    even = others[np.linspace(0, len(others) - 1, most - len(chosen)).astype(np.int64)]
    return told.iloc[np.sort(np.concatenate([chosen, even]))].reset_index(drop=True)


def _packed(shown: pd.DataFrame) -> str:
    columns = [shown[name].to_numpy(dtype=dtype).tobytes() for name, dtype in COLUMNS.items()]
    for moment in MOMENTS:
        since_us = (shown[moment.column] - shown["due_ns"]).to_numpy() // NS_PER_US
        happened = (shown[moment.column] > 0).to_numpy() & (np.abs(since_us) < -NEVER)
        columns.append(np.where(happened, since_us, NEVER).astype("<i4").tobytes())
    return base64.b64encode(gzip.compress(b"".join(columns), mtime=0)).decode()
