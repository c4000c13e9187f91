"""What grows while it should not: the slope of each process's memory, descriptors and files, with its interval.

Theory
------
A process that starts again starts at its own level, so each life (a process id) has its own intercept, and all lives of
a process share one slope: least squares on times and values less their life's means. The beginning of a life is left
out, since caches and pools fill then. Samples a few seconds apart say the same thing again and again; so the residuals'
correlation from one to the next, r, leaves n (1 - r) / (1 + r) of them, and the interval is Student's with as many
degrees of freedom less the lives and the slope. A *leak* is a slope whose whole interval lies above the limit: a figure
is therefore the interval's lower end, in other words what it grows by at least.

Files are what a process keeps in the stack's folder: for PostgreSQL its whole cluster, so the ledger too, and for NATS
its streams up to their limit; for others their log. What may grow with the bets is a budget that the campaign states.

References
----------
G. E. P. Box, G. M. Jenkins, G. C. Reinsel, Time Series Analysis, 4th ed., section 2.1.5 (variance of a mean of
correlated observations, here for lag 1).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.units import KIB, NS_PER_S
from reports.run import Run
from reports.student import t_quantile

MIB: Final = KIB * KIB
WARM_S: Final = 60.0
"""The beginning of a process's life, in which caches fill."""
SEEN_S_MIN: Final = 120.0
"""Less than this, all lives together and their beginnings left out, tells nothing."""
CONFIDENCE: Final = 0.95
S_PER_H: Final = 3600.0
CORRELATION_MAX: Final = 0.99
GROWING: Final = {"memory": ("memory_bytes", MIB, "MiB/h"), "descriptors": ("descriptors", 1, "/h"),
                  "disk": ("disk_bytes", MIB, "MiB/h")}  # fmt: skip
"""What may grow: column, what one is, unit of the slope."""

Values = npt.NDArray[np.float64]


class Growth(NamedTuple):
    """How fast something of a process grows, an hour; `low` to `high` covers the slope with 95 % confidence."""

    node: str
    what: str
    per_h: float
    low: float
    high: float
    unit: str
    lives: int
    seen_s: float
    n: int

    def __str__(self) -> str:
        return f"{self.node} {self.what} {self.per_h:+,.3g} {self.unit} ({self.low:+,.3g} to {self.high:+,.3g})"


def growths(run: Run) -> list[Growth]:
    """Return how fast each process's memory, descriptors and files grew, where it was seen for long enough."""
    start_ns, end_ns = run.manifest["load_start_ns"], run.manifest["load_end_ns"]
    rows = run.resources
    rows = rows[rows["t_ns"].between(start_ns, end_ns)]
    found = (growth(own, str(node), what) for node, own in rows.groupby("node") for what in GROWING)
    return [one for one in found if one is not None]


def growth(rows: pd.DataFrame, node: str, what: str) -> Growth | None:
    """Return how fast one thing of one process grew over its lives; None if it was seen for too short."""
    column, one, unit = GROWING[what]
    seconds = (rows["t_ns"].to_numpy() - rows["t_ns"].min()) / NS_PER_S
    lives = [(seconds[there], rows[column].to_numpy()[there] / one) for there in _lives(rows, seconds)]
    seen_s = sum(float(np.ptp(at_s)) for at_s, _ in lives)
    if seen_s < SEEN_S_MIN:
        return None
    at_h = np.concatenate([at_s - at_s.mean() for at_s, _ in lives]) / S_PER_H
    value = np.concatenate([own - own.mean() for _, own in lives])
    spread = float(at_h @ at_h)
    slope = float(at_h @ value) / spread
    residual = value - slope * at_h
    independent = len(residual) * (1 - _correlation(residual)) / (1 + _correlation(residual))
    freedom = max(independent - len(lives) - 1, 1.0)
    error = np.sqrt(float(residual @ residual) / freedom / spread * len(residual) / max(independent, 1.0))
    half = float(t_quantile((1 + CONFIDENCE) / 2, int(freedom)) * error)
    return Growth(node, what, slope, slope - half, slope + half, unit, len(lives), seen_s, len(residual))


def _lives(rows: pd.DataFrame, seconds: Values) -> list[npt.NDArray[np.bool_]]:
    """Return where each life's samples are, its beginning left out, in order of time."""
    pid = rows["pid"].to_numpy()
    masks = []
    for one in dict.fromkeys(pid):
        own = pid == one
        masks.append(own & (seconds >= seconds[own].min() + WARM_S))
    return [mask for mask in masks if mask.sum() > 1]


def _correlation(residual: Values) -> float:
    """Return the correlation of each residual with the next one; none below 0, and never quite 1."""
    power = float(residual @ residual)
    if not power:
        return 0.0
    return float(np.clip(residual[1:] @ residual[:-1] / power, 0.0, CORRELATION_MAX))
