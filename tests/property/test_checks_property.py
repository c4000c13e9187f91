"""Whatever a truthful history looks like, no check finds anything; and what is planted in it is found."""

from histories import Shape, make_tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import PLANTED

from reference_impl.domain.bets import TableLimits
from reference_impl.domain.games.roulette import SPOTS
from reports.checks import CHECKS, History
from reports.checks.history import Terms

TERMS = Terms(limits=TableLimits(stake_minor_min=1, stake_minor_max=100_000, n_selections=len(SPOTS)))

shapes = st.builds(
    Shape,
    seed=st.integers(0, 10_000),
    tables=st.integers(1, 3),
    rounds=st.integers(1, 3),
    players=st.integers(1, 5),
    bets_per_round=st.integers(1, 4),
    shards=st.integers(1, 3),
    gateways=st.integers(1, 3),
    void_share=st.sampled_from((0.0, 0.5, 1.0)),
    lost_share=st.sampled_from((0.0, 0.3)),
    retried_share=st.sampled_from((0.0, 0.3)),
    late_share=st.sampled_from((0.0, 0.4)),
    deposit_minor=st.sampled_from((0, 1_000, 100_000)),
    stake_limit_minor=st.sampled_from((0, 900)),
    loss_limit_minor=st.sampled_from((0, 1_500)),
    fault_at_s=st.none() | st.floats(1.0, 30.0),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes)
def test_a_truthful_history_is_ok_by_every_check(shape):
    history = History(make_tables(shape))
    said = {name: check.function(history) for name, check in CHECKS.items()}
    assert {name: verdict.status for name, verdict in said.items()} == dict.fromkeys(CHECKS, "ok"), said


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.sampled_from(PLANTED))
def test_whatever_the_history_what_is_planted_in_it_is_found(seed, planted):
    name, plant = planted
    tables = make_tables(Shape(seed=seed))
    plant(tables)
    verdict = CHECKS[name].function(History(tables, terms=TERMS))
    assert verdict.status == "illegal", (plant.__name__, verdict.message)
