"""How large the simulated system is, what things cost, and how its tables' rounds run."""

from functools import cache
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from reference_impl.domain.balancing.ordering import rendezvous_order, ring_of, walk
from reference_impl.domain.bets import BetTiming
from sim import kernels
from sim.kernels import Floats, Int64s

BUCKETS = 256
"""Players' buckets on a gateways' ring."""

_QUANTILES = 4_000


class Setting(Struct, frozen=True, kw_only=True):
    """A system and its crowd. Times of machines are those of :class:`sim.parameters.Model`, as far as it has them.

    Parameters
    ----------
    people, newcomers_max : int
        Who is there before anything happens, and for how many more there is room.
    tables, gateways, edges : int
        How many.
    host_gateways, host_edges : int
        Gateways and edges that share a host's cores, and so its troubles.
    gateway_cores : float
        Share of a core that a gateway has.
    popularity : float
        Exponent of Zipf's law, by which tables are liked. [assumed]
    stay_s_mean : float
        How long somebody stays; whoever leaves is replaced. [assumed]
    player_share, participation, bets_per_round_mean : float
        Share of the people who play at all, who take part in a round, and their bets in it.
    bet_s, fanout_s, accept_s : float
        A gateway's core seconds for a bet, a send of a broadcast, a new connection.
    edge_view_s : float
        An edge's core seconds for a viewer, a second: a part and a playlist every two seconds.
    noise : float
        Standard deviation of what a report tells about the cost of work, relative.
    """

    people: int = 1_000_000
    newcomers_max: int = 300_000
    tables: int = 500
    gateways: int = 256
    edges: int = 100
    host_gateways: int = 8
    host_edges: int = 4
    gateway_cores: float = 0.125
    popularity: float = 0.9
    stay_s_mean: float = 1_800.0
    player_share: float = 0.8
    participation: float = 0.9
    bets_per_round_mean: float = 2.5
    bet_s: float = 30e-6
    fanout_s: float = 8e-6
    accept_s: float = 200e-6
    edge_view_s: float = 45e-6
    noise: float = 0.05


class Rounds(NamedTuple):
    """Tables' rounds by their seconds; a table's present second is ``(now + offset) % cycle``.

    Parameters
    ----------
    cycle, offset : array of int, shape (tables,)
        Length of a round with its pause, and where it stood at second 0.
    phase : array, shape (tables,)
        At which instant of every second a table's own seconds begin, 0 to 1.
    told_s, told_of : array of float and of int, shape (TOLD_MAX * tables,)
        The instants of every second at which tables may speak, in order: each may at its phase, and again as
        :data:`TOLD_AFTER_S` says; ``told_of`` is ``TOLD_MAX * table + turn``.
    bets : array, shape (tables, longest cycle)
        Bets of a session in each second.
    events : array
        Broadcasts in each second.
    between : array
        1 where no bets are taken and no result is owed.
    """

    cycle: Int64s
    offset: Int64s
    phase: Floats
    told_s: Floats
    told_of: Int64s
    bets: Floats
    events: Floats
    between: Int64s


SHAPES = ((27, 11), (45, 25), (49, 15), (60, 20))
"""Seconds of a round and of its window: speed tables, roulette, baccarat, wheels and blackjack. [assumed]"""

PAUSE_S = 6
"""Seconds between settlement and the next round. [assumed]"""

TOLD_AFTER_S = (0.0, 0.030, 0.036)
TOLD_MAX = len(TOLD_AFTER_S)
"""When a table tells what it has to tell within a second: the cut-off is over so long after no more bets are taken, and
the decision follows at once; so do result, settlement and what was paid. As the simulation of single players has it."""

SOON_S = 5
"""So long before a window's end that is announced. [assumed]"""


class Shape(NamedTuple):
    """One kind of round by its seconds; as :class:`Rounds`, without tables."""

    bets: Floats
    events: Floats
    between: Int64s


def round_of(window_s: int, cycle_s: int, share: float, bets_mean: float) -> Shape:
    """Return a round.

    Parameters
    ----------
    window_s, cycle_s : int
        Seconds in which bets are taken, and of the whole round with its pause.
    share, bets_mean : float
        Share of the sessions that take part, and their bets.

    Notes
    -----
    At the window's end no more bets, the cut-off and the decision are told, one soon after the other; at the round's
    end the result, the settlement, and to those who took part what they were paid.
    """
    bets, events, between = np.zeros(cycle_s), np.zeros(cycle_s), np.zeros(cycle_s, np.int64)
    bets[:window_s] = share * bets_mean * window_shares(window_s)
    events[[0, window_s - SOON_S]] = 1.0
    events[window_s] = 3.0
    events[cycle_s - PAUSE_S] = 2.0 + share
    between[cycle_s - PAUSE_S :] = 1
    return Shape(bets, events, between)


def rounds_of(setting: Setting, seed: int) -> Rounds:
    """Return the tables' rounds; who is where in its round is drawn."""
    tables, longest = setting.tables, max(cycle for cycle, _ in SHAPES)
    kinds = np.arange(tables) % len(SHAPES)
    share = setting.player_share * setting.participation
    rows = [round_of(window, cycle, share, setting.bets_per_round_mean) for cycle, window in SHAPES]
    bets, events, between = (
        np.array([np.pad(column, (0, longest - len(column))) for column in columns])[kinds]
        for columns in zip(*rows, strict=True)
    )
    cycle = np.array([cycle for cycle, _ in SHAPES], dtype=np.int64)[kinds]
    rng = np.random.default_rng(seed)
    offset = rng.integers(0, 1 << 30, tables) % cycle
    phase = rng.random(tables)
    return Rounds(cycle, offset, phase, *told_at(phase), bets, events, between)


def told_at(phase: Floats) -> tuple[Floats, Int64s]:
    """Return when tables may speak within a second, and which one it is; as :class:`Rounds` has it."""
    at_s = np.minimum(phase[:, None] + np.array(TOLD_AFTER_S), 1.0 - 1e-9).ravel()
    order = np.argsort(at_s, kind="stable")
    return at_s[order], order


@cache
def window_shares(window: int) -> Floats:
    """Return which share of a round's bets falls into each second of its window."""
    timing = BetTiming()
    shares = np.zeros(window)
    for pick in (np.arange(_QUANTILES) + 0.5) / _QUANTILES:
        place = pick * _QUANTILES * 0.6180339887 % 1.0
        at = kernels.bet_offset_s(pick, place, float(window), timing.repeat_share, timing.late_share,
                                  timing.repeat_mean_s, timing.late_mean_s)  # fmt: skip
        shares[min(window - 1, int(at))] += 1.0 / _QUANTILES
    return shares


@cache
def gateway_orders(gateways: int) -> Int64s:
    """Return each bucket's walk along the gateways' ring; shape (buckets, gateways)."""
    ring = ring_of(range(gateways))
    return np.array([walk(ring, bucket) for bucket in range(BUCKETS)], dtype=np.int64)


@cache
def edge_orders(tables: int, edges: int, ring: bool) -> Int64s:  # noqa: FBT001 - which of two orders
    """Return each table's order of the edges, by rendezvous hashing or by the ring; shape (tables, edges)."""
    points = ring_of(range(edges))
    rows = [walk(points, table) if ring else rendezvous_order(table, range(edges)) for table in range(tables)]
    return np.array(rows, dtype=np.int64)


def likings(setting: Setting) -> Floats:
    """Return the share of the people that each table has; shape (tables,)."""
    raw = 1.0 / np.arange(1, setting.tables + 1) ** setting.popularity
    shares: Floats = raw / raw.sum()
    return shares
