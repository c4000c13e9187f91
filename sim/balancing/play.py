"""A surge under a policy, and what came of it."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from reference_impl.domain.balancing import choosing
from reference_impl.domain.balancing.heat import BINS
from sim.balancing import believing, crowd, moving, serving
from sim.balancing.crowd import EDGE, GATEWAY, People, Places
from sim.balancing.setting import Rounds, Setting, edge_orders, gateway_orders, likings, rounds_of
from sim.balancing.surges import (
    BEGINS_S,
    DRAIN_S_MAX,
    ENDS_S,
    RESTART_S,
    SILENT_S,
    Kind,
    Surge,
    deployments,
    lowest_ahead,
    speeds_of,
)
from sim.kernels import Floats, Int64s

WARM_S = 70
FILL_STEPS = 40
FORESIGHT_S = 20
RESTING_S = 20
"""So long after its start a place is not counted when loads are compared."""


class Balancing(Struct, frozen=True, kw_only=True):
    """What chooses gateways and edges, and whether it moves anybody; codes are those of :mod:`.choosing`."""

    name: str
    gateway: int
    edge: int
    moves: bool = False
    knows: bool = False


BALANCINGS = {
    each.name: each
    for each in (
        Balancing(name="random", gateway=choosing.RANDOM, edge=choosing.RANDOM),
        Balancing(name="least-loaded", gateway=choosing.LEAST_LOADED, edge=choosing.LEAST_LOADED),
        Balancing(name="two-choices", gateway=choosing.TWO_CHOICES, edge=choosing.TWO_CHOICES),
        Balancing(name="peak-ewma", gateway=choosing.PEAK_EWMA, edge=choosing.PEAK_EWMA),
        Balancing(name="bounded-ring", gateway=choosing.RING, edge=choosing.RING),
        Balancing(name="forecast", gateway=choosing.FORECAST, edge=choosing.RENDEZVOUS, moves=True),
        Balancing(name="oracle", gateway=crowd.CHEAPEST, edge=choosing.RENDEZVOUS, moves=True, knows=True),
    )
}
"""``forecast`` is ours: forecast load for gateways, popularity-sized replica sets for edges. ``oracle`` is it with the
truth instead of reports, the future instead of forecasts, and the best place of all instead of the better of two."""


class State(NamedTuple):
    """Everything that changes."""

    people: People
    gateways: Places
    edges: Places
    audience: Floats
    profiles: Floats
    heats: Floats


class Trace(NamedTuple):
    """What was seen, by seconds: shape (seconds, places) where there are places, else (seconds,).

    ``used`` is the share of a place's time that its work asked for, ``carried`` its sessions over what it is fit for;
    ``took`` are histograms of how long bets stayed, and parts waited; shape (seconds, places, buckets).
    """

    used: tuple[Floats, Floats]
    carried: tuple[Floats, Floats]
    took: tuple[Any, Any]
    counted: tuple[Floats, Floats]
    given: tuple[Int64s, Int64s]
    copies: Floats
    moved: Int64s
    counts: Int64s


class Play:
    """A system under one balancing.

    Parameters
    ----------
    setting : Setting
        The system.
    balancing : Balancing
        Who is sent where.
    state : State
        Where it begins; it is changed.
    seed : int
        For everything that is chance.
    rounds : Rounds
        The tables' clocks.
    """

    def __init__(self, setting: Setting, balancing: Balancing, state: State, seed: int, rounds: Rounds) -> None:
        self.setting = setting
        self.balancing = balancing
        self.state = state
        self._seed = seed
        self._rounds = rounds
        self._policies = np.array([balancing.gateway, balancing.edge])
        self._likings = np.cumsum(likings(setting))
        self.lies = np.ones(setting.gateways), np.ones(setting.edges)
        self.silent = np.zeros(setting.gateways, np.int64), np.zeros(setting.edges, np.int64)
        self.took = tuple(np.zeros((n, serving.BUCKETS)) for n in (setting.gateways, setting.edges))
        self.used = np.zeros(setting.gateways), np.zeros(setting.edges)
        self.ended: dict[int, int] = {}

    def report(self, now: int, speeds: tuple[Floats, Floats], coming: tuple[Floats, Floats]) -> None:
        """Tell the balancer how things stand; an oracle is told the truth, and what is coming."""
        s, balancing = self.state, self.balancing
        believing.heats(self._rounds, now, s.profiles, s.audience, *s.heats)
        believing.warm(s.gateways, *s.heats)
        for kind, places in ((GATEWAY, s.gateways), (EDGE, s.edges)):
            if balancing.knows:
                believing.know(places, coming[kind], float(now))
            else:
                believing.hear(places, float(now), speeds[kind], self.lies[kind], self.silent[kind],
                               self.setting.noise, self._seed, 2 * (now + 10_000) + kind)  # fmt: skip
            believing.offer(places, int(self._policies[kind]), not balancing.moves)

    def come(self, count: int) -> None:
        """Let new people come."""
        s = self.state
        crowd.come(s.people, s.gateways, s.edges, count, self._policies, self._likings, s.audience, self._seed)

    def churn(self, passed_s: float = 1.0) -> None:
        """Let some leave and as many come."""
        s = self.state
        count = int(passed_s * s.people.counts[crowd.LIVE] / self.setting.stay_s_mean)
        crowd.churn(s.people, s.gateways, s.edges, count, self._policies, self._likings, s.audience, self._seed)

    def change(self, count: int, table: int) -> None:
        """Let people go over to a table."""
        s = self.state
        crowd.change_table(s.people, s.gateways, s.edges, count, table, self._policies, s.audience, self._seed)

    def drop(self, gateways: Int64s) -> None:
        """End closing gateways; who is there comes back elsewhere."""
        s = self.state
        for gateway in gateways:
            crowd.drop(s.people, s.gateways, int(gateway), int(self._policies[GATEWAY]), s.audience, self._seed)

    def close(self, gateways: Int64s) -> None:
        """Let nobody come to gateways any more."""
        self.state.gateways.closing[gateways] = 1
        believing.offer(self.state.gateways, int(self._policies[GATEWAY]), not self.balancing.moves)

    def open(self, gateways: Int64s, now: int) -> None:
        """Let gateways serve again, cold and empty."""
        g = self.state.gateways
        g.closing[gateways] = g.announced[gateways] = g.hot[gateways] = 0
        g.first_s[gateways] = g.heard_s[gateways] = now
        g.load[gateways] = g.placed[gateways] = g.slope[gateways] = g.error[gateways] = g.backlog[gateways] = 0.0
        g.speed[gateways] = 1.0

    def shift(self, now: int) -> None:
        """Move sessions, if this balancing does."""
        if not self.balancing.moves:
            return
        s = self.state
        for places in (s.gateways, s.edges):
            believing.judge(places)
        moving.shift_sockets(s.people, s.gateways, self._rounds, now, int(self._policies[GATEWAY]))
        moving.shift_views(s.people, s.edges, now, int(self._policies[EDGE]), s.audience, self._seed)

    def serve(self, now: int, speeds: tuple[Floats, Floats]) -> None:
        """Let everybody work for a second, and learn from it."""
        s, setting = self.state, self.setting
        for took in self.took:
            took[:] = 0.0
        serving.serve_bets(
            s.gateways, self._rounds, now, speeds[GATEWAY], setting.gateway_cores, setting.bet_s, setting.fanout_s,
            setting.accept_s, self._seed, self.used[GATEWAY], self.took[GATEWAY],
        )  # fmt: skip
        serving.serve_views(
            s.edges, self._rounds, now, speeds[EDGE], setting.edge_view_s, self.used[EDGE], self.took[EDGE]
        )  # fmt: skip
        believing.learn(self._rounds, now, s.profiles, setting.bet_s, setting.fanout_s, self._seed)


@lru_cache(maxsize=2)
def steady(setting: Setting, balancing: Balancing, seed: int) -> tuple[State, Rounds]:
    """Return a system that everybody has come to, one after the other, and that has run for a while."""
    rounds = rounds_of(setting, seed)
    ring = balancing.edge == choosing.RING
    places = max(setting.gateways, setting.edges)
    state = State(
        crowd.empty_people(setting.people + setting.newcomers_max, places),
        crowd.empty_places(setting.gateways, setting.tables, gateway_orders(setting.gateways)),
        crowd.empty_places(setting.edges, setting.tables, edge_orders(setting.tables, setting.edges, ring)),
        np.zeros(setting.tables), np.full((setting.tables, BINS), -1.0), np.ones((2, setting.tables)),
    )  # fmt: skip
    play = Play(setting, balancing, state, seed, rounds)
    speeds = np.ones(setting.gateways), np.ones(setting.edges)
    for _ in range(FILL_STEPS):
        play.report(-WARM_S, speeds, speeds)
        play.come(setting.people // FILL_STEPS)
    state.gateways.accepted[:] = 0
    for now in range(-WARM_S, 0):
        _second(play, now, speeds, speeds)
    return state, rounds


def _second(play: Play, now: int, speeds: tuple[Floats, Floats], coming: tuple[Floats, Floats]) -> None:
    play.report(now, speeds, coming)
    play.churn()
    play.shift(now)
    play.serve(now, speeds)


def carried_out(setting: Setting, balancing: Balancing, surge: Surge, base_seed: int) -> Trace:
    """Return what is seen when a steady system meets a surge."""
    begun, rounds = steady(setting, balancing, base_seed)
    state = State(
        crowd.copied(begun.people), crowd.copied(begun.gateways), crowd.copied(begun.edges), begun.audience.copy(),
        begun.profiles.copy(), begun.heats.copy(),
    )  # fmt: skip
    play = Play(setting, balancing, state, surge.seed + 1_000, rounds)
    state.people.counts[1:] = 0
    state.people.counts[crowd.DRAWS] = 0
    speeds = speeds_of(surge, setting)
    coming = tuple(lowest_ahead(each, FORESIGHT_S) for each in speeds)
    used, carried, counted = (_by_second(setting, np.float64) for _ in range(3))
    took: tuple[Any, Any] = (_by_bucket(setting.gateways), _by_bucket(setting.edges))
    given = _by_second(setting, np.int64)
    copies = np.zeros(ENDS_S)
    moved = np.zeros((ENDS_S, 2), np.int64)
    if surge.liar >= 0:
        play.lies[GATEWAY][surge.liar] = surge.lie
    for now in range(ENDS_S):
        if surge.silent >= 0:
            play.silent[GATEWAY][surge.silent] = BEGINS_S <= now < BEGINS_S + SILENT_S
        rising = BEGINS_S <= now < BEGINS_S + surge.within_s
        _deploy(play, surge, now)
        present = speeds.gateways[now], speeds.edges[now]
        play.report(now, present, (coming[GATEWAY][now], coming[EDGE][now]))
        play.churn()
        if rising and surge.kind is Kind.PILE_UP:
            play.change(surge.people // surge.within_s, surge.table)
        if rising and surge.kind is Kind.FLASH_CROWD:
            play.come(surge.people // surge.within_s)
        play.shift(now)
        play.serve(now, present)
        for kind, places in ((GATEWAY, state.gateways), (EDGE, state.edges)):
            used[kind][now], took[kind][now] = play.used[kind], play.took[kind]
            given[kind][now], carried[kind][now] = places.given, places.sessions / present[kind]
            counted[kind][now] = (places.closing == 0) & (now - places.first_s > RESTING_S)
        copies[now] = np.count_nonzero(state.edges.seats) / setting.tables
        moved[now] = state.people.counts[crowd.MOVED : crowd.MOVED + 2]
    return Trace(used, carried, took, counted, given, copies, moved, state.people.counts)


def _by_second(setting: Setting, dtype: Any) -> tuple[Any, Any]:
    """Return room for what is seen of gateways and of edges."""
    return np.zeros((ENDS_S, setting.gateways), dtype), np.zeros((ENDS_S, setting.edges), dtype)


def _by_bucket(places: int) -> Any:
    return np.zeros((ENDS_S, places, serving.BUCKETS), np.float32)


def _deploy(play: Play, surge: Surge, now: int) -> None:
    """Carry out what a rolling deployment has for this second: drain, end, start again."""
    g = play.state.gateways
    for at_s, gateways in deployments(surge, play.setting):
        if now == BEGINS_S and play.balancing.moves:
            g.announced[gateways] = 1
        if now == at_s:
            play.close(gateways)
        drains = now >= at_s and at_s not in play.ended
        if drains and (not play.balancing.moves or now == at_s + DRAIN_S_MAX or not g.sessions[gateways].any()):
            play.drop(gateways)
            play.ended[at_s] = now
        if play.ended.get(at_s) == now - RESTART_S:
            play.open(gateways, now)
