"""What `calibrate`, `predict`, `validate` and `accuracy` print, draw and publish."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from loadtest.config import load_campaign
from loadtest.series import series_of
from loadtest.simulation import varied_field
from reference_impl.domain.errors import ConfigError
from reports.canvas import stand_alone
from reports.publishing import Recipe, Report, kept
from sim.accuracy_plots import plot_accuracy, plot_residuals
from sim.ensemble import Ensemble
from sim.hold_out import Accuracy
from sim.outcome import TOLD
from sim.prediction import Prediction
from sim.scenario import Campaign
from sim.validation import TARGETS, Error, Validated, errors, share

FIGURE = "accuracy.svg"
_AGREES = 0.25
"""Largest change of a published error, as a share of it and one percentage point, that is no disagreement."""


def varied_campaign(file: Path, vary: str | None) -> Campaign:
    """Return a campaign file's campaign, with one field of its scenario replaced."""
    campaign = load_campaign(file)
    if vary is None:
        return campaign
    field, values = varied_field(vary)
    if len(values) != 1:
        raise ConfigError(f"--vary {vary!r}: a prediction is of one load, so give one value")
    [member] = series_of(campaign, field, values, 1, 0)
    return msgspec.structs.replace(member.campaign, name=campaign.name)


def card_text(fitted: Ensemble) -> str:
    """Return a model's card for a terminal."""
    card = fitted.card
    lines = [
        f"fitted on {len(card.fitted_on)} runs, {card.bets:,} bets; {len(fitted.members)} members",
        f"valid for {card.players_min:,} to {card.players_max:,} players, up to {card.bets_per_s_max:,.0f} bets/s",
        f"levels of contention up to {card.pressure_max:.2f} cores",
        _costs(fitted),
        "left over, measured / simulated under a run's own conditions: median (middle half)",
    ]
    for name, values in card.residuals.items():
        if name in TOLD and name in TARGETS:
            low, middle, high = np.exp(np.quantile(values, (0.25, 0.5, 0.75))).tolist()
            lines.append(f"  {TOLD[name]:<24} {middle:5.2f} ({low:.2f} to {high:.2f})")
    return "\n".join(lines)


def _costs(fitted: Ensemble) -> str:
    cores = fitted.members[0].host.cores
    if cores is None:
        return "no cores: contention is not modelled"
    return (
        f"CPU: a bet {cores.bet_ns / 1e3:.0f} us, a call {cores.call_ns / 1e3:.0f} us, a push "
        f"{cores.push_ns / 1e3:.0f} us, a log-in {cores.login_ns / 1e6:.1f} ms, at rest {cores.base:.2f} cores"
    )


def write_card(fitted: Ensemble, model: Path) -> Path:
    """Write the figure of a model's card beside it; return where."""
    path = model.with_suffix(".svg")
    path.write_text(plot_residuals(fitted.card), encoding="utf-8")
    return path


def prediction_text(prediction: Prediction) -> str:
    """Return a prediction for a terminal."""
    rows = [
        f"{TOLD[name]:<24} {interval.median:10,.3f}  ({interval.low:,.3f} to {interval.high:,.3f})"
        for name, interval in ((name, prediction.figures[name]) for name in TOLD if name in prediction.figures)
    ]
    title = f"{prediction.campaign.name}: median and {prediction.confidence:.0%} interval of the next run"
    return "\n".join([title, *rows, *(f"extrapolation: {why}" for why in prediction.extrapolates)])


def validation_text(prediction: Prediction, found: list[Validated]) -> str:
    """Return a prediction beside its runs for a terminal."""
    held = errors(found)
    late = [each.run for each in found if not each.foretold]
    lines = [
        f"{'':<24} {'predicted':>12} {'measured':>12} {'error':>7} {'floor':>7} {'covered':>8}",
        *(_line(name, prediction, found, held[name]) for name in TOLD if name in held),
        (
            f"distribution: W1/mean {np.median([each.w1_over_mean for each in found]):.3f}, "
            f"KS {np.median([each.ks for each in found]):.3f} (medians of {len(found)} runs)"
        ),
        *(f"extrapolation: {why}" for why in prediction.extrapolates),
    ]
    if late:
        lines.append(f"made after {len(late)} of {len(found)} runs had started: of these it is no prediction")
    return "\n".join(lines)


