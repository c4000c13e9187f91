"""Predictions beside the campaigns that followed them, and beside how well campaigns agree with each other.

The *repeat floor* of a figure is the distance of one run from the median of the other runs of the same campaign. No
model can be asked for less. Distances are logarithms of ratios; a model's error over many runs is the median of their
sizes, and so is the floor. Whether an interval covers is judged over campaigns, not over bets: the *coverage* of a 90 %
interval is refuted only if 90 % lies outside a bootstrap interval over campaigns.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_S
from reports.compare import kolmogorov_smirnov, wasserstein
from reports.run import Run
from sim.ensemble import logarithms, measured
from sim.outcome import latencies_ms
from sim.parameters import LEVELS
from sim.prediction import Interval, Prediction
from sim.scenario import load_of

Floats = npt.NDArray[np.float64]

TARGETS = {
    "bet_p50_ms": 0.10,
    "bet_p95_ms": 0.15,
    "bet_p99_ms": 0.25,
    "accepted_per_s": 0.05,
    "own_cores": 0.05,
    "writer_busy_cores": 0.05,
}
"""Largest error of held-out loads, as shares."""

RESAMPLES = 2_000
_POINTS = 2_000
"""Points by which a predicted distribution is drawn for its distance from the measured one."""


class Validated(Struct, frozen=True, kw_only=True):
    """One run beside its prediction.

    Parameters
    ----------
    run : str
        Its folder's name.
    foretold : bool
        Whether the prediction was made before the run started.
    measured : dict
        Figures.
    log_ratio, floor : dict
        Logarithm of measured over predicted; and over the median of the other runs, if there are any.
    covered : dict
        Whether the interval has the measured value.
    w1_over_mean, ks : float
        Distances of the latency's distribution.
    """

    run: str
    foretold: bool
    measured: dict[str, float]
    log_ratio: dict[str, float]
    floor: dict[str, float]
    covered: dict[str, bool]
    w1_over_mean: float
    ks: float


class Error(Struct, frozen=True, kw_only=True):
    """How far off a figure was over several runs.

    Parameters
    ----------
    error, low, high : float
        Median size of the error as a share, with a 95 % bootstrap interval over runs.
    bias : float
        Median error with its sign: above 0, more was measured than predicted.
    floor : float or None
        The repeat floor, likewise.
    coverage, coverage_low, coverage_high : float
        Share of the runs within their intervals, with a 95 % bootstrap interval over runs.
    target : float or None
        What was asked for.
    met : bool or None
        Whether the error is within the target or the floor.
    n : int
        Runs.
    """

    error: float
    low: float
    high: float
    bias: float
    floor: float | None
    coverage: float
    coverage_low: float
    coverage_high: float
    target: float | None
    met: bool | None
    n: int


def validate(prediction: Prediction, runs: Sequence[Run]) -> list[Validated]:
    """Hold runs of one campaign against its prediction.

    Raises
    ------
    ConfigError
        If a run is of another scenario; seeds may differ.
    """
    for run in runs:
        _refuse_another(prediction, run)
    figures = [measured(run) for run in runs]
    return [
        _validated(prediction, run, figures[at], [each for place, each in enumerate(figures) if place != at])
        for at, run in enumerate(runs)
    ]


def errors(found: Sequence[Validated], seed: int = 1) -> dict[str, Error]:
    """Return each figure's error over runs, of one campaign or of several."""
    names = sorted({name for each in found for name in each.log_ratio})
    return {name: _error(name, found, seed) for name in names}


def _refuse_another(prediction: Prediction, run: Run) -> None:
    expected = msgspec.json.decode(load_of(prediction.campaign.scenario))
    ran = run.manifest.get("campaign", {}).get("scenario", {}) | {"seed": expected["seed"]}
    for name, value in expected.items():
        if ran.get(name, value) != value:
            raise ConfigError(f"{run.path}: its {name} is {ran[name]}, the prediction's is {value}")


def _validated(prediction: Prediction, run: Run, own: dict[str, float], others: list[dict[str, float]]) -> Validated:
    middle = {name: interval.median for name, interval in prediction.figures.items()}
    typical = {name: float(np.median([each[name] for each in others if name in each] or [0.0])) for name in own}
    latency = np.sort(latencies_ms(run.ops[run.ops["kind"] == int(OpKind.BET)]))
    foreseen = np.interp((np.arange(_POINTS) + 0.5) / _POINTS, LEVELS, prediction.latency_ms)
    return Validated(
        run=run.path.name,
        foretold=_before(prediction, run),
        measured={name: round(value, 5) for name, value in own.items()},
        log_ratio={name: round(value, 4) for name, value in logarithms(own, middle).items()},
        floor={name: round(value, 4) for name, value in logarithms(own, typical).items()} if others else {},
        covered={name: _within(own[name], prediction.figures[name]) for name in own if name in prediction.figures},
        w1_over_mean=round(wasserstein(latency, foreseen) / float(latency.mean()), 4),
        ks=round(kolmogorov_smirnov(latency, foreseen), 4),
    )


def _error(name: str, found: Sequence[Validated], seed: int) -> Error:
    ratios = np.array([each.log_ratio[name] for each in found if name in each.log_ratio])
    floors = np.array([each.floor[name] for each in found if name in each.floor])
    covered = np.array([each.covered[name] for each in found if name in each.covered], dtype=np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(share(ratios)[drawn], axis=1), (0.025, 0.975)).tolist()
    c_low, c_high = np.quantile(covered[rng.integers(0, len(covered), (RESAMPLES, len(covered)))].mean(axis=1),
                                (0.025, 0.975)).tolist()  # fmt: skip
    error, target = float(np.median(share(ratios))), TARGETS.get(name)
    floor = float(np.median(share(floors))) if len(floors) else None
    return Error(
        error=round(error, 4), low=round(low, 4), high=round(high, 4),
        bias=round(float(np.expm1(np.median(ratios))), 4), floor=None if floor is None else round(floor, 4),
        coverage=round(float(covered.mean()), 4), coverage_low=round(c_low, 4), coverage_high=round(c_high, 4),
        target=target, met=None if target is None else error <= max(target, floor or 0.0), n=len(ratios),
    )  # fmt: skip


def share(log_ratios: Floats) -> Floats:
    """Return sizes of errors as shares: of the ratio or of its inverse, whichever is above 1."""
    found: Floats = np.expm1(np.abs(log_ratios))
    return found


def _within(value: float, interval: Interval) -> bool:
    return interval.low <= value <= interval.high


def _before(prediction: Prediction, run: Run) -> bool:
    made_ns = datetime.fromisoformat(prediction.made).timestamp() * NS_PER_S
    return made_ns < int(run.manifest.get("started_unix_ns", 0))
