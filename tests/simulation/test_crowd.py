"""The crowd's simulation against the model of single players, which is its oracle."""

import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from reference_impl.domain.bets import Status
from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.records import OpKind
from reference_impl.domain.round_timing import Timing
from reports.columns import TABLES
from sim import twin
from sim.cores import Cores
from sim.fault_kinds import Fault
from sim.hybrid.events import bucket, bucket_of
from sim.hybrid.exact import middle_of, quantiles_ms
from sim.hybrid.layout import BUCKETS_PER_OCTAVE, HISTOGRAM
from sim.hybrid.system import Crowd
from sim.model import simulate
from sim.parameters import Cycle, Host, Model, Stages, lognormal_table
from sim.scenario import Betting, Campaign, Scenario, Surge
from sim.scenario import Crowd as People
from sim.wiring import FirstRound

SMALL = Scenario(
    players_per_table=40,
    ramp_s=2.0,
    load_s=12.0,
    timing=Timing(window_ms=3000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300),
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
    surges=(Surge(table=1, at_s=4.0, within_s=2.0, factor=2.0),),
)
SLOW_CYCLE = Cycle(alpha_ns=150_000_000, beta_ns=50_000, residual_ns=lognormal_table(1e6, 50e6))
SLOW = structs.replace(Model(), host=Host(states=(Stages(batch=SLOW_CYCLE),)))
MOODY = structs.replace(
    Model(),
    host=Host(
        states=(Stages(), Stages(batch=SLOW_CYCLE)),
        quiet=((0.9, 0.1), (0.5, 0.5)),
        disturbed=((0.2, 0.8), (0.2, 0.8)),
    ),
)
PRESSED = structs.replace(
    Model(),
    host=Host(
        states=(Stages(), Stages(), Stages(), Stages(batch=SLOW_CYCLE)),
        quiet=((0.6, 0.4), (0.5, 0.5)),
        disturbed=((0.2, 0.8), (0.2, 0.8)),
        slice_ns=50_000_000,
        cores=Cores(
            bet_ns=9_000_000, call_ns=2_000_000, push_ns=500_000, login_ns=30_000_000, base=0.1, others=(0.0, 0.9),
            bounds=(0.8,),
        ),
    ),
)  # fmt: skip
WAKING = structs.replace(
    Model(),
    host=Host(states=(Stages(
        lag_ns=lognormal_table(5e5, 2e6), uplink_ns=(0,), wake_ns=lognormal_table(5e5, 20e6), write_ns=(900_000,),
        oversleep_ns=lognormal_table(2e5, 1e6),
    ),)),
)  # fmt: skip
LAGGING = structs.replace(Model(), host=Host(states=(Stages(lag_ns=lognormal_table(2e6, 40e6)),)))


def crowd(scenario, model, **wishes):
    simulated = Crowd(scenario, model, {}, **wishes)
    simulated.run()
    return simulated


def with_faults(*faults):
    return structs.replace(SMALL, faults=tuple(Fault(kind="kill", target=t, at_s=at_s) for t, at_s in faults))


STANDING = structs.replace(SMALL, faults=(
    Fault(kind="stop", target="wallet-1", at_s=5.0, for_s=0.7),
    Fault(kind="disk-full", target="postgres", at_s=8.0, for_s=0.5),
))  # fmt: skip
RETURNING = with_faults(("gateway-1", 4.25), ("gateway-0", 5.45))
"""The second gateway is down when the second round begins, and takes the first one's players while bets are open."""


def in_order(frame, *names):
    return frame.sort_values(list(names), ignore_index=True)


@pytest.mark.parametrize(
    ("scenario", "model"),
    [
        (SMALL, Model()),
        (SMALL, SLOW),
        (SMALL, MOODY),
        (SMALL, LAGGING),
        (SMALL, WAKING),
        (SMALL, PRESSED),
        (RETURNING, PRESSED),
        (structs.replace(SMALL, deposit_minor=1_000), Model()),
        (structs.replace(SMALL, betting=Betting(covers=True), crowds=(People(count=7),)), Model()),
        (structs.replace(SMALL, gateways=5, shards=3, tables=3), Model()),
        (with_faults(("gateway-1", 5.0)), Model()),
        (with_faults(("gateway-1", 6.5)), SLOW),
        (with_faults(("postgres", 6.0)), SLOW),
        (with_faults(("gateway-0", 6.0), ("wallet-1", 6.1)), MOODY),
        (STANDING, SLOW),
        (RETURNING, SLOW),
        (with_faults(("gateway-1", 5.5), ("gateway-0", 6.65)), SLOW),
    ],
    ids=[
        "plain",
        "slow",
        "moody",
        "lagging",
        "waking",
        "pressed",
        "pressed and broken",
        "poor",
        "covers",
        "wide",
        "gateway dies",
        "late bets die",
        "postgres",
        "both",
        "stands still",
        "comes up in mid-round",
        "comes up when bets close soon",
    ],
)
def test_every_row_is_that_of_the_model_of_single_players(scenario, model):
    whole, single = crowd(scenario, model).tables(), simulate(scenario, model)
    assert len(single["ops"]) > 500
    keys = {"ops": ["op"], "ledger": ["shard", "seq"], "rounds": ["round"], "accounts": ["shard", "account"],
            "pushes": ["session", "app_ns", "kind", "seq"], "sessions": ["session", "opened_ns"],
            "placements": ["t_ns", "session"], "faults": ["t_ns"], "orders": ["account"]}  # fmt: skip
    for table, names in keys.items():
        pd.testing.assert_frame_equal(in_order(whole[table], *names), in_order(single[table], *names), obj=table)


