"""Several Runs side by side: which of them count, what they have in common, and one number of each.

A Run whose load generator was unfit, or which nobody could judge, is left out: its latencies tell of something else.
What would make a comparison unfair is said in warnings: other configurations, hosts or programs, runs that overlapped.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.errors import ConfigError
from reports.judgement import judge, read_summary
from reports.limits import Figure, parse_figure
from reports.measures import measure
from reports.run import Run, open_run

Values = npt.NDArray[np.float64]

DEFAULT_FIGURES: Final = ("bet.p50_ms", "bet.p95_ms", "bet.p99_ms", "bet.ok_share", "video.latency_p95_ms")
"""What is compared unless figures are named. The fewer, the smaller the difference that can be shown."""

SHARE_EFFECT_MIN: Final = 0.005
"""The least difference of shares that matters, in absolute terms: half a percent of all bets."""

_NOT_COUNTED: Final = ("invalid", "error")
_OF_NO_EFFECT: Final = ("name", "description", "slo", "health", "skippable", "simulate", "scenario.seed", "expect")


class Cohort(NamedTuple):
    """Runs that count, in order of time, and what is to be said about those that do not and about their differences."""

    runs: list[Run]
    warnings: list[str]


def open_cohort(paths: Iterable[Path], name: str = "the runs") -> Cohort:
    """Open runs and leave out those that are invalid.

    Raises
    ------
    ConfigError
        If a folder is no Run or is named twice.
    """
    runs: list[Run] = []
    warnings = []
    for path in paths:
        run = open_run(path)
        if any(run.path == other.path for other in runs):
            raise ConfigError(f"{path} is named twice")
        runs.append(run)
    verdicts = [verdict_of(run) for run in runs]
    left_out = [run.path.name for run, verdict in zip(runs, verdicts, strict=True) if verdict in _NOT_COUNTED]
    if left_out:
        warnings.append(f"{len(left_out)} of {name} left out, since nobody can judge them: {', '.join(left_out)}")
    kept = [run for run, verdict in zip(runs, verdicts, strict=True) if verdict not in _NOT_COUNTED]
    kept.sort(key=lambda run: run.manifest["started_unix_ns"])
    return Cohort(kept, [*warnings, *_differences(kept, name)])


def verdict_of(run: Run) -> str:
    """Return a Run's verdict; it is judged if nobody did so far."""
    try:
        return str(read_summary(run)["verdict"])
    except ConfigError:
        return judge(run).verdict


def figures_of(texts: Sequence[str]) -> list[Figure]:
    """Return the figures that are named, the default ones if none are."""
    return [parse_figure(text) for text in texts or DEFAULT_FIGURES]


def values_of(runs: Sequence[Run], figures: Sequence[Figure]) -> Values:
    """Return a row for each run and a column for each figure, NaN where nothing was measured."""
    rows = [[measure(run, figure).value for figure in figures] for run in runs]
    return np.array(rows, dtype=np.float64).reshape(len(runs), len(figures))


def by_ratio(figure: Figure, values: Values) -> bool:
    """Tell whether a figure is compared by ratios: durations and rates, which never are 0."""
    return bool(figure.unit) and bool((values > 0).all())


def effect_min(figure: Figure, baseline: float, share: float) -> float:
    """Return the least difference that matters, in the figure's own unit."""
    return SHARE_EFFECT_MIN if figure.name.endswith("_share") else share * abs(baseline)


def across(first: Sequence[Run], second: Sequence[Run], names: tuple[str, str]) -> list[str]:
    """Return what makes two groups of runs differ beyond what is to be compared."""
    if not first or not second:
        return []
    ours, theirs = (_configuration(side[0].manifest["campaign"]) for side in (first, second))
    changed = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    said = [
        f"{names[0]} and {names[1]} differ in {key}: {ours.get(key, 'nothing')} and {theirs.get(key, 'nothing')}"
        for key in changed
    ]
    said += [
        f"{names[0]} and {names[1]} ran on different hosts: {a} and {b}"
        for a, b in [(_host(first[0]), _host(second[0]))]
        if a != b
    ]
    return [*said, *_order(first, second, names)]


def _order(first: Sequence[Run], second: Sequence[Run], names: tuple[str, str]) -> Iterator[str]:
    runs = sorted([(r, 0) for r in first] + [(r, 1) for r in second], key=lambda pair: _span(pair[0])[0])
    if any(run.manifest["kind"] == "simulated" for run, _ in runs):
        return  # invented time does not drift
    stretch = longest = 1
    for (_, side), (_, other) in itertools.pairwise(runs):
        stretch = stretch + 1 if side == other else 1
        longest = max(longest, stretch)
    if longest > 2 and len(runs) > 3:
        yield (
            f"{names[0]} and {names[1]} were not interleaved ({longest} runs of one kind in a row): what the machine "
            "did meanwhile is part of the difference; campaign ab runs them in turn"
        )
    overlaps = [(a, b) for (a, _), (b, _) in itertools.pairwise(runs) if _span(a)[1] > _span(b)[0]]
    for a, b in overlaps[:1]:
        yield f"runs were under way at the same time: {a.path.name} and {b.path.name}"


def _span(run: Run) -> tuple[int, int]:
    begin = run.manifest["started_unix_ns"]
    return begin, begin + run.manifest["load_end_ns"] - run.manifest["load_start_ns"]


def _differences(runs: Sequence[Run], name: str) -> Iterator[str]:
    """Say in what runs differ that should be alike."""
    configurations = [_configuration(run.manifest["campaign"]) for run in runs]
    keys = sorted(set().union(*configurations)) if configurations else []
    for key in keys:
        found = sorted({str(configuration.get(key, "nothing")) for configuration in configurations})
        if len(found) > 1:
            yield f"{name} differ in {key}: {', '.join(found)}"
    for what, of in (("hosts", _host), ("programs", _program), ("kinds", _kind)):
        found = sorted({of(run) for run in runs})
        if len(found) > 1:
            yield f"{name} are of different {what}: {', '.join(found)}"


def _configuration(campaign: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a campaign as flat keys, without those that change nothing that happens."""
    flat: dict[str, Any] = {}
    for key, value in campaign.items():
        name = f"{prefix}{key}"
        if name in _OF_NO_EFFECT:
            continue
        flat.update(_configuration(value, f"{name}.") if isinstance(value, Mapping) else {name: value})
    return flat


def _host(run: Run) -> str:
    host = run.manifest["host"]
    return f"{host['name']} ({host['cpus']} × {host['cpu_model']}, {host['kernel']})"


def _program(run: Run) -> str:
    return str(run.manifest["commit"])[:12] or "without a commit"


def _kind(run: Run) -> str:
    return str(run.manifest["kind"])
