"""The model's components against closed forms: theory inside the 99 % interval, whose half-width is at most 2 %."""

import math

import numba
import numpy as np
import pytest
import simpy
from msgspec import structs

from reference_impl.domain.records import FetchKind
from sim import edge as edge_module
from sim import kernels
from sim.draws import Draws
from sim.edge import ENTRY_BYTES, Edge
from sim.hybrid.events import submit
from sim.hybrid.handles import made
from sim.hybrid.screens import FLOW, HallHandle, empty_hall
from sim.hybrid.sharing import SINGLE, end_flow, join_link, line_up, next_end_ns, next_join_ns
from sim.hybrid.system import Crowd
from sim.link import Link
from sim.origin import Answer, Origin, Wish
from sim.parameters import Model, Video
from sim.random_streams import uniform
from sim.scenario import Scenario
from sim.server import after
from sim.statistics import interval

ONE = Scenario(tables=1, players_per_table=1, gateways=2, shards=1, edges=1, ramp_s=1.0, load_s=1.0)
MEAN_NS = 1_000_000.0


def exponential(seed, stream, n, mean):
    return -mean * np.log(uniform(seed, stream, np.arange(n), 0))


def agrees(found, theory, slack=0.0):
    """Tell whether theory lies inside a 99 % interval, and the interval is narrow."""
    assert found.relative <= 0.02, found
    assert abs(found.mean - theory) <= found.half + slack * theory, (found, theory)


