"""What came of a run, in the figures by which a prediction is judged; the same code for a measured and a simulated one.

Latency is that of bets, from due to answer. *Consistency* is how far behind the truth a client's screen is: how old the
answer with the new balance is when it arrives, how long after its announcement a result is heard, and when the money
that was won shows; and whether slow clients are refused more often than quick ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

Floats = npt.NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

TOLD = {
    "bet_p50_ms": "bet p50, ms",
    "bet_p95_ms": "bet p95, ms",
    "bet_p99_ms": "bet p99, ms",
    "accepted_per_s": "accepted bets/s",
    "own_cores": "cores taken",
    "writer_busy_cores": "writers busy",
    "gateway_share_max": "largest gateway's share",
    "shard_share_max": "largest shard's share",
    "balance_age_p50_ms": "balance's age p50, ms",
    "balance_age_p95_ms": "balance's age p95, ms",
    "result_age_p50_ms": "result's age p50, ms",
    "result_age_p95_ms": "result's age p95, ms",
    "money_age_p95_ms": "winnings' age p95, ms",
    "rejected_share": "rejected share",
    "rejected_slow_share": "rejected, slowest tenth",
    "rejected_quick_share": "rejected, the others",
    "unknown_share": "unknown share",
}
"""Figures in the order in which they are told."""

LATENCIES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
DECILES = 10


def outcome(tables: Tables, load_s: float) -> dict[str, float]:
    """Return the figures of a run's tables.

    Parameters
    ----------
    tables : mapping
        ``ops``, ``pushes`` and ``rounds`` of a Run.
    load_s : float
        Length of the load.

    Returns
    -------
    dict
        Names end in their unit: ``_ms``, ``_per_s``, ``_share``; `writer_busy_cores` are writers at work on average.
        What a run cannot tell is left out.
    """
    ops = tables["ops"]
    bets = ops[ops["kind"] == int(OpKind.BET)]
    told = bets["outcome"].to_numpy()
    answered = _answered(bets)
    found = _quantiles("bet", latencies_ms(answered))
    n = max(len(bets), 1)
    found |= {
        "accepted_per_s": float((told == int(Outcome.OK)).sum() / load_s),
        "rejected_share": float((told == int(Outcome.REJECTED)).sum() / n),
        "unknown_share": float((told == int(Outcome.UNKNOWN)).sum() / n),
        "writer_busy_cores": _writer_busy(answered, load_s),
        "gateway_share_max": _largest_share(answered["gateway"]),
        "shard_share_max": _largest_share(answered["shard"]),
    }
    committed = answered[answered["committed_ns"] > 0]
    found |= _quantiles("balance_age", (committed["return_ns"] - committed["committed_ns"]).to_numpy() / NS_PER_MS)
    return found | _screens(tables["pushes"], tables["rounds"]) | _late_by_decile(bets)


def latencies_ms(bets: pd.DataFrame) -> Floats:
    """Return the latencies of answered bets."""
    good = _answered(bets)
    values: Floats = (good["return_ns"] - good["due_ns"]).to_numpy() / NS_PER_MS
    return values


def _answered(bets: pd.DataFrame) -> pd.DataFrame:
    return bets[bets["outcome"].isin([int(Outcome.OK), int(Outcome.REJECTED)]) & (bets["return_ns"] > 0)]


def _quantiles(name: str, values: Floats) -> dict[str, float]:
    if not len(values):
        return {}
    return {f"{name}_{label}_ms": float(np.quantile(values, level)) for label, level in LATENCIES.items()}


def _writer_busy(bets: pd.DataFrame, load_s: float) -> float:
    calls = bets[bets["committed_ns"] > 0].drop_duplicates(["shard", "batch_started_ns"])
    return float((calls["committed_ns"] - calls["batch_started_ns"]).sum() / NS_PER_S / load_s)


def _largest_share(numbers: "pd.Series[Any]") -> float:
    return float(numbers.value_counts(normalize=True).max()) if len(numbers) else 0.0


def _screens(pushes: pd.DataFrame, rounds: pd.DataFrame) -> dict[str, float]:
    """Return how long after a result was announced clients heard it, and had their money shown."""
    known = rounds.loc[rounds["result_ns"] > 0, ["round", "result_ns"]]
    heard = pushes.merge(known, on="round")
    at_ns = heard["kernel_ns"].where(heard["kernel_ns"] > 0, heard["app_ns"])
    after_ms = ((at_ns - heard["result_ns"]) / NS_PER_MS).to_numpy()
    kind, phase = heard["kind"].to_numpy(), heard["phase"].to_numpy()
    result = (kind == int(PushKind.TABLE)) & (phase == int(Phase.RESULT))
    paid = (kind == int(PushKind.PAID)) & (after_ms >= 0)
    return _quantiles("result_age", after_ms[result]) | _quantiles("money_age", after_ms[paid])


def _late_by_decile(bets: pd.DataFrame) -> dict[str, float]:
    """Return the rejected share of the slowest tenth of the players' bets, and of everybody else's."""
    sent = bets[bets["return_ns"] > 0]
    if sent.empty:
        return {}
    slowness = (sent["return_ns"] - sent["due_ns"]).groupby(sent["account"]).median().rank(pct=True)
    slow = sent["account"].map(slowness).to_numpy() > 1.0 - 1.0 / DECILES
    rejected = (sent["outcome"] == int(Outcome.REJECTED)).to_numpy()
    return {
        "rejected_slow_share": float(rejected[slow].mean()) if slow.any() else 0.0,
        "rejected_quick_share": float(rejected[~slow].mean()) if (~slow).any() else 0.0,
    }
