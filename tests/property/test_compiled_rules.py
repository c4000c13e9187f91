"""Every compiled rule answers as its plain form does."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.domain import abr, bets, cutoff, mixing
from sim import arrivals, kernels, random_streams
from sim.scenario import Betting, Scenario

SEEDS = st.integers(0, (1 << 62) - 1)
WORDS = st.integers(0, (1 << 32) - 1)
PLAYERS = st.integers(0, (1 << 48) - 1)
INSTANTS = st.integers(0, 1 << 61)
UNIFORMS = st.floats(1e-12, 1 - 1e-12)
MEANS = st.floats(0.01, 30.0)
SHARES = st.floats(0.0, 0.5)

unhurried = settings(deadline=None)  # a first call compiles


@unhurried
@given(WORDS)
def test_compiled_mixer_equals_plain_mixer(word):
    assert kernels.mix32(word) == mixing.mix32(word)


@unhurried
@given(SEEDS, st.integers(1, 40), PLAYERS, WORDS)
def test_compiled_streams_equal_plain_streams(seed, stream, player, k):
    assert kernels.uniform(seed, stream, player, k) == random_streams.uniform(seed, stream, player, k)


@unhurried
@given(INSTANTS, INSTANTS, INSTANTS)
def test_compiled_cut_off_equals_plain_cut_off(received, opens, closes):
    assert kernels.in_time(received, opens, closes) == cutoff.in_time(received, opens, closes)


@unhurried
@given(st.integers(0, 9), INSTANTS, INSTANTS, st.integers(0, 1 << 40))
def test_compiled_closing_rule_equals_plain_closing_rule(awaited, now, closes, flush):
    assert kernels.may_close(awaited, now, closes, flush) == cutoff.may_close(awaited, now, closes, flush)


@unhurried
@given(st.tuples(UNIFORMS, UNIFORMS, st.floats(1.0, 60.0), SHARES, SHARES, MEANS, MEANS))
def test_compiled_bet_times_equal_plain_bet_times(arguments):
    assert np.isclose(kernels.bet_offset_s(*arguments), bets.bet_offset_s(*arguments), rtol=1e-9, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 60), st.integers(1, 100_000), st.floats(0, 1), st.floats(1, 5), st.booleans())
def test_a_planned_round_equals_the_players_own_plans(seed, players, round_no, participation, mean, covers):
    betting = Betting(participation=participation, bets_per_round_mean=mean, covers=covers)
    scenario = Scenario(seed=seed, betting=betting)
    numbers = np.arange(1, players + 1)
    index, offset_ns, selection, amount = kernels.plan_round(
        seed, numbers, round_no, participation, mean, *arrivals.rule_arguments(scenario)
    )
    planned = sorted(zip(index.tolist(), offset_ns.tolist(), selection.tolist(), amount.tolist(), strict=True))
    plain = [
        (i, *bet)
        for i, player in enumerate(numbers.tolist())
        for bet in arrivals.planned_bets(scenario, player, round_no)
    ]
    assert [(i, s, a) for i, _, s, a in planned] == [(i, s, a) for i, _, s, a in plain]
    assert all(abs(x[1] - y[1]) <= 1 for x, y in zip(planned, plain, strict=True))


@unhurried
@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 50), st.integers(0, 9))
def test_compiled_batch_server_equals_its_plain_form(arrivals_ns, batch_max, alpha, beta):
    arguments = (np.sort(np.array(arrivals_ns, dtype=np.int64)), batch_max, alpha, beta, np.array([0, 3, -1]))
    for ours, plain in zip(kernels.batch_server(*arguments), kernels.batch_server.py_func(*arguments), strict=True):
        assert ours.tolist() == plain.tolist()


MEANS_BPS = st.floats(0.0, 1e9)
KNOWN = st.just(0.0) | st.floats(1e-6, 1.0)


@unhurried
@given(st.tuples(MEANS_BPS, MEANS_BPS, KNOWN, st.integers(0, 1 << 24), st.floats(1e-6, 60.0)))
def test_compiled_link_estimate_equals_plain_link_estimate(arguments):
    learnt, plain = kernels.learn(*arguments), abr.learn(*arguments)
    assert np.allclose(learnt, plain, rtol=1e-12)
    assert np.isclose(kernels.throughput_bps(*learnt), abr.throughput_bps(*plain), rtol=1e-9)


@unhurried
@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=6, unique=True), st.integers(0, 5), MEANS_BPS,
    st.floats(0.0, 10.0),
)  # fmt: skip
def test_compiled_rendition_choice_equals_plain_choice(rates, current, estimate_bps, buffer_s):
    rates_bps = np.array(sorted(rates), dtype=np.float64)
    arguments = (rates_bps, min(current, len(rates) - 1), estimate_bps, buffer_s)
    assert kernels.choose(*arguments) == abr.choose(*arguments)


def test_a_rule_is_compiled_once():
    assert kernels.compiled(cutoff.in_time) is kernels.in_time
