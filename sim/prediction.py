"""Predictions that are made before a campaign runs, and cannot be changed afterwards without its showing.

A prediction replicates the scenario. Each replication takes a member of the ensemble (what parameters might be), the
conditions of a campaign (who else took the cores), a seed (what the players do) and another campaign's effect (how
campaigns differ for no reason that is modelled). The interval is that of the replications, so it is one for the *next*
campaign and not for the mean of many.

The file names the digest of its own content. :func:`load_prediction` refuses one whose content was changed.
"""

import hashlib
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct, structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from sim.ensemble import Ensemble, simulated
from sim.files import read_as
from sim.outcome import latencies_ms
from sim.parameters import LEVELS
from sim.scenario import Campaign, bettors, size_of

REPLICATIONS = 24
CONFIDENCE = 0.9
_INSIDE = 1.05
"""A load that exceeds the largest measured one by no more than this is none that was extrapolated."""


class Interval(Struct, frozen=True):
    """A figure's median and the bounds of its interval."""

    median: float
    low: float
    high: float


class Prediction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign will show.

    Parameters
    ----------
    made : str
        When, as ISO 8601.
    model : str
        Digest of the ensemble.
    campaign : Campaign
        What is predicted.
    figures : dict
        Of :mod:`sim.outcome`, and ``own_cores``.
    latency_ms : tuple of float
        Quantiles of a bet's latency at :data:`sim.parameters.LEVELS`, over all replications.
    extrapolates : tuple of str
        In what the campaign goes beyond all that the model was fitted on.
    confidence, replications : float, int
        Of the intervals.
    digest : str
        SHA-256 of all the rest.
    """

    made: str
    model: str
    campaign: Campaign
    figures: dict[str, Interval]
    latency_ms: tuple[float, ...]
    extrapolates: tuple[str, ...]
    confidence: float
    replications: int
    digest: str = ""

    def sealed(self) -> "Prediction":
        """Return the same with the digest of its content."""
        return structs.replace(self, digest=_digest(structs.replace(self, digest="")))


def predict(
    ensemble: Ensemble,
    campaign: Campaign,
    *,
    replications: int = REPLICATIONS,
    seed: int = 1,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> Prediction:
    """Predict a campaign.

    Parameters
    ----------
    ensemble : Ensemble
        The fitted models.
    campaign : Campaign
        What is to run.
    replications : int
        Simulations, at least 2.
    seed : int
        Of the draws of members, conditions and effects, and the first of the scenarios' seeds.
    tell : callable
        Told how many replications are done, and of how many.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, float]] = []
    latencies = []
    for number in range(replications):
        member, met, other = (int(rng.integers(0, n)) for n in (len(ensemble.members), *[len(ensemble.conditions)] * 2))
        scenario = structs.replace(campaign.scenario, seed=campaign.scenario.seed + 7919 * seed + number)
        found, ops = simulated(scenario, ensemble.members[member], ensemble.conditions[met])
        effect = ensemble.conditions[other].effect
        rows.append({name: value * math.exp(effect.get(name, 0.0)) for name, value in found.items()})
        latencies.append(latencies_ms(ops[ops["kind"] == int(OpKind.BET)]))
        tell(number + 1, replications)
    told = np.concatenate(latencies)
    return Prediction(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model=_digest(ensemble),
        campaign=campaign,
        figures=_intervals(rows),
        latency_ms=tuple(np.quantile(told, LEVELS).round(4).tolist()) if len(told) else (),
        extrapolates=tuple(_beyond(ensemble, campaign, rows)),
        confidence=CONFIDENCE,
        replications=replications,
    ).sealed()


def load_prediction(path: Path) -> Prediction:
    """Read a prediction.

    Raises
    ------
    ConfigError
        If the file is missing, no prediction, or was changed since it was made.
    """
    prediction = read_as(Prediction, path, "prediction of `livetable predict`")
    if prediction.sealed().digest != prediction.digest:
        raise ConfigError(f"{path}: was changed after it was made: its digest {prediction.digest[:12]}… does not fit")
    return prediction


def save_prediction(prediction: Prediction, path: Path) -> None:
    """Write a prediction as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(prediction), indent=1) + b"\n")


def _intervals(rows: list[dict[str, float]]) -> dict[str, Interval]:
    outside = (1.0 - CONFIDENCE) / 2
    found = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows if name in row])
        low, median, high = np.quantile(values, (outside, 0.5, 1.0 - outside)).tolist()
        found[name] = Interval(median, low, high)
    return found


def _beyond(ensemble: Ensemble, campaign: Campaign, rows: list[dict[str, float]]) -> list[str]:
    card, scenario = ensemble.card, campaign.scenario
    players = size_of(bettors(scenario))
    rate = float(np.median([row["accepted_per_s"] for row in rows]))
    found = []
    if players > card.players_max:
        found.append(f"{players} players, fitted on up to {card.players_max}")
    if players < card.players_min:
        found.append(f"{players} players, fitted on {card.players_min} and more")
    if rate > _INSIDE * card.bets_per_s_max:
        found.append(f"{rate:.0f} bets/s, fitted on up to {card.bets_per_s_max:.0f}")
    return found


def _digest(content: Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
