"""What a player bets in a round: whether, how often, when, on what, and how much.

A plan is a pure function of seed, player and round, so that the load generator and the simulation place the same bets.
Scalar rules take plain numbers and are compiled by :mod:`sim.kernels`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reference_impl.domain.bets import bet_offset_s
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.games.game import Game
from reference_impl.domain.games.roulette import ROULETTE, SPOT_CODE
from reference_impl.domain.round_timing import timing_at
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.random_streams import Stream, uniform
from sim.scenario import Betting, Scenario

Codes = npt.NDArray[np.int64]

DRAWS_PER_ROUND = 64
"""Counters that a round reserves in each of a player's streams; more than the most bets of a round."""

PARTICIPATE = int(Stream.PARTICIPATE)
COVER: Codes = np.array([SPOT_CODE[name] for name in ("red", "black", "straight:0")], dtype=np.int64)
"""Spots that cover the roulette layout, each number once: whatever falls, one of them wins."""

CLICK_NS_MAX = NS_PER_S
"""A bet that was clicked in time is sent up to so long afterwards, even if its window has closed meanwhile."""

_NOTHING: Codes = COVER[:0]

COUNT = int(Stream.COUNT)
PICK = int(Stream.PICK)
PLACE = int(Stream.PLACE)
SELECTION = int(Stream.SELECTION)
STAKE = int(Stream.STAKE)
THINK = int(Stream.THINK)


class PlannedBet(NamedTuple):
    """A bet that a player means to place: when after opening, on which spot, for how much."""

    offset_ns: int
    selection: int
    amount_minor: int


def bets_count(seed: int, player: int, round_no: int, participation: float, mean: float, covered: int = 0) -> int:
    """Return how many bets a player places in a round: 0, or the mean's whole part and perhaps one more.

    Who covers the layout with `covered` spots places as many bets.
    """
    k = round_no * DRAWS_PER_ROUND
    if uniform(seed, PARTICIPATE, player, k) >= participation:
        return 0
    if covered > 0:
        return covered
    whole = int(mean)
    return whole + (1 if uniform(seed, COUNT, player, k) < mean - whole else 0)


def stake_minor(u: float, stake_minor_min: int, stake_minor_max: int) -> int:
    """Return a stake: uniform over the whole multiples of the smallest, up to the largest."""
    steps = max(stake_minor_max // stake_minor_min, 1)
    return stake_minor_min * (1 + int(u * steps))


def planned_ns(
    seed: int, player: int, k: int, window_s: float, repeat_share: float, late_share: float, repeat_mean_s: float,
    late_mean_s: float,
) -> int:  # fmt: skip
    """Return when a bet is placed: ns after opening, inside the window."""
    offset_s = bet_offset_s(
        uniform(seed, PICK, player, k), uniform(seed, PLACE, player, k),
        window_s, repeat_share, late_share, repeat_mean_s, late_mean_s,
    )  # fmt: skip
    return min(int(offset_s * NS_PER_S), int(window_s * NS_PER_S) - 1)


def planned_stake(
    seed: int, player: int, k: int, stake_minor_min: int, stake_minor_max: int, n_selections: int, cover: Codes
) -> tuple[int, int]:
    """Return on what a bet is placed, and how much; spots of `cover` in turn, without any a uniform selection."""
    if len(cover) > 0:
        selection = int(cover[k % DRAWS_PER_ROUND % len(cover)])
    else:
        selection = int(uniform(seed, SELECTION, player, k) * n_selections)
    return selection, stake_minor(uniform(seed, STAKE, player, k), stake_minor_min, stake_minor_max)


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
    cover: Codes,
) -> tuple[int, int, int]:
    """Return offset (ns after opening, inside the window), selection and stake of one bet."""
    offset_ns = planned_ns(seed, player, k, window_s, repeat_share, late_share, repeat_mean_s, late_mean_s)
    selection, amount = planned_stake(seed, player, k, stake_minor_min, stake_minor_max, n_selections, cover)
    return offset_ns, selection, amount


def may_send(now_ns: int, due_ns: int, closes_ns: int, connected_ns: int) -> bool:
    """Tell whether a player still sends a bet that was due.

    Parameters
    ----------
    now_ns, due_ns, closes_ns : int
        Now, when it was clicked, and when the player's own countdown ends.
    connected_ns : int
        Since when the player is connected.

    Notes
    -----
    Before the close: always. Afterwards only what was clicked over this connection, and not long ago: whether it came
    in time is not for the client to say. What was clicked into a dead screen never leaves it.
    """
    if now_ns < closes_ns:
        return True
    return connected_ns <= due_ns and now_ns < due_ns + CLICK_NS_MAX


def think_ns(seed: int, player: int, k: int, mean_s: float) -> int:
    """Return how long a player of a closed pace thinks before the `k`-th bet: exponential."""
    return round(-mean_s * math.log(uniform(seed, THINK, player, k)) * NS_PER_S)


def rule_arguments(
    scenario: Scenario, betting: Betting | None = None, table: int = 1
) -> tuple[float, float, float, float, float, int, int, int, Codes]:
    """Return the scenario's part of :func:`planned_bet`'s arguments, in order, for people who bet so at a table."""
    betting = betting or scenario.betting
    game = game_at(scenario.games, table)
    return (
        timing_at(scenario.timing, scenario.timings, table).window_ms * NS_PER_MS / NS_PER_S,
        betting.timing.repeat_share,
        betting.timing.late_share,
        betting.timing.repeat_mean_s,
        betting.timing.late_mean_s,
        betting.stake_minor_min,
        betting.stake_minor_max,
        len(game.spots),
        _cover(game) if betting.covers else _NOTHING,
    )


def _cover(game: Game) -> Codes:
    return COVER if game is ROULETTE else np.arange(len(game.spots), dtype=np.int64)


class PlanRules(NamedTuple):
    """The scalar rules of a plan, :func:`bets_count` and :func:`planned_bet`, plain or compiled."""

    count: Callable[..., int]
    bet: Callable[..., tuple[int, int, int]]


PLAIN = PlanRules(bets_count, planned_bet)


def planned_bets(
    scenario: Scenario,
    player: int,
    round_no: int,
    betting: Betting | None = None,
    table: int = 1,
    rules: PlanRules = PLAIN,
) -> list[PlannedBet]:
    """Return what a player bets in the `round_no`-th round of a table, in the order of time.

    Parameters
    ----------
    scenario : Scenario
        Seed and window.
    player, round_no : int
        Who, and in which round.
    betting : Betting, optional
        How; by default as the scenario's players do.
    table : int
        Where.
    rules : PlanRules
        In which form the rules are to be used; the plan is the same.
    """
    betting = betting or scenario.betting
    arguments = rule_arguments(scenario, betting, table)
    count = rules.count(
        scenario.seed, player, round_no, betting.participation, betting.bets_per_round_mean, len(arguments[-1])
    )
    first = round_no * DRAWS_PER_ROUND
    return sorted(PlannedBet(*rules.bet(scenario.seed, player, first + j, *arguments)) for j in range(count))
