"""What happens to the crowd or to the machines: surges, drawn from a seed."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from sim.balancing.setting import Setting
from sim.kernels import Floats, Int64s

BEGINS_S = 20
"""When a surge begins; before, everything is as always."""

ENDS_S = 115


class Kind(StrEnum):
    """What happens."""

    PILE_UP = "pile-up"
    FLASH_CROWD = "flash-crowd"
    SLOW_EDGE = "slow-edge"
    HOT_GATEWAY = "hot-gateway"
    ROLLING_DEPLOY = "rolling-deploy"


class Surge(Struct, frozen=True, kw_only=True):
    """One surge. Ranges of all figures are assumptions.

    Parameters
    ----------
    kind, seed : Kind, int
        What happens; and what it was drawn from.
    within_s : int
        How long it takes to come up.
    people : int
        Who changes to `table`, or comes.
    table : int
        Where to.
    host : int
        Whose places slow down; the first one that is deployed anew.
    speed : float
        How fast these are in the end, 1 being usual.
    liar, lie : int, float
        A gateway that tells so many times the sessions that it has; -1: nobody does.
    silent : int
        A gateway whose reports are lost for :data:`SILENT_S`; -1: none.
    """

    kind: Kind
    seed: int
    within_s: int
    people: int = 0
    table: int = 0
    host: int = 0
    speed: float = 1.0
    liar: int = -1
    lie: float = 1.0
    silent: int = -1


SILENT_S = 20
DEPLOY_HOSTS = 3
DEPLOY_EVERY_S = 15
DRAIN_S_MAX = 62
"""A gateway that drains ends after this, a round of the slowest table and some; who is still there then is dropped."""

RESTART_S = 5


def surge_of(seed: int, setting: Setting) -> Surge:
    """Return the surge of a seed; kinds take turns."""
    rng = np.random.default_rng([seed, 10])
    kinds = list(Kind)
    kind = kinds[seed % len(kinds)]
    hosts = setting.edges // setting.host_edges if kind is Kind.SLOW_EDGE else setting.gateways // setting.host_gateways
    within_s = int(rng.integers(15, 41))
    share = rng.uniform(0.06, 0.20) if kind is Kind.PILE_UP else rng.uniform(0.10, 0.25)
    speed = rng.uniform(0.3, 0.7) if kind is Kind.SLOW_EDGE else rng.uniform(0.1, 0.4)
    return Surge(
        kind=kind, seed=seed, within_s=within_s,
        people=int(share * setting.people) if kind in {Kind.PILE_UP, Kind.FLASH_CROWD} else 0,
        table=int(rng.integers(4, min(200, setting.tables))), host=int(rng.integers(hosts)), speed=float(speed),
        liar=int(rng.integers(setting.gateways)) if seed % 4 == 0 else -1, lie=float(rng.choice([0.0, 0.2, 3.0])),
        silent=int(rng.integers(setting.gateways)) if seed % 4 == 2 else -1,
    )  # fmt: skip


class Speeds(NamedTuple):
    """Of gateways and of edges, second by second; shapes (seconds, places)."""

    gateways: Floats
    edges: Floats


def speeds_of(surge: Surge, setting: Setting) -> Speeds:
    """Return how fast places are in each second."""
    gateways, edges = np.ones((ENDS_S, setting.gateways)), np.ones((ENDS_S, setting.edges))
    way = np.clip((np.arange(ENDS_S) - BEGINS_S) / surge.within_s, 0.0, 1.0)
    falling = (1.0 - (1.0 - surge.speed) * way)[:, None]
    if surge.kind is Kind.HOT_GATEWAY:
        gateways[:, hit(surge, setting)] = falling
    if surge.kind is Kind.SLOW_EDGE:
        edges[:, hit(surge, setting)] = falling
    return Speeds(gateways, edges)


def hit(surge: Surge, setting: Setting) -> Int64s:
    """Return the places of the host that slows down."""
    each = setting.host_edges if surge.kind is Kind.SLOW_EDGE else setting.host_gateways
    places: Int64s = np.arange(surge.host * each, (surge.host + 1) * each)
    return places


def lowest_ahead(speeds: Floats, seconds: int) -> Floats:
    """Return the lowest speed of each coming span: what only an oracle knows."""
    ahead = speeds.copy()
    for shift in range(1, seconds):
        ahead[:-shift] = np.minimum(ahead[:-shift], speeds[shift:])
    return ahead


def deployments(surge: Surge, setting: Setting) -> list[tuple[int, Int64s]]:
    """Return when which gateways are to be deployed anew."""
    if surge.kind is not Kind.ROLLING_DEPLOY:
        return []
    hosts = setting.gateways // setting.host_gateways
    first = np.arange(setting.host_gateways)
    return [
        (BEGINS_S + turn * DEPLOY_EVERY_S, (surge.host + turn) % hosts * setting.host_gateways + first)
        for turn in range(DEPLOY_HOSTS)
    ]