def _line(name: str, prediction: Prediction, found: list[Validated], error: Error) -> str:
    seen = float(np.median([each.measured[name] for each in found if name in each.measured]))
    floor = "" if error.floor is None else f"{error.floor:.0%}"
    expected = prediction.figures[name].median
    return f"{TOLD[name]:<24} {expected:12,.3f} {seen:12,.3f} {error.error:7.0%} {floor:>7} {error.coverage:8.0%}"


def report_of(found: Accuracy) -> Report:
    """Return the report of loads that were predicted from the others."""
    figures = {FIGURE: stand_alone(plot_accuracy(found).svg)}
    return Report(tables=accuracy_tables(found), figures=figures, opening="# Accuracy")


def differences(published: Accuracy, found: Accuracy) -> Iterable[str]:
    """Return which errors are others than published, a line each."""
    for part in ("below", "top"):
        known, now = getattr(published, part), getattr(found, part)
        for name in TARGETS:
            was, found_now = known[name].error, now[name].error
            if not math.isclose(was, found_now, rel_tol=_AGREES, abs_tol=0.01):
                yield f"{part} {name} is {found_now:.3f}, published is {was:.3f}"


REPORT: Final = Recipe(file="accuracy.json", content=Accuracy, report_of=report_of, differences=differences)


def accuracy_tables(found: Accuracy) -> str:
    """Return the tables of a published report, as Markdown."""
    parts = ["**Below the top load**, each predicted from all other loads:", _errors_table(found, "below"), ""]
    parts += ["**The top load**, an extrapolation:", _errors_table(found, "top"), ""]
    parts += ["**Load by load**: predicted (90 % interval) · measured (median)", _loads_table(found)]
    return "\n".join(parts)


def _errors_table(found: Accuracy, part: str) -> str:
    rows = [
        (
            "| figure | error (95 % interval) | repeat floor | target | met | covered by 90 % intervals | others given "
            "| contention ignored |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    known: dict[str, Error] = getattr(found, part)
    side = [held for held in found.loads if held.top == (part == "top")]
    for name in (name for name in TOLD if name in known):
        error = known[name]
        given, ignored = (
            _middle([row[name] for held in side for row in getattr(held, kind) if name in row])
            for kind in ("given", "ignored")
        )
        target = "" if error.target is None else f"{error.target:.0%}"
        met = "" if error.met is None else kept(error.met)
        floor = "" if error.floor is None else f"{error.floor:.0%}"
        rows.append(
            f"| {TOLD[name]} | {error.error:.0%} ({error.low:.0%} to {error.high:.0%}) | {floor} | {target} | {met} | "
            f"{error.coverage:.0%} ({error.coverage_low:.0%} to {error.coverage_high:.0%}), n = {error.n} | "
            f"{given} | {ignored} |"
        )
    return "\n".join(rows)


def _middle(ratios: list[float]) -> str:
    return f"{np.median(share(np.array(ratios))):.0%}" if ratios else ""


def _loads_table(found: Accuracy) -> str:
    names = ("bet_p50_ms", "bet_p95_ms", "bet_p99_ms", "accepted_per_s", "own_cores")
    rows = [f"| players | runs | {' | '.join(TOLD[name] for name in names)} | W1/mean | KS |", "|---|---|" + "---|" * 7]
    for held in found.loads:
        cells = []
        for name in names:
            interval = held.predicted[name]
            seen = np.median([run.measured[name] for run in held.runs])
            cells.append(f"{_short(interval.median)} ({_short(interval.low)}–{_short(interval.high)}) · {_short(seen)}")
        w1, ks = (np.median([getattr(run, key) for run in held.runs]) for key in ("w1_over_mean", "ks"))
        rows.append(f"| {held.players} | {len(held.runs)} | {' | '.join(cells)} | {w1:.2f} | {ks:.2f} |")
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
