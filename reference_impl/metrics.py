"""Metrics in the text format that Prometheus reads.

Nothing is counted twice: a family's samples are asked for when somebody scrapes, from figures that the process keeps
anyway. Labels take values from fixed sets only (an answer's reason, a stage, a shard), never from players, rounds or
ids, so that the number of series is known beforehand.

References
----------
Prometheus, "Exposition formats", text format 0.0.4, and "Metric and label naming": base units, ``_total`` on counters.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One series: what its name ends with beyond the family's, its labels, its value."""

    value: float
    labels: Labels = ()
    suffix: str = ""


class Family(NamedTuple):
    """Series of one name; ``kind`` is ``counter``, ``gauge`` or ``histogram``, ``meaning`` one line."""

    name: str
    kind: str
    meaning: str
    samples: Sequence[Sample]


def one(name: str, kind: str, meaning: str, value: float) -> Family:
    """Return a family of a single series without labels."""
    return Family(name, kind, meaning, (Sample(value),))


class Histogram:
    """Counts of values up to each of some bounds.

    Parameters
    ----------
    bounds : sequence of float
        Inclusive upper bounds, rising, in the base unit; one beyond all of them is implied.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.asarray(bounds, dtype=np.float64)
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, values: npt.NDArray[np.float64]) -> None:
        """Count values."""
        self._counts += np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        self._sum += float(values.sum())

    def samples(self, labels: Labels = ()) -> list[Sample]:
        """Return the series of a histogram."""
        upto = np.cumsum(self._counts).tolist()
        texts = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        buckets = [Sample(n, (*labels, ("le", text)), "_bucket") for text, n in zip(texts, upto, strict=True)]
        return [*buckets, Sample(self._sum, labels, "_sum"), Sample(upto[-1], labels, "_count")]


def exposition(families: Iterable[Family]) -> bytes:
    """Return what a scrape is answered with."""
    lines: list[str] = []
    for family in families:
        lines += (f"# HELP {family.name} {family.meaning}", f"# TYPE {family.name} {family.kind}")
        lines += (f"{family.name}{s.suffix}{_braced(s.labels)} {_number(s.value)}" for s in family.samples)
    return ("\n".join(lines) + "\n").encode()


def _braced(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
