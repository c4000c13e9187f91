"""Bets that are sent again faster than they are written: a crowd's run ends, or is refused in one line."""

import math
import pickle

import pytest
from msgspec import structs

from reference_impl.bets import batching
from reference_impl.domain.round_timing import Timing
from sim import wiring
from sim.fault_kinds import Fault
from sim.hybrid import layout
from sim.hybrid.system import Crowd
from sim.model import simulate
from sim.parameters import Cycle, Host, Model, Stages
from sim.plan import parse_limit, plan
from sim.scenario import Betting, Scenario

IMPATIENT = Scenario(
    tables=1, players_per_table=40, ramp_s=1.0, load_s=4.0, answer_s_max=0.4, shards=1,
    timing=Timing(window_ms=2000, closing_soon_ms=1000, dealing_ms=500, pause_ms=300),
    betting=Betting(participation=1.0, bets_per_round_mean=3.0),
)  # fmt: skip
SLUGGISH = structs.replace(
    Model(), host=Host(states=(Stages(batch=Cycle(alpha_ns=1_000_000_000, beta_ns=0, residual_ns=(0,))),))
)
"""Every answer comes after its player has gone elsewhere."""
LIMIT = parse_limit("bet.p99_ms <= 250")


def test_nothing_is_sent_again_once_a_run_is_over():
    crowd = Crowd(IMPATIENT, SLUGGISH, {})
    under_way = []

    def look():
        under_way.append(int(crowd.state.world.counts[layout.EVENTS]))
        assert under_way == [0], "it would go on for ever"

    crowd.call_at(IMPATIENT.load_s + wiring.DRAIN_S_MAX + 30.0, look)
    crowd.run()
    assert under_way
    assert crowd.exact().unanswered > 0
    assert crowd.exact().resent > 1_000


@pytest.fixture
def small_gateways(monkeypatch):
    monkeypatch.setattr(wiring, "PENDING_BETS_MAX", 100)


@pytest.mark.usefixtures("small_gateways")
@pytest.mark.parametrize("begin", [lambda s, m: Crowd(s, m, {}).run(), simulate], ids=["crowd", "single players"])
def test_more_bets_than_gateways_keep_are_refused_with_value_limit_and_what_decides_it(begin):
    with pytest.raises(wiring.OverloadError) as refused:
        begin(structs.replace(IMPATIENT, players_per_table=400), SLUGGISH)
    said = str(refused.value)
    assert " bets wait at gateway-" in said
    assert "100 a shard are the most that it keeps (100 here)" in said
    assert "answer_s_max = 0.4 s" in said
    assert str(pickle.loads(pickle.dumps(refused.value))) == said, "it comes from other processes, too"  # noqa: S301


@pytest.mark.usefixtures("small_gateways")
def test_a_size_at_which_gateways_would_refuse_bets_is_too_small():
    found = plan(IMPATIENT, SLUGGISH, [LIMIT], seconds_max=0.0)
    assert not found.holds
    assert found.figures["bet.p99_ms"] == math.inf


def test_a_shard_that_stands_still_for_more_rounds_than_are_kept_is_refused():
    standing = Fault(kind="stop", target="wallet-1", at_s=1.2, for_s=22.0)
    scenario = structs.replace(IMPATIENT, answer_s_max=3.0, load_s=30.0, tables=2, shards=2, faults=(standing,))
    with pytest.raises(
        wiring.OverloadError, match=r"table 2: \d+ bets of round \d have no end when round \d opens: 4 "
    ):
        Crowd(scenario, Model(), {}).run()


def test_the_bound_is_that_of_the_gateways():
    assert wiring.PENDING_BETS_MAX == batching.PENDING_BETS_MAX