def test_who_comes_up_while_bets_are_open_is_awaited_at_the_cut_off():
    tables = simulate(RETURNING, SLOW)
    rounds = tables["rounds"].drop_duplicates("round").set_index("round")
    bets = tables["ops"].query("kind == @OpKind.BET and received_ns > 0").join(rounds["closes_ns"], on="round")
    in_time = bets[bets["received_ns"] < bets["closes_ns"]]
    assert (in_time["gateway"] == 1).sum() > 20
    assert (in_time["status"] != Status.WINDOW_CLOSED).all()


@pytest.mark.soak  # eight pairs of runs for an interval
def test_impatient_players_agree_within_the_spread_of_seeds():
    figures = []
    for seed in range(1, 9):
        scenario = structs.replace(SMALL, answer_s_max=0.4, seed=seed)
        pair = [tables["ops"] for tables in (crowd(scenario, SLOW).tables(), simulate(scenario, SLOW))]
        figures.append([[(ops["attempts"] - 1).clip(lower=0).sum(), (ops["return_ns"] - ops["due_ns"]).median()]
                        for ops in pair])  # fmt: skip
    ratios = np.log(np.array(figures, dtype=float)[:, 0] / np.array(figures, dtype=float)[:, 1])
    half = 3.499 * ratios.std(axis=0, ddof=1) / np.sqrt(len(ratios))  # Student's t, 7 degrees of freedom, 99 %
    assert (half < 0.05).all()
    assert (np.abs(ratios.mean(axis=0)) <= half + 0.005).all()


def test_equal_crowds_give_equal_tables_and_other_seeds_others():
    first, again, other = (crowd(s, MOODY).tables() for s in (SMALL, SMALL, structs.replace(SMALL, seed=2)))
    for name in TABLES:
        pd.testing.assert_frame_equal(first[name], again[name], obj=name)
    assert not first["ops"].equals(other["ops"])


@pytest.mark.parametrize("watching", [0, pytest.param(500, marks=pytest.mark.soak)])  # compiles the viewers
def test_equal_seeds_write_equal_bytes_at_the_size_of_a_crowd(watching, tmp_path):
    wide = structs.replace(SMALL, tables=10, players_per_table=1_000, gateways=8)
    scenario = structs.replace(wide, viewers_per_table=watching, edges=5 if watching else 0)
    campaign = Campaign(name="equal", scenario=structs.replace(scenario, load_s=6.0, deposit_minor=2_000))
    folders = [twin.crowd_run(campaign, tmp_path / name, MOODY, followed=300).path for name in ("one", "again")]
    files = sorted(file.name for file in folders[0].glob("*.parquet"))
    assert {"ops.parquet", "ledger.parquet", "video.parquet", "nodes.parquet"} <= set(files)
    assert (len(pd.read_parquet(folders[0] / "video.parquet")) > 0) == (watching > 0)
    for name in files:
        first, again = ((folder / name).read_bytes() for folder in folders)
        assert first == again, name


def test_whom_one_follows_changes_nothing_but_who_is_seen():
    everybody, few = crowd(SMALL, MOODY), crowd(SMALL, MOODY, share=0.1, trace=(7,))
    assert everybody.exact() == few.exact()
    seen, ops = few.tables()["ops"], everybody.tables()["ops"]
    assert 0 < len(seen) < len(ops) / 3
    assert set(seen["weight"]) <= {0.0, 10.0}
    apart = ["weight", "seq", "return_ns", "kernel_ns"]
    same = ops[ops["account"].isin(seen["account"])]
    pd.testing.assert_frame_equal(
        in_order(seen, "op").drop(columns=apart), in_order(same, "op").drop(columns=apart)
    )  # fmt: skip
    assert 7 in set(seen["account"])


def test_exact_totals_are_those_of_the_rows():
    whole = crowd(SMALL, SLOW)
    ops, exact = whole.tables()["ops"], whole.exact()
    bets = ops[ops["kind"] == int(OpKind.BET)]
    latency_ms = (bets["return_ns"] - bets["due_ns"]) / 1e6
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        assert exact.latency_ms[name] == pytest.approx(latency_ms.quantile(q, interpolation="lower"), rel=0.01)
    assert exact.offered == len(bets)


def test_histogram_buckets_are_exact_to_one_percent():
    values = np.unique(np.logspace(0, 12, 5_000).astype(np.int64))
    buckets = np.array([bucket_of(int(value)) for value in values])
    assert buckets.tolist() == [bucket(value) for value in values]
    assert buckets.max() < HISTOGRAM
    assert (np.abs(middle_of(buckets) / values - 1) < 1 / BUCKETS_PER_OCTAVE).all()
    assert quantiles_ms(np.zeros(HISTOGRAM, dtype=np.int64)) == {}


def test_tables_begin_where_they_are_asked_to():
    starts = {1: FirstRound(5, -3.0), 2: FirstRound(9, 1.5)}
    shifted = Crowd(SMALL, Model(), starts)
    shifted.run()
    pd.testing.assert_frame_equal(
        in_order(shifted.tables()["rounds"], "round"), in_order(simulate(SMALL, Model(), starts)["rounds"], "round")
    )


def test_a_kernel_that_forgets_a_stake_is_caught_by_the_ledger():
    planted = Crowd(SMALL, Model(), {})
    provide = planted._provide

    def forget():
        provide()
        planted.state.world.players["balance"][1:] -= 1

    planted._provide = forget
    with pytest.raises(InvariantViolationError, match="the ledger answers"):
        planted.run()
