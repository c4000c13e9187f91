"""Components of the crowd's simulation against closed forms, and laws that hold in every run."""

import math

import numba
import numpy as np
import pytest
from msgspec import structs

from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.ledger import Ledger
from reference_impl.domain.phases import Phase
from reference_impl.domain.placement import two_choices
from reference_impl.domain.round_timing import Timing
from reports.checks import run_checks
from reports.student import t_quantile
from sim import twin
from sim.experiment import Job, figures
from sim.hybrid import landing
from sim.hybrid.events import submit
from sim.hybrid.gateways import CrowdGateways
from sim.hybrid.handles import made
from sim.hybrid.screens import VIEWER, HallHandle, empty_hall, steps
from sim.hybrid.system import Crowd
from sim.kernels import compiled
from sim.model import simulate
from sim.parameters import Model
from sim.random_streams import uniform
from sim.scenario import Betting, Campaign, Scenario
from sim.statistics import interval, mser5, prediction_limit

REPLICATIONS = 20
SMALL = Scenario(
    players_per_table=60,
    ramp_s=2.0,
    load_s=12.0,
    timing=Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300),
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
)
pick = compiled(two_choices)


def exponential(seed, stream, n, mean):
    return -mean * np.log(uniform(seed, stream, np.arange(n), 0))


@numba.njit
def waits_at_core(world, arrivals_ns, services_ns):
    total = 0.0
    skipped = len(arrivals_ns) // 10
    for i in range(len(arrivals_ns)):
        start_ns = submit(world, np.int64(0), arrivals_ns[i], services_ns[i])
        if i >= skipped:
            total += start_ns - arrivals_ns[i]
    return total / (len(arrivals_ns) - skipped)


@pytest.mark.soak  # 20 replications for an interval of two percent
@pytest.mark.parametrize(
    ("service", "scv"), [("exponential", 1.0), ("constant", 0.0), ("two-valued", 4.0)], ids=["M/M/1", "M/D/1", "M/G/1"]
)
def test_a_gateways_core_waits_as_pollaczek_and_khinchine_say(service, scv):
    load, mean_ns, n = 0.7, 100_000.0, 400_000
    waits = []
    for seed in range(REPLICATIONS):
        world = Crowd(structs.replace(SMALL, tables=1, players_per_table=1), Model(), {}).state.handle
        arrivals_ns = np.cumsum(exponential(seed, 1, n, mean_ns / load)).astype(np.int64)
        if service == "exponential":
            services = exponential(seed, 2, n, mean_ns)
        elif service == "constant":
            services = np.full(n, mean_ns)
        else:  # 9 means with probability 1/17, half a mean otherwise: variance of four squared means
            services = np.where(uniform(seed, 2, np.arange(n), 0) < 1 / 17, 9 * mean_ns, mean_ns / 2)
        waits.append(waits_at_core(world, arrivals_ns, services.astype(np.int64)))
    theory = load * mean_ns * (1 + scv) / 2 / (1 - load)
    found = interval(waits, 0.99)
    assert found.relative < 0.02
    assert abs(found.mean - theory) <= found.half + 2


@pytest.mark.soak  # 20 replications for an interval of two percent
def test_a_kept_playlist_is_asked_for_as_often_as_coalescing_with_a_lifetime_says():
    keep_s, rate, n = 1.0, 5.0, 60_000
    rates = []
    for seed in range(REPLICATIONS):
        viewers = np.zeros(n, dtype=VIEWER)
        hall = empty_hall(structs.replace(SMALL, edges=1, tables=1), Model().video)
        instant = steps((0,))
        handle = made(HallHandle, hall._replace(trips=instant))
        at_s = np.cumsum(exponential(seed, 1, n, 1 / rate))
        viewers["asked_ns"] = (at_s * 1e9).astype(np.int64)
        untils = set()
        listed = np.zeros((1, 1, 2), dtype=np.int64)
        asked = viewers["asked_ns"].copy()
        for i in range(0, n, 1):
            if asked[i] >= listed[0, 0, 0]:
                landing.join(
                    handle, viewers[i : i + 1], 0, np.zeros(1, np.int64), 0, listed, round(keep_s * 1e9), 0
                )  # fmt: skip
                untils.add(int(listed[0, 0, 0]))
        rates.append(len(untils) / at_s[-1])
    theory = 1 / (1 / rate + keep_s)
    found = interval(rates, 0.99)
    assert found.relative < 0.02
    assert abs(found.mean - theory) <= found.half


@numba.njit
def queues_of_two_choices(n, load, arrivals, seed):
    np.random.seed(seed)  # noqa: NPY002 - Numba knows no generators of its own kind
    queue = np.zeros(n)
    longer = np.zeros(6)
    seen = came = 0
    while came < arrivals:
        if np.random.random() < load / (1 + load):  # noqa: NPY002
            queue[pick(queue, np.random.random(), np.random.random())] += 1  # noqa: NPY002
            came += 1
        else:
            at = np.random.randint(n)  # noqa: NPY002
            queue[at] = max(0.0, queue[at] - 1)
        if came > arrivals // 5 and came % (n // 2) == 0:
            seen += 1
            for i in range(1, 6):
                longer[i] += np.sum(queue >= i) / n
    return longer / seen


