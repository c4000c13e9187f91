"""What a player bets in a round: whether, how often, when, on what, and how much.

A plan is a pure function of seed, player and round, so that the load generator and the simulation place the same bets.
Scalar rules take plain numbers and are compiled by :mod:`sim.kernels`.
"""

from typing import NamedTuple

from reference_impl.domain.bets import bet_offset_s
from reference_impl.domain.game_round import timing_at
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.random_streams import Stream, uniform
from sim.scenario import Scenario

DRAWS_PER_ROUND = 64
"""Counters that a round reserves in each of a player's streams; more than the most bets of a round."""

PARTICIPATE = int(Stream.PARTICIPATE)
COUNT = int(Stream.COUNT)
PICK = int(Stream.PICK)
PLACE = int(Stream.PLACE)
SELECTION = int(Stream.SELECTION)
STAKE = int(Stream.STAKE)


class PlannedBet(NamedTuple):
    """A bet that a player means to place: when after opening, on which spot, for how much."""

    offset_ns: int
    selection: int
    amount_minor: int


def bets_count(seed: int, player: int, round_no: int, participation: float, mean: float) -> int:
    """Return how many bets a player places in a round: 0, or the mean's whole part and perhaps one more."""
    k = round_no * DRAWS_PER_ROUND
    if uniform(seed, PARTICIPATE, player, k) >= participation:
        return 0
    whole = int(mean)
    return whole + (1 if uniform(seed, COUNT, player, k) < mean - whole else 0)


def stake_minor(u: float, stake_minor_min: int, stake_minor_max: int) -> int:
    """Return a stake: uniform over the whole multiples of the smallest, up to the largest."""
    steps = max(stake_minor_max // stake_minor_min, 1)
    return stake_minor_min * (1 + int(u * steps))


def planned_bet(
    seed: int,
    player: int,
    k: int,
    window_s: float,
    repeat_share: float,
    late_share: float,
    repeat_mean_s: float,
    late_mean_s: float,
    stake_minor_min: int,
    stake_minor_max: int,
    n_selections: int,
) -> tuple[int, int, int]:
    """Return offset (ns after opening, inside the window), selection and stake of one bet."""
    offset_s = bet_offset_s(
        uniform(seed, PICK, player, k), uniform(seed, PLACE, player, k),
        window_s, repeat_share, late_share, repeat_mean_s, late_mean_s,
    )  # fmt: skip
    offset_ns = min(int(offset_s * NS_PER_S), int(window_s * NS_PER_S) - 1)
    selection = int(uniform(seed, SELECTION, player, k) * n_selections)
    return offset_ns, selection, stake_minor(uniform(seed, STAKE, player, k), stake_minor_min, stake_minor_max)


def rule_arguments(scenario: Scenario, table: int) -> tuple[float, float, float, float, float, int, int, int]:
    """Return the scenario's part of :func:`planned_bet`'s arguments at a table, in order."""
    betting = scenario.betting
    return (
        timing_at(scenario.timing, scenario.timings, table).window_ms * NS_PER_MS / NS_PER_S,
        betting.timing.repeat_share,
        betting.timing.late_share,
        betting.timing.repeat_mean_s,
        betting.timing.late_mean_s,
        betting.stake_minor_min,
        betting.stake_minor_max,
        len(game_at(scenario.games, table).spots),
    )


def planned_bets(scenario: Scenario, player: int, table: int, round_no: int) -> list[PlannedBet]:
    """Return what a player bets in the `round_no`-th round of a table, in the order of time."""
    betting = scenario.betting
    count = bets_count(scenario.seed, player, round_no, betting.participation, betting.bets_per_round_mean)
    first = round_no * DRAWS_PER_ROUND
    rules = rule_arguments(scenario, table)
    return sorted(PlannedBet(*planned_bet(scenario.seed, player, first + j, *rules)) for j in range(count))
