"""What the balancer believes, second by second, and who may be chosen; compiled. The rules are the domain's own."""

import numpy as np

from reference_impl.domain.balancing import choosing, heat
from sim.balancing.crowd import (
    Places,
    believed,
    bin_of,
    coming_heat,
    error_next,
    heat_next,
    hot_next,
    level_of,
    mean_heat,
    peak_next,
    slope_next,
    slow_start,
    speed_ahead,
    speed_next,
    speed_of,
    trust_of,
)
from sim.balancing.setting import Rounds
from sim.kernels import Floats, Int64s, compiled, uniform
from sim.random_streams import Stream

WEIGHT_MIN = 0.01
NOISE = int(Stream.REPORT_NOISE)
BINS = heat.BINS


def _learn(r: Rounds, now: int, profiles: Floats, bet_s: float, fanout_s: float, seed: int) -> None:
    """Learn what each table's sessions asked for in this second; a tenth of it is chance."""
    for t in range(len(r.cycle)):
        second = (now + r.offset[t]) % r.cycle[t]
        part = bin_of(second * 1.0, r.cycle[t] * 1.0)
        seen = (r.bets[t, second] * bet_s + r.events[t, second] * fanout_s) * (0.9 + 0.2 * uniform(seed, NOISE, t, now))
        profiles[t, part] = heat_next(profiles[t, part], seen)


def _heats(r: Rounds, now: int, profiles: Floats, audience: Floats, usual: Floats, coming: Floats) -> None:
    """Write what a session of each table asks for, in whole rounds and at most soon; 1 is the mean over everybody."""
    totals, people = np.zeros(2), audience.sum()
    for t in range(len(r.cycle)):
        second = (now + r.offset[t]) % r.cycle[t]
        usual[t] = mean_heat(profiles[t])
        coming[t] = coming_heat(profiles[t], bin_of(second * 1.0, r.cycle[t] * 1.0), r.cycle[t] * 1.0)
        totals[0] += usual[t] * audience[t]
        totals[1] += coming[t] * audience[t]
    if totals[0] > 0.0 and totals[1] > 0.0:
        usual *= people / totals[0]
        coming *= people / totals[1]
    else:
        usual[:] = coming[:] = 1.0


def _warm(f: Places, usual: Floats, coming: Floats) -> None:
    """Write the mean heats of each place's sessions."""
    for i in range(len(f.sessions)):
        heat, soon = 0.0, 0.0
        row = f.seats[i]
        for t in range(len(usual)):
            heat += usual[t] * row[t]
            soon += coming[t] * row[t]
        f.heat[i] = heat / f.sessions[i] if f.sessions[i] else 1.0
        f.coming[i] = soon / f.sessions[i] if f.sessions[i] else 1.0


def _hear(
    f: Places, now_s: float, speeds: Floats, lies: Floats, silent: Int64s, noise: float, seed: int,
    salt: int,
) -> None:  # fmt: skip
    """Take the reports of this second.

    Parameters
    ----------
    f : Places
        Of one kind.
    now_s : float
        Now.
    speeds : array, shape (places,)
        True speeds; what is reported of them is noisy.
    lies : array
        What a place tells of its sessions, relative to the truth.
    silent : array
        1 for places whose reports are lost.
    noise : float
        Standard deviation, relative.
    seed, salt : int
        For the noise: salt tells kinds and seconds apart.
    """
    places = len(f.sessions)
    costs = np.empty(places)
    for i in range(places):
        swing = uniform(seed, NOISE, i, 2 * salt) + uniform(seed, NOISE, i, 2 * salt + 1) - 1.0
        costs[i] = (1.0 + 2.45 * noise * swing) / speeds[i]
    usual = np.median(costs)
    for i in range(places):
        if silent[i]:
            continue
        expected, told = f.load[i] + f.placed[i], f.sessions[i] * lies[i]
        f.error[i] = error_next(f.error[i], told, expected)
        f.load[i] = believed(told, expected, trust_of(f.error[i], 0.0))
        f.placed[i] = 0.0
        speed = speed_next(f.speed[i], speed_of(costs[i], usual))
        f.slope[i] = slope_next(f.slope[i], f.speed[i], speed, now_s - f.heard_s[i])
        f.speed[i], f.heard_s[i] = speed, now_s
        f.latency[i] = peak_next(f.latency[i], f.response[i])
    for i in range(places):
        f.fit[i] = 0.0 if f.closing[i] else speed_ahead(f.speed[i], f.slope[i])
        f.trust[i] = trust_of(f.error[i], now_s - f.heard_s[i])
        f.weight[i] = max(WEIGHT_MIN, f.fit[i] * slow_start(now_s - f.first_s[i]) * f.trust[i])


def _know(f: Places, speeds: Floats, now_s: float) -> None:
    """Believe the truth: present sessions, and the lowest speed of the coming half minute. Only an oracle can."""
    for i in range(len(f.sessions)):
        f.load[i], f.placed[i] = f.sessions[i], 0.0
        f.fit[i] = 0.0 if f.closing[i] else speeds[i]
        f.weight[i] = max(WEIGHT_MIN, f.fit[i] * slow_start(now_s - f.first_s[i]))


def _offer(f: Places, policy: int, told_only: bool) -> None:  # noqa: FBT001 - which columns a policy looks at
    """Write down the candidates of this second.

    A policy that looks at connections alone is told of these, and takes everybody for equally fit.
    """
    n, changed = 0, False
    for i in range(len(f.sessions)):
        if f.closing[i]:
            changed |= f.slot[i] >= 0
            f.slot[i] = -1
            continue
        changed |= f.slot[i] != n or f.open[n] != i
        f.open[n], f.slot[i] = i, n
        f.now_load[n] = f.load[i] + f.placed[i] if told_only else (f.load[i] + f.placed[i]) * f.heat[i]
        f.now_weight[n] = 1.0 if told_only else max(f.weight[i], WEIGHT_MIN)
        f.now_latency[n] = f.latency[i]
        n += 1
    if told_only:
        f.heat[:] = 1.0  # what a leaver takes away with it
    if policy in (choosing.RING, choosing.RENDEZVOUS) and (changed or f.size[0] != n or f.size[1] == 0):
        for key in range(len(f.order)):
            at = 0
            for place in f.order[key]:
                if f.slot[place] >= 0:
                    f.now_order[key, at] = f.slot[place]
                    at += 1
        f.size[1] = 1
    f.size[0] = n


def _judge(f: Places) -> None:
    """Find out who is hot."""
    load = (f.load + f.placed) * f.coming
    level = level_of(load * (f.fit > 0.0), f.fit)
    for i in range(len(load)):
        f.hot[i] = f.fit[i] > 0.0 and hot_next(f.hot[i] == 1, load[i] / f.fit[i] / level)


learn = compiled(_learn)
heats = compiled(_heats)
warm = compiled(_warm)
hear = compiled(_hear)
know = compiled(_know)
offer = compiled(_offer)
judge = compiled(_judge)