@pytest.mark.soak  # eight replications of 400,000 arrivals
def test_placement_spreads_load_as_the_power_of_two_choices_says():
    load = 0.9
    shares = np.array([queues_of_two_choices(500, load, 400_000, seed) for seed in range(8)])
    for i in (1, 2, 3, 4):
        found = interval(shares[:, i], 0.99)
        assert abs(found.mean / load ** (2**i - 1) - 1) < 0.03, i


def test_busy_times_and_counts_of_every_process_are_exactly_the_oracles():
    crowd = Crowd(SMALL, Model(), {})
    crowd.run()
    ours, single = (tables["nodes"].sort_values(["t_ns", "node"], ignore_index=True)
                    for tables in (crowd.tables(), simulate(SMALL, Model())))  # fmt: skip
    for column in ("t_ns", "cpu_ns", "connections", "ops", "egress_bytes", "lag_ns_max"):
        assert ours[column].tolist() == single[column].tolist(), column
    shards = crowd.exact().shard_utilisation
    last = single.groupby("node").last()
    law = [last.loc[f"wallet-{n}", "cpu_ns"] / crowd.now_ns for n in range(2)]
    assert shards == pytest.approx(law, abs=1e-3)


@pytest.mark.parametrize(("what", "whose"), [("shards", "shard"), ("gateways", "gateway")])
def test_more_capacity_never_raises_its_load(what, whose):
    # more gateways do raise the shards': each rests after its own batches, which are smaller then, and cost a call each
    crowded = structs.replace(SMALL, players_per_table=400)
    name = f"{whose}.utilisation_max"
    found = [figures(Job(structs.replace(crowded, **{what: n}), Model()))[name] for n in (1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)


def pays_double(ledger, known, payouts, original=Ledger.settle):
    return original(ledger, known, [(ref, account, 2 * payout) for ref, account, payout in payouts])


def closes_late(gateways, news, awaited, original=CrowdGateways.announce):
    original(gateways, news._replace(closes_ns=news.closes_ns + 400_000_000), awaited)


def tells_another_outcome(gateways, news, awaited, original=CrowdGateways.announce):
    told = news._replace(outcome=(news.outcome + 1) % 37) if news.phase is Phase.RESULT else news
    original(gateways, told, awaited)


@pytest.mark.parametrize(
    ("bug", "caught_by"),
    [(closes_late, "no_late_bet"), (tells_another_outcome, "settled_once")],
    ids=["gateways close late", "another outcome is told"],
)  # fmt: skip
def test_a_bug_planted_into_the_model_is_named_by_its_check(bug, caught_by, tmp_path, monkeypatch):
    monkeypatch.setattr(CrowdGateways, "announce", bug)
    busy = structs.replace(SMALL, players_per_table=200, load_s=8.0)
    run = twin.crowd_run(Campaign(name="planted", scenario=busy), tmp_path)
    assert run_checks(run)[caught_by].status == "illegal"


def test_a_shard_that_pays_double_is_stopped_by_the_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(Ledger, "settle", pays_double)
    with pytest.raises(InvariantViolationError):
        twin.crowd_run(Campaign(name="planted", scenario=structs.replace(SMALL, deposit_minor=3_000)), tmp_path)


def test_a_followed_crowd_passes_every_check_that_a_measured_run_has_to_pass(tmp_path):
    campaign = Campaign(name="crowd", scenario=structs.replace(SMALL, players_per_table=300))
    run = twin.crowd_run(campaign, tmp_path, followed=60, trace=(11,))
    statuses = {name: verdict.status for name, verdict in run_checks(run).items()}
    assert set(statuses.values()) <= {"ok", "skipped"}, statuses
    untold = {"outcomes_verified", "told_truly", "trail_equals_ledger", "video_advances"}  # see twin.NOT_SIMULATED
    assert {name for name, status in statuses.items() if status == "skipped"} == untold
    assert run.manifest["exact"]["players"]["players"] == 600
    assert run.manifest["followed"]["share"] == pytest.approx(0.1)
    assert 11 in set(run.ops["account"])


@pytest.mark.parametrize(
    ("degrees", "probability", "value"),
    [(1, 0.975, 12.7062), (4, 0.95, 2.13185), (7, 0.995, 3.49948), (19, 0.995, 2.86093), (100, 0.9, 1.29007)],
)
def test_students_quantiles_are_those_of_the_tables(degrees, probability, value):
    assert t_quantile(probability, degrees) == pytest.approx(value, rel=1e-5)


def test_intervals_of_one_run_say_nothing():
    assert math.isinf(interval([3.0]).half)
    assert math.isinf(prediction_limit([3.0], 0.9))


def test_mser5_drops_the_transient_and_little_else():
    noise = uniform(1, 1, np.arange(200), 0)
    assert mser5(np.concatenate([20 * np.exp(-np.arange(40) / 10), np.zeros(160)]) + noise) in range(20, 61)
    assert mser5(noise) <= 100
    assert mser5([1.0] * 7) == 0
