"""Rendition choice by the literature: BOLA-E, a rule after LoL+, and the QoE by which LoL+ judges all of them.

They stand beside the rule that viewers use (:mod:`reference_impl.domain.abr`) so that each can be tried on the same
links. Bit rates are ascending; buffers, latencies and durations are in seconds. State is passed in and returned.

References
----------
K. Spiteri, R. Urgaonkar, R. Sitaraman, "BOLA: Near-Optimal Bitrate Adaptation for Online Videos", IEEE/ACM ToN 28(4),
2020; K. Spiteri, R. Sitaraman, D. Sparacio, "From Theory to Practice", ACM TOMM 15(2s), 2019: BOLA-E.
A. Bentaleb et al., "Catching the Moment with LoL+ in Twitch-Like Low-Latency Live Streaming Platforms", IEEE TMM 24,
2022: the map, its features and the QoE. The weights tried here are a fixed set, an **assumption**.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LATENCY_GOOD_S = 1.1
LEARNING_RATE = 0.01
NEIGHBOUR_SIGMA = 0.1
WEIGHTS = tuple(itertools.product((0.2, 0.6, 1.0), repeat=4))
"""Weights of throughput, latency, rebuffering and switching that are tried at each choice."""

Floats = npt.NDArray[np.float64]


class SegmentSeen(NamedTuple):
    """What a viewer saw of one segment: bit/s now and before, seconds of stall and of latency, speed of playback."""

    bitrate_bps: float
    before_bps: float
    stalled_s: float
    latency_s: float
    rate: float


def qoe(seen: SegmentSeen, segment_s: float, bitrate_bps_min: float, bitrate_bps_max: float) -> float:
    """Return LoL+'s quality of experience of a segment, in Mbit: rate less switching, stalls, latency and speed."""
    lateness = 0.05 * bitrate_bps_min if seen.latency_s <= LATENCY_GOOD_S else 0.1 * bitrate_bps_max
    value = (
        segment_s * seen.bitrate_bps
        - abs(seen.bitrate_bps - seen.before_bps)
        - bitrate_bps_max * seen.stalled_s
        - lateness * seen.latency_s
        - bitrate_bps_min * abs(1.0 - seen.rate)
    )
    return value / 1e6


def bola_choose(
    bitrates_bps: Sequence[float], current: int, estimate_bps: float, buffer_s: float, least_s: float, target_s: float
) -> int:
    """Return BOLA-E's rendition.

    Parameters
    ----------
    bitrates_bps : sequence of float, shape (n,)
        Ascending.
    current : int
        What plays now.
    estimate_bps : float
        Throughput; it caps steps up, so that the choice does not swing (BOLA-O).
    buffer_s : float
        Media ahead of the playhead.
    least_s, target_s : float
        BOLA's two buffers: with less than the first only the lowest rendition is safe, at the second the highest is
        chosen. `target_s` is the larger one.
    """
    utilities = [math.log(rate / bitrates_bps[0]) + 1.0 for rate in bitrates_bps]
    if len(bitrates_bps) == 1 or utilities[-1] == utilities[0]:
        return 0
    gamma = (utilities[-1] - 1.0) / (target_s / least_s - 1.0)
    weight = least_s / gamma
    scores = [
        (weight * (utility + gamma - 1.0) - buffer_s) / rate
        for utility, rate in zip(utilities, bitrates_bps, strict=True)
    ]
    best = max(range(len(scores)), key=scores.__getitem__)
    if best > current:
        sustained = max((index for index, rate in enumerate(bitrates_bps) if rate <= estimate_bps), default=0)
        best = min(best, max(current, sustained))
    return best


def lolp_begin(bitrates_bps: Sequence[float]) -> Floats:
    """Return the map before the first choice: a neuron a rendition, shape ``(n, 4)``."""
    neurons = np.zeros((len(bitrates_bps), 4))
    neurons[:, 0] = np.asarray(bitrates_bps) / np.linalg.norm(bitrates_bps)
    return neurons


def lolp_choose(
    neurons: Floats,
    bitrates_bps: Sequence[float],
    seen: SegmentSeen,
    current: int,
    estimate_bps: float,
    buffer_s: float,
    segment_s: float,
) -> tuple[int, Floats]:
    """Return the rendition whose neuron is nearest to the ideal, and the map that has learnt from what was seen.

    For each set of weights the nearest neuron is a candidate; of the candidates that the link carries, the one with the
    best predicted QoE is taken, or the lowest rendition if there is none.
    """
    rates = np.asarray(bitrates_bps)
    norm = float(np.linalg.norm(rates))
    switch = abs(seen.bitrate_bps - seen.before_bps) / norm
    observed = np.array([min(estimate_bps / norm, 1.0), seen.latency_s, seen.stalled_s, switch])
    learnt = _learn(neurons, observed, current)
    ideal = np.array([min(estimate_bps / norm, 1.0), 0.0, 0.0, 0.0])
    # parts come as they are made: what falls behind is only the excess over the link
    behind_s = np.maximum(segment_s * (rates / max(estimate_bps, 1.0) - 1.0), 0.0)
    stall_s = np.maximum(behind_s - buffer_s, 0.0)
    predicted = np.column_stack(
        [learnt[:, 0], learnt[:, 1], learnt[:, 2] + stall_s, np.abs(rates - rates[current]) / norm]
    )
    distances = np.sqrt(np.asarray(WEIGHTS) @ ((predicted - ideal) ** 2).T)
    best, value = 0, -math.inf
    for index in sorted(set(distances.argmin(axis=1).tolist())):
        if behind_s[index] > 0.0:
            continue
        guess = SegmentSeen(rates[index], rates[current], 0.0, seen.latency_s, seen.rate)
        promise = qoe(guess, segment_s, rates[0], rates[-1])
        if promise > value:
            best, value = index, promise
    return best, learnt


def _learn(neurons: Floats, observed: Floats, winner: int) -> Floats:
    away = np.linalg.norm(neurons[:, :1] - neurons[winner, :1], axis=1)
    pull = LEARNING_RATE * np.exp(-(away**2) / (2 * NEIGHBOUR_SIGMA**2))
    learnt: Floats = neurons + pull[:, None] * (observed - neurons)
    learnt[:, 0] = neurons[:, 0]
    return learnt
