"""What every bench says, and how repeated legs become one number."""

import importlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from loadtest.progress import Progress
from reference_impl.domain.errors import ConfigError
from reports.publishing import Recipe

NAMES = (
    "wallet", "settle", "growth", "betpath", "broadcast", "stream", "link", "edge", "quality", "checks", "loadgen",
    "sim", "balance", "pressure",
)  # fmt: skip
REPORTS = {"wallet": "loadtest.bench.wallet_report", "balance": "loadtest.bench.balance"}
"""Benches with a page to publish, and the module whose `REPORT` makes it."""

LEGS_MIN = 5
"""Alternating legs below which a spread says nothing."""


class Result(msgspec.Struct, frozen=True):
    """The result of a bench; a ratio above 1 means that ours is better.

    ``spread`` is the range of the ratio over the alternating legs, relative to its median.
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

    def told(self) -> str:
        """Return it for people: the ratio, and below it what else was seen."""
        first = (
            f"{self.name}: ours {self.ours:,} {self.unit}, {self.peer_name} {self.peer:,};"
            f" ratio {self.ratio} (n = {self.n}, spread {self.spread:.0%})"
        )
        return "\n".join([first, *_lines(self.detail, "  ")])


def summarise(
    name: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, detail: dict[str, Any],
    *, lower_is_better: bool = False,
) -> Result:  # fmt: skip
    """Return medians over alternating legs, and the median of each pair's ratio."""
    ratios = [p / o if lower_is_better else o / p for o, p in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    return Result(
        name, unit, round(statistics.median(ours), 4), round(statistics.median(peer), 4), peer_name, round(ratio, 2),
        len(ratios), round((max(ratios) - min(ratios)) / ratio, 3), detail,
    )  # fmt: skip


def _lines(detail: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield a line for each value, for each mapping of plain ones, and for each row of a list."""
    for name, value in detail.items():
        rows = {str(place): row for place, row in enumerate(value, 1)} if _has_parts(value) else value
        if isinstance(rows, Mapping) and any(isinstance(one, Mapping | list) for one in rows.values()):
            yield f"{indent}{name}:"
            yield from _lines(rows, indent + "  ")
        else:
            yield f"{indent}{name}: {_in_words(rows)}"


def _has_parts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    return "not known" if value is None else str(value)


def percentile(values: Sequence[float], q: float) -> float:
    """Return the smallest value that a share `q` of the values does not exceed."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 3)


async def measure(name: str, n: int, progress: Progress) -> Result:
    """Run a bench.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no bench {name!r}; there are {', '.join(NAMES)}")
    result: Result = await importlib.import_module(f"loadtest.bench.{name}").measure(n, progress)
    return result


def recipe_of(name: str) -> Recipe[Result]:
    """Return how a bench's report is made.

    Raises
    ------
    ConfigError
        If it has none.
    """
    if name not in REPORTS:
        raise ConfigError(f"--out: bench {name!r} has no page to publish; there are {', '.join(REPORTS)}")
    recipe: Recipe[Result] = importlib.import_module(REPORTS[name]).REPORT
    return recipe
