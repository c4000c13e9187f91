"""How sure one Run is of its own quantiles: whole rounds are drawn anew, with replacement.

Bets of one round share its luck: the same batch, the same flush, the same fault. So the round is what is resampled, and
an interval is wider than bets that knew nothing of each other would have. It says how much of a figure is this
evening's chance of rounds; another evening is another machine, and only more Runs tell how far evenings differ.

References
----------
A. C. Davison, D. V. Hinkley, Bootstrap Methods and their Application, Cambridge 1997, section 3.8: clusters.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

RESAMPLES = 400
CONFIDENCE = 0.95


class Bounded(NamedTuple):
    """A figure of a Run and the interval that its rounds leave; prints as ``9.3 (9.1 – 9.6)``."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1
        return f"{self.value:,.{digits}f} ({self.low:,.{digits}f} – {self.high:,.{digits}f})"


def over_rounds(
    values: "pd.Series[float]", rounds: "pd.Series[int]", levels: Sequence[float], seed: int = 1
) -> list[Bounded]:
    """Return quantiles with their 95 % intervals.

    Parameters
    ----------
    values, rounds : Series
        A value for each bet, and the bet's round; where `values` has a hole the bet is left out.
    levels : sequence of float
        Which quantiles, in [0, 1].
    seed : int
        Of the resampling.

    Returns
    -------
    list of Bounded
        One for each level; NaN throughout if there are no values.
    """
    known = values.dropna()
    if known.empty:
        return [Bounded(np.nan, np.nan, np.nan) for _ in levels]
    groups = [group.to_numpy() for _, group in known.groupby(rounds.loc[known.index])]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(groups), (RESAMPLES, len(groups)))
    found = [np.quantile(np.concatenate([groups[at] for at in chosen]), levels) for chosen in drawn]
    beside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [beside, 1 - beside], axis=0)
    middle = np.quantile(known.to_numpy(), levels)
    return [Bounded(*map(float, each)) for each in zip(middle, low, high, strict=True)]
