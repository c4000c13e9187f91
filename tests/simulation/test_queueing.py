"""The model's servers against what queueing theory says about them."""

import numpy as np
import pytest
import simpy
from msgspec import structs

from reference_impl.domain.records import OpKind
from sim import kernels
from sim.draws import Draws
from sim.operations import Attempt, Op, operation_ref
from sim.parameters import Cycle, Host, Model, Stages
from sim.random_streams import uniform
from sim.server import Server, after
from sim.wallet import BetBatch, WalletShard

MEAN_SERVICE_NS = 1_000_000
REPLICATIONS = 20
CUSTOMERS = 40_000
WARM_UP = 2_000
T_99 = 2.861  # Student's t, 19 degrees of freedom, two-sided 99 %


def exponential(seed, stream, n, mean_ns):
    return np.rint(-mean_ns * np.log(uniform(seed, stream, np.arange(n), 0))).astype(np.int64)


def interval(values):
    mean = float(np.mean(values))
    return mean, T_99 * float(np.std(values, ddof=1)) / np.sqrt(len(values))


def serve(arrivals_ns, services_ns):
    """Drive a Server; return each job's start and end."""
    env = simpy.Environment()
    server = Server(env)
    times = np.zeros((len(arrivals_ns), 2), dtype=np.int64)

    def arrive(i):
        times[i] = server.submit(int(services_ns[i]))
        if i + 1 < len(arrivals_ns):
            after(env, int(arrivals_ns[i + 1] - arrivals_ns[i]), arrive, i + 1)

    after(env, int(arrivals_ns[0]), arrive, 0)
    env.run()
    return times[:, 0], times[:, 1], server


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_gateway_core_waits_as_an_m_m_1_queue_does(load):
    waits = []
    for seed in range(REPLICATIONS):
        arrivals_ns = np.cumsum(exponential(seed, 1, CUSTOMERS, MEAN_SERVICE_NS / load))
        starts_ns, _, _ = serve(arrivals_ns, exponential(seed, 2, CUSTOMERS, MEAN_SERVICE_NS))
        waits.append((starts_ns - arrivals_ns)[WARM_UP:].mean())
    mean, half = interval(waits)
    theory = MEAN_SERVICE_NS * load / (1 - load)
    assert half < 0.025 * theory
    assert abs(mean - theory) <= half


def test_littles_law_and_the_utilisation_law_hold_exactly():
    arrivals_ns = np.cumsum(exponential(5, 1, 2_000, MEAN_SERVICE_NS / 0.8))
    services_ns = exponential(5, 2, 2_000, MEAN_SERVICE_NS)
    env = simpy.Environment()
    server = Server(env)
    area, last = 0, 0
    jobs_before = 0
    ends: list[int] = []

    def look():
        nonlocal area, last, jobs_before
        area += jobs_before * (env.now - last)
        last, jobs_before = env.now, server.jobs

    def arrive(i):
        look()
        ends.append(server.submit(int(services_ns[i]))[1])
        after(env, ends[-1] - env.now, look)
        look()

    for i, at_ns in enumerate(arrivals_ns.tolist()):
        after(env, at_ns, arrive, i)
    env.run()
    assert area == sum(ends) - int(arrivals_ns.sum())  # time integral of the number = sum of the sojourns
    assert server.busy_ns == int(services_ns.sum())


def test_batches_of_one_obey_lindleys_recursion_exactly():
    arrivals_ns = np.cumsum(exponential(3, 1, 5_000, 1.25 * MEAN_SERVICE_NS))
    services_ns = exponential(3, 2, 5_000, MEAN_SERVICE_NS) + 1
    _, done_ns, batch = kernels.batch_server(arrivals_ns, 1, 0, 0, services_ns)
    total_ns = np.cumsum(services_ns)
    lindley_ns = total_ns + np.maximum.accumulate(arrivals_ns - np.concatenate(([0], total_ns[:-1])))
    assert done_ns.tolist() == lindley_ns.tolist()
    assert batch.tolist() == list(range(5_000))


def test_batches_of_one_with_a_constant_cycle_wait_as_an_m_d_1_queue_does():
    load, n = 0.7, 60_000
    waits = []
    for seed in range(REPLICATIONS):
        arrivals_ns = np.cumsum(exponential(seed, 1, n, MEAN_SERVICE_NS / load))
        started_ns, _, _ = kernels.batch_server(arrivals_ns, 1, 0, MEAN_SERVICE_NS, np.array([0]))
        waits.append((started_ns - arrivals_ns)[n // 10 :].mean())
    mean, half = interval(waits)
    theory = MEAN_SERVICE_NS * load / (2 * (1 - load))
    assert half < 0.03 * theory
    assert abs(mean - theory) <= half


def test_an_overloaded_batch_server_serves_full_batches_at_its_capacity():
    alpha_ns, beta_ns, limit = 900_000, 50_000, 100
    arrivals_ns = np.arange(50_000, dtype=np.int64) * 10_000  # 100,000 bets/s against 16,949
    _, done_ns, batch = kernels.batch_server(arrivals_ns, limit, alpha_ns, beta_ns, np.array([0]))
    sizes = np.bincount(batch)
    assert set(sizes[3:-1].tolist()) == {limit}
    per_bet_ns = (done_ns[-1] - done_ns[limit * 5]) / (len(done_ns) - 1 - limit * 5)
    assert per_bet_ns == pytest.approx(alpha_ns / limit + beta_ns, rel=0.01)


def test_the_simulated_shard_serves_as_the_batch_kernel_does():
    alpha_ns, beta_ns, limit = 400_000, 30_000, 7
    cycle = Cycle(alpha_ns=alpha_ns, beta_ns=beta_ns, residual_ns=(0,))
    model = structs.replace(Model(), host=Host(states=(Stages(batch=cycle),)), batch_bets_max=limit)
    arrivals_ns = np.cumsum(1 + exponential(9, 1, 1_500, 100_000))
    env = simpy.Environment()
    shard = WalletShard(env, 0, Draws(env, 1, model))
    attempts = [Attempt(Op(operation_ref(1, 1, i), OpKind.BET, 1, 1, 0, 0, amount=1), 1, 1, 0) for i in range(1_500)]
    for at_ns, attempt in zip(arrivals_ns.tolist(), attempts, strict=True):
        after(env, at_ns, shard.place, BetBatch([attempt], lambda: None))
    env.run()
    started_ns, done_ns, _ = kernels.batch_server(arrivals_ns, limit, alpha_ns, beta_ns, np.array([0]))
    assert [attempt.batch_started_ns for attempt in attempts] == started_ns.tolist()
    assert [attempt.committed_ns for attempt in attempts] == done_ns.tolist()
