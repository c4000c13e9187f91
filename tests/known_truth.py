"""Runs whose truth is known: simulated by a model, with the notes of its cores that a real host would have left."""

import msgspec
import numpy as np
from msgspec import structs

from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_MS, NS_PER_S, NS_PER_US
from reports.run import frame_of, manifest_base, write_run
from sim.contention import SLICE_NS, seen
from sim.cores import Cores, Work
from sim.hybrid.system import Crowd
from sim.parameters import Cycle, Host, Model, Stages, lognormal_table
from sim.scenario import Betting, Campaign, Scenario

SLOW = Stages(uplink_ns=lognormal_table(3 * NS_PER_MS, 30 * NS_PER_MS),
              batch=Cycle(alpha_ns=6 * NS_PER_MS, beta_ns=60 * NS_PER_US, residual_ns=(0,)))  # fmt: skip
COSTS = Cores(count=2, bet_ns=400_000, call_ns=900_000, push_ns=60_000, login_ns=4_000_000, base=0.2)
TRUTH = structs.replace(
    Model(), host=Host(states=(Stages(), SLOW), slice_ns=SLICE_NS, cores=structs.replace(COSTS, bounds=(0.4,)))
)
PLAN = Scenario(
    tables=2, players_per_table=10, ramp_s=1.0, load_s=9.0, deposit_minor=10_000_000,
    timing=Timing(window_ms=2500, closing_soon_ms=800, dealing_ms=300, pause_ms=200),
    betting=Betting(participation=1.0, bets_per_round_mean=10.0),
)  # fmt: skip


def played(folder, players, seed, others=0.1):
    """Write a run that the true model made, with notes of its cores as a real host gives them."""
    scenario = structs.replace(PLAN, players_per_table=players, seed=seed)
    cores = structs.replace(TRUTH.host.cores, others=(others,))
    crowd = Crowd(scenario, structs.replace(TRUTH, host=structs.replace(TRUTH.host, cores=cores)), {})
    crowd.run()
    tables = crowd.tables()
    start_ns = crowd.load_start_ns
    at_ns = np.arange(start_ns, start_ns + 10 * NS_PER_S, NS_PER_S)
    did = seen(tables["ops"], tables["pushes"])
    done = np.column_stack([np.searchsorted(instants, at_ns) for instants in did[:4]])
    own_ns = [
        COSTS.cost_ns(Work(*row), Work()) + round(COSTS.base * (t - at_ns[0]))
        for row, t in zip(done.tolist(), at_ns, strict=True)
    ]
    tables["nodes"] = frame_of("nodes", {
        name: own_ns if name == "cpu_ns" else at_ns if name == "t_ns" else ["all"] * 10 if name == "node" else [0] * 10
        for name in tables["nodes"].columns
    })  # fmt: skip
    tables["generator"] = tables["generator"].iloc[:0]
    busy_ns = [own + round(others * (t - at_ns[0])) for own, t in zip(own_ns, at_ns, strict=True)]
    campaign = Campaign(name=f"told-{players}-r{seed}", scenario=scenario)
    manifest = manifest_base(
        kind="measured", name=campaign.name, campaign=msgspec.to_builtins(campaign), seed=seed,
        load_start_ns=start_ns, load_end_ns=start_ns + 9 * NS_PER_S,
        host_load=[[int(t), int(busy), 0] for t, busy in zip(at_ns, busy_ns, strict=True)],
    )  # fmt: skip
    return write_run(folder / f"20260101T000000-{campaign.name}", manifest, tables)
