"""A sweep on a cluster is the call that it is on one machine."""

import pandas as pd
import pytest
from distributed import Client, LocalCluster

from reference_impl.domain.round_timing import Timing
from sim.experiment import Job, sweep
from sim.parameters import Model
from sim.scenario import Betting, Scenario

JOB = Job(
    Scenario(
        players_per_table=20,
        ramp_s=1.0,
        load_s=4.0,
        timing=Timing(window_ms=2000, closing_soon_ms=1000, dealing_ms=300, pause_ms=200),
        betting=Betting(participation=1.0, bets_per_round_mean=2.0),
    ),
    Model(),
)
GRID = {"gateways": [1, 2], "shards": [1, 2]}


@pytest.mark.soak  # a scheduler and two workers, which import everything anew
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_sweep_on_a_cluster_over_tcp_gives_the_rows_of_this_machine(tmp_path):
    told = []
    kept = tmp_path / "sweep.jsonl"
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, protocol="tcp", host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1")
        pool = client.get_executor(pure=False)
        there = sweep(JOB, GRID, seeds=2, pool=pool, resume=kept, progress=lambda done, of: told.append((done, of)))
        workers = {address for who in client.who_has().values() for address in who}
        assert len(client.scheduler_info()["workers"]) == 2
        assert all(address.startswith("tcp://") for address in workers)
    assert told == [(n, 8) for n in range(1, 9)]
    assert len(kept.read_text().splitlines()) == 8
    pd.testing.assert_frame_equal(there, sweep(JOB, GRID, seeds=2, resume=kept))
    here = sweep(JOB, {"gateways": [2], "shards": [2]}, seeds=2)
    same = there[(there["gateways"] == 2) & (there["shards"] == 2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(here, same)
