"""One Run beside another: how far two latency distributions and their counts are apart.

The distances are read beside a *repeat floor*: the same distances between the odd and the even rounds of one measured
Run. A model cannot be asked to agree with a measurement better than the measurement agrees with itself.
"""

import math
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import Struct

from reference_impl.domain.ids import ROUND_NO_MAX
from reference_impl.domain.records import OpKind, Outcome
from reports.latency import PERCENTILES, latency_ms, of_kind
from reports.run import Run

Parity: TypeAlias = Literal["all", "odd", "even"]
Values: TypeAlias = npt.NDArray[np.float64]


class Comparison(Struct, frozen=True):
    """Distances of a second set of bets from a first.

    Parameters
    ----------
    log_ratio : dict
        ``p50``, ``p95``, ``p99``: natural logarithm of second / first; None if a side has no answered bet.
    w1_over_mean : float or None
        Wasserstein-1 distance of the latencies over the mean of the first.
    ks : float or None
        Largest distance of the two distribution functions. A number, never a test: runs of one law differ too.
    first, second : dict
        ``bets``, ``rejected_share``, ``unknown`` and percentiles ``p50_ms``, ``p95_ms``, ``p99_ms`` of each side.
    """

    log_ratio: dict[str, float | None]
    w1_over_mean: float | None
    ks: float | None
    first: dict[str, Any]
    second: dict[str, Any]


def compare(first: Run, second: Run, parity: Parity = "all") -> Comparison:
    """Compare the bets of two Runs, all or those of odd or even rounds only."""
    return compare_bets(bets_of(first, parity), bets_of(second, parity))


def repeat_floor(run: Run) -> Comparison:
    """Compare the odd with the even rounds of one Run."""
    return compare_bets(bets_of(run, "odd"), bets_of(run, "even"))


def bets_of(run: Run, parity: Parity = "all") -> pd.DataFrame:
    """Return the bets of a Run, of rounds whose number at its table has this parity."""
    bets = of_kind(run.ops, OpKind.BET)
    if parity == "all":
        return bets
    return bets[(bets["round"] & ROUND_NO_MAX) % 2 == (1 if parity == "odd" else 0)]


def compare_bets(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Compare two sets of bets."""
    a, b = np.sort(latency_ms(first)), np.sort(latency_ms(second))
    known = bool(len(a) and len(b))
    return Comparison(
        log_ratio={f"p{p}": _log_ratio(a, b, p) if known else None for p in PERCENTILES},
        w1_over_mean=round(wasserstein(a, b) / float(a.mean()), 4) if known else None,
        ks=round(kolmogorov_smirnov(a, b), 4) if known else None,
        first=_side(first, a),
        second=_side(second, b),
    )


def wasserstein(first: Values, second: Values) -> float:
    """Return the area between two empirical distribution functions of sorted values."""
    both, gap = _gap(first, second)
    return float(np.sum(np.abs(gap[:-1]) * np.diff(both)))


def kolmogorov_smirnov(first: Values, second: Values) -> float:
    """Return the largest distance between two empirical distribution functions of sorted values."""
    return float(np.abs(_gap(first, second)[1]).max())


def _gap(first: Values, second: Values) -> tuple[Values, Values]:
    both = np.sort(np.concatenate([first, second]))
    shares = [np.searchsorted(side, both, side="right") / len(side) for side in (first, second)]
    return both, shares[0] - shares[1]


def _log_ratio(first: Values, second: Values, percent: int) -> float | None:
    a, b = (float(np.percentile(side, percent)) for side in (first, second))
    return round(math.log(b / a), 4) if a > 0 and b > 0 else None


def _side(bets: pd.DataFrame, sorted_ms: Values) -> dict[str, Any]:
    outcome = bets["outcome"].to_numpy()
    n = len(bets)
    return {
        "bets": n,
        "rejected_share": round(float((outcome == Outcome.REJECTED).mean()), 4) if n else 0.0,
        "unknown": int((outcome == Outcome.UNKNOWN).sum()),
        **{f"p{p}_ms": round(float(np.percentile(sorted_ms, p)), 3) if len(sorted_ms) else None for p in PERCENTILES},
    }
