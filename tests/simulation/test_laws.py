"""Little's law and the utilisation law hold on every run, and name the component in which a planted bug breaks them."""

import pandas as pd
import pytest
from msgspec import structs

from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.round_timing import Timing
from sim import twin
from sim.hybrid.system import Crowd
from sim.hybrid.wallet import CrowdShard
from sim.laws import Books, hold
from sim.model import Simulation
from sim.parameters import Cycle, Host, Model, Stages
from sim.scenario import Betting, Campaign, Fault, Scenario
from sim.server import Server
from sim.wallet import WalletShard

BUSY = Scenario(
    players_per_table=40, ramp_s=1.0, load_s=6.0,
    timing=Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300),
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
    faults=(Fault(kind="kill", target="wallet-1", at_s=2.0), Fault(kind="kill", target="gateway-0", at_s=2.5)),
)  # fmt: skip
CYCLE = Cycle(alpha_ns=150_000_000, beta_ns=50_000, residual_ns=(0,))
SLOW = structs.replace(Model(), host=Host(states=(Stages(batch=CYCLE),)))


def crowd(scenario=BUSY):
    return Crowd(scenario, SLOW, {})


def single(scenario=BUSY):
    return Simulation(scenario, SLOW, {})


def test_both_models_keep_equal_books_through_faults():
    kept = []
    for model in (crowd(), single()):
        model.run()
        kept.append(model.books)
    assert kept[0] == kept[1]
    assert all(kept[0][f"wallet-{n}"]["inside"] > 0 and kept[0][f"wallet-{n}"]["work"] > 0 for n in range(2))


def test_books_of_a_wallet_are_those_of_its_bets():
    model = crowd(structs.replace(BUSY, faults=()))
    model.run()
    bets = model.tables()["ops"].query("committed_ns > 0")
    stays_ns = (bets["committed_ns"] - bets["wallet_received_ns"]).groupby(bets["shard"]).sum()
    assert [model.books[f"wallet-{n}"]["stays"] for n in range(2)] == stays_ns.tolist()
    sampled = model.tables()["nodes"].groupby("node")["cpu_ns"].max()
    assert {name: book["busy"] for name, book in model.books.items()} == sampled[list(model.books)].to_dict()


def test_a_simulated_run_carries_its_books(tmp_path):
    campaign = Campaign(name="laws", scenario=structs.replace(BUSY, edges=2, viewers_per_table=5))
    run = twin.sim_run(campaign, tmp_path, Model())
    names = {"wallet-0", "wallet-1", "gateway-0", "gateway-1", "origin", "edge-0", "edge-1's link"}
    assert names <= set(run.manifest["laws"])
    busy = pd.DataFrame(run.manifest["laws"]).T
    assert (busy["work"] == busy["busy"]).all()
    assert (busy["inside"] == busy["stays"]).all()


def serves_two_at_once(server, service_ns):
    now_ns = int(server._env.now)
    server._idle_ns += max(0, now_ns - server._free_ns)
    server._free_ns = max(server._free_ns, now_ns + service_ns)
    server._submitted_ns += service_ns
    return now_ns, now_ns + service_ns


def loses_its_queue(shard, original=WalletShard.kill):
    original(shard)
    shard._bets.clear()


def loses_its_parcels(shard, original=CrowdShard.kill):
    original(shard)
    shard._state.world.shards["first"][shard.number] = -1


def forgets_to_stop(shard, original=CrowdShard.kill):
    row = shard._state.world.shards[shard.number]
    ends_ns = int(row["ends_ns"])
    original(shard)
    row["work_ns"] += max(0, ends_ns - int(shard._env.now))


@pytest.mark.parametrize(
    ("owner", "name", "bug", "model", "says"),
    [
        (Server, "submit", serves_two_at_once, single, "utilisation law: gateway-0 was busy"),
        (WalletShard, "kill", loses_its_queue, single, "Little's law: wallet-1 held"),
        (CrowdShard, "kill", loses_its_parcels, crowd, "Little's law: wallet-1 held"),
        (CrowdShard, "kill", forgets_to_stop, crowd, "utilisation law: wallet-1 was busy"),
    ],
    ids=["two at once", "a queue is lost", "parcels are lost", "a dead writer works on"],
)
def test_a_bug_planted_into_a_component_is_named_by_its_law(owner, name, bug, model, says, monkeypatch):
    monkeypatch.setattr(owner, name, bug)
    with pytest.raises(InvariantViolationError, match=says):
        model().run()


def test_books_that_agree_are_kept_by_component():
    assert hold([Books("edge-7", 5, 5, 3, 3)]) == {"edge-7": {"work": 5, "busy": 5, "inside": 3, "stays": 3}}