def test_a_batch_of_all_who_wait_waits_as_renewals_of_its_cycles_say():
    load, n, waits = 1.5, 60_000, []
    for seed in range(10):
        arrivals_ns = np.cumsum(exponential(seed, 1, n, MEAN_NS / load)).astype(np.int64)
        started_ns, _, _ = kernels.batch_server(arrivals_ns, n, round(MEAN_NS), 0, np.array([0]))
        waits.append((started_ns - arrivals_ns)[n // 20 :].mean())
    # in a cycle come `load` who wait half of it on average; with probability exp(-load) none, then one who waits not
    agrees(interval(waits, 0.99), load * MEAN_NS / 2 / (load + math.exp(-load)))


@numba.njit
def both_cores_ns(world, arrivals_ns, first_ns, second_ns):
    total = 0.0
    for i in range(len(arrivals_ns)):
        submit(world, np.int64(0), arrivals_ns[i], first_ns[i])
        submit(world, np.int64(1), arrivals_ns[i], second_ns[i])
        if i >= len(arrivals_ns) // 10:
            total += max(world.gateways[0].free_ns, world.gateways[1].free_ns) - arrivals_ns[i]
    return total / (len(arrivals_ns) - len(arrivals_ns) // 10)


def test_what_all_of_two_gateways_must_do_takes_as_long_as_fork_and_join_say():
    load, n, times = 0.5, 200_000, []
    for seed in range(10):
        world = Crowd(ONE, Model(), {}).state
        arrivals_ns = np.cumsum(exponential(seed, 1, n, MEAN_NS / load)).astype(np.int64)
        services = [exponential(seed, stream, n, MEAN_NS).astype(np.int64) for stream in (2, 3)]
        times.append(both_cores_ns(world.handle, arrivals_ns, *services))
    agrees(interval(times, 0.99), (12 - load) / 8 * MEAN_NS / (1 - load))  # Nelson and Tantawi, exact for two


@numba.njit
def shared_link_ns(hall, arrivals_ns, services_ns):
    """Drive a crowd's link with one transfer after the other; return the sum of sojourns and the busy time."""
    total, busy_ns, before_ns, i, ended = 0, 0, 0, 0, 0
    while ended < len(arrivals_ns):
        if i < len(arrivals_ns) and hall.edges[0].line == 0:
            line_up(hall, 0, arrivals_ns[i], SINGLE, 0, 0, 1, services_ns[i])
            i += 1
        join_ns, end_ns = next_join_ns(hall, 0), next_end_ns(hall, 0)
        now_ns = min(join_ns, end_ns)
        if hall.edges[0].sharing:
            busy_ns += now_ns - before_ns
        before_ns = now_ns
        if join_ns <= end_ns:
            join_link(hall, 0)
        else:
            total += end_ns - end_flow(hall, 0, end_ns).at_ns
            ended += 1
    return total, busy_ns


@pytest.mark.parametrize("service", ["exponential", "two-valued"])
def test_a_crowds_link_is_shared_as_processor_sharing_says_whatever_the_sizes(service):
    load, n, sojourns = 0.5, 100_000, []
    for seed in range(10):
        room = np.zeros(n, dtype=FLOW)
        hall = empty_hall(ONE, Video())._replace(flows=room, line=room.copy())
        arrivals_ns = np.cumsum(exponential(seed, 1, n, MEAN_NS / load)).astype(np.int64)
        chance = uniform(seed, 2, np.arange(n), 0)
        two = np.where(chance < 0.2, 3 * MEAN_NS, MEAN_NS / 2)
        services = exponential(seed, 2, n, MEAN_NS) if service == "exponential" else two
        total, busy_ns = shared_link_ns(made(HallHandle, hall), arrivals_ns, services.astype(np.int64))
        sojourns.append(total / n)
        assert busy_ns == pytest.approx(services.sum(), rel=1e-4)  # the utilisation law, but for rounding up to ns
        assert hall.edges["line"][0] == hall.edges["flows"][0] == hall.edges["sharing"][0] == 0
    agrees(interval(sojourns, 0.99), MEAN_NS / (1 - load))


def test_an_edges_link_ends_transfers_when_a_crowds_link_does():
    n = 3_000
    arrivals_ns = np.cumsum(exponential(5, 1, n, MEAN_NS / 0.8)).astype(np.int64)
    services_ns = exponential(5, 2, n, MEAN_NS).astype(np.int64)
    env, ends = simpy.Environment(), np.zeros(n, dtype=np.int64)
    link = Link(env)

    def begin(i):
        link.send(int(services_ns[i]), lambda: ends.__setitem__(i, env.now))

    for i, at_ns in enumerate(arrivals_ns.tolist()):
        after(env, at_ns, begin, i)
    env.run()
    room = np.zeros(n, dtype=FLOW)
    hall = empty_hall(ONE, Video())._replace(flows=room, line=room.copy())
    total, _ = shared_link_ns(made(HallHandle, hall), arrivals_ns, services_ns)
    assert link.transfers == 0
    assert total == pytest.approx(int((ends - arrivals_ns).sum()), abs=2 * n)


def test_an_edges_cache_hits_as_ches_approximation_says(monkeypatch):
    objects, room, n, hits = 500, 50, 20_000, []
    monkeypatch.setattr(edge_module, "CACHE_BYTES_MAX", room * (100 + ENTRY_BYTES))
    shares = 1 / np.arange(1, objects + 1) ** 0.8
    shares /= shares.sum()
    answer = Answer(200, 100, keep_ns=1 << 60)
    for seed in range(8):
        env = simpy.Environment()
        edge = Edge(env, 0, Draws(env, 1, Model()), Origin(env, Video().timing, Video()))
        asked = np.searchsorted(np.cumsum(shares), uniform(seed, 1, np.arange(n), 0)).clip(0, objects - 1)
        hit = 0
        for i, number in enumerate(asked.tolist()):
            wish = Wish(1, 0, FetchKind.PART, number)
            if edge._cached(wish) is not None:
                hit += i >= n // 5
            else:
                edge._keep(wish, answer)
        hits.append(hit / (n - n // 5))
    below, above = 0.0, 1e6  # the time in which as many different objects are asked for as have room
    for _ in range(60):
        time = (below + above) / 2
        below, above = (below, time) if (1 - np.exp(-shares * time)).sum() > room else (time, above)
    agrees(interval(hits, 0.99), float((shares * (1 - np.exp(-shares * time))).sum()), slack=0.01)


class Unshared(Link):
    """A planted bug: every transfer has the whole link."""

    def _advance(self):
        self._virtual_ns, self._since_ns = float(self._env.now), int(self._env.now)

    def _await_next(self):
        sharing, self._ends = self._ends, self._ends[:1]
        super()._await_next()
        self._ends = sharing


@pytest.mark.parametrize(("kind", "right"), [(Link, True), (Unshared, False)])
def test_a_link_that_is_not_shared_is_noticed(kind, right):
    load, n, sojourns = 0.5, 8_000, []
    for seed in range(10):
        arrivals_ns = np.cumsum(exponential(seed, 1, n, MEAN_NS / load)).astype(np.int64).tolist()
        services_ns = exponential(seed, 2, n, MEAN_NS).astype(np.int64).tolist()
        env = simpy.Environment()
        link, total = kind(env), 0

        def begin(i, env=env, link=link, services_ns=services_ns, arrivals_ns=arrivals_ns):
            def end():
                nonlocal total
                total += env.now - arrivals_ns[i]

            link.send(services_ns[i], end)

        for i, at_ns in enumerate(arrivals_ns):
            after(env, at_ns, begin, i)
        env.run()
        sojourns.append(total / n)
    found, theory = interval(sojourns, 0.99), MEAN_NS / (1 - load)
    assert (abs(found.mean - theory) <= found.half) == right
    assert found.relative < 0.05


@pytest.mark.soak  # compiles the viewers
def test_edges_of_a_run_obey_the_utilisation_law():
    scenario = structs.replace(ONE, tables=2, viewers_per_table=30, edges=2, load_s=8.0)
    crowd = Crowd(scenario, Model(), {})
    crowd.run()
    watched, video = crowd.audience.watched(), crowd.tables()["video"]
    assert watched.parts == len(video)
    assert sum(watched.edge_bps) * scenario.load_s / 8 >= video["bytes"].sum()
    assert 0 < max(watched.edge_utilisation) < 1
