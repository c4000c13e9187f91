"""What a bench says: one line of JSON, in which a ratio above 1 means that ours is better."""

from statistics import median
from typing import Any

from msgspec import Struct


class BenchResult(Struct, frozen=True, kw_only=True):
    """A bench's figures.

    Parameters
    ----------
    name, unit : str
        What was measured, and in what.
    ours, peer : float
        The two statistics; ``peer_name`` says whose the second is.
    ratio : float
        How much better ours is.
    n : int
        Samples of ours behind the statistic.
    spread : float
        Range of the repetitions' ratios over their median.
    detail : dict
        Everything else.
    """

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    n: int
    spread: float
    detail: dict[str, Any]


def spread_of(ratios: list[float]) -> float:
    """Return the range of some ratios over their median."""
    return (max(ratios) - min(ratios)) / median(ratios)
