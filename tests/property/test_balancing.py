"""What every balancing rule promises, for any load and any report."""

from math import ceil, inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_impl.domain.balancing import choosing, fleet, heat, moves, ordering, signals
from reference_impl.domain.balancing.fleet import Fleet, Heard
from reference_impl.domain.balancing.policies import POLICIES, Candidates, Wish, policy_of, replayed
from reference_impl.domain.errors import ConfigError

NUMBERS = st.lists(st.integers(0, 5_000), min_size=1, max_size=24, unique=True)
KEYS = st.integers(0, (1 << 32) - 1)
UNIFORMS = st.floats(0.0, 1.0, exclude_max=True)
LOADS = st.floats(0.0, 1e5)
WEIGHTS = st.floats(0.01, 1.0)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine


@st.composite
def fleets(draw, weight=WEIGHTS):
    n = draw(st.integers(1, 16))
    columns = [draw(st.lists(kind, min_size=n, max_size=n)) for kind in (LOADS, weight, st.floats(0.1, 100.0))]
    return Candidates(tuple(range(n)), *(tuple(column) for column in columns))


@st.composite
def wishes(draw):
    return Wish(draw(KEYS), draw(st.integers(1, 20)), draw(UNIFORMS), draw(UNIFORMS))


@quick
@pytest.mark.parametrize("order", [ordering.rendezvous_order, ordering.ring_order])
@given(key=KEYS, numbers=NUMBERS, leaver=st.integers(0, 23))
def test_only_who_leaves_is_missed(order, key, numbers, leaver):
    gone = numbers[leaver % len(numbers)]
    before = [numbers[i] for i in order(key, numbers)]
    rest = [number for number in numbers if number != gone]
    assert sorted(before) == sorted(numbers)
    assert [rest[i] for i in order(key, rest)] == [number for number in before if number != gone]


@quick
@given(st.integers(1, 16), st.lists(st.integers(0, 40), max_size=100))
def test_bounded_ring_keeps_its_bound_whatever_the_keys(places, keys):
    load, ring = [0.0] * places, ordering.ring_of(range(places))
    for placed, key in enumerate(keys):
        at = choosing.bounded_ring(load, ordering.walk(ring, key))
        load[at] += 1
        assert load[at] <= max(1, ceil(choosing.BOUND * (placed + 1) / places))


@quick
@given(fleets(), wishes())
def test_replica_set_is_left_only_when_it_is_full_and_only_for_who_is_not(among, wish):
    order = ordering.rendezvous_order(wish.key, among.numbers)
    chosen = choosing.replica_choice(among.loads, among.weights, order, wish.copies)
    limit = choosing.full_from((sum(among.loads) + 1) / sum(among.weights))

    def is_full(i):
        return among.loads[i] + 1 > limit * among.weights[i]

    own = order[: wish.copies]
    if not all(is_full(i) for i in own):
        assert chosen in own
        assert not is_full(chosen)
    elif not all(is_full(i) for i in order):
        assert not is_full(chosen)
    else:
        assert chosen in own


@quick
@given(LOADS, LOADS, st.floats(1.0, 1e5), st.integers(1, 300))
def test_replica_sets_grow_with_their_audience_and_hold_it(one, other, mean, places):
    few, many = (choosing.copies_of(audience, mean, places) for audience in sorted((one, other)))
    assert 1 <= few <= many <= places
    assert few * mean >= min(one, other, places * mean * 0.99)


@quick
@pytest.mark.parametrize("name", list(POLICIES))
@given(among=fleets(), wish=wishes())
def test_every_policy_chooses_a_candidate_and_the_same_one_again(name, among, wish):
    policy = policy_of(name)
    chosen = policy.choose(among, wish)
    assert 0 <= chosen < len(among.numbers)
    assert policy.choose(Candidates(*map(list, among)), wish) == chosen


def test_unknown_policy_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match="no policy 'best'; there are random, least-loaded"):
        policy_of("best")


@quick
@given(st.booleans(), st.lists(st.floats(0.5, 2.0), max_size=100))
def test_heat_does_not_flap_between_its_thresholds(hot, ratios):
    for ratio in ratios:
        after = signals.hot_next(hot, ratio)
        if after != hot:
            assert ratio > signals.HOT_ON if after else ratio <= signals.HOT_OFF
        hot = after


def test_giving_cools_a_place_down():
    assert moves.GIVE_TO < signals.HOT_OFF < signals.HOT_ON
    assert moves.TAKE_TO < moves.GIVE_TO


@quick
@given(fleets(st.one_of(st.just(0.0), WEIGHTS)), st.data())
def test_planned_moves_keep_to_budget_supply_and_room(among, data):
    n = len(among.numbers)
    counts = st.lists(st.integers(0, 5_000), min_size=n, max_size=n)
    sessions = data.draw(counts)
    movable = [min(pair) for pair in zip(sessions, data.draw(counts), strict=True)]
    gives = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    budget = data.draw(st.integers(0, 3_000))
    takes = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    plan = moves.plan_moves(among.loads, among.weights, sessions, movable, gives, takes, budget)
    assert sum(count for _, _, count in plan) <= budget
    level = moves.level_of(among.loads, among.weights)
    load = list(among.loads)
    for giver, taker, count in plan:
        assert giver != taker
        assert gives[giver]
        assert count > 0
        assert takes[taker]
        assert among.weights[taker] > 0
        each = among.loads[giver] / sessions[giver] if among.loads[giver] > 0 else 1.0
        load[giver] -= count * each
        load[taker] += count * each
        if among.weights[giver] > 0:
            assert load[taker] <= moves.TAKE_TO * level * among.weights[taker] * (1 + 1e-9) + 1e-6
    most = 1 + moves.TAKE_SHARE_MAX * budget / n
    for i in range(n):
        assert sum(count for _, taker, count in plan if taker == i) <= most
        given_away = sum(count for giver, _, count in plan if giver == i)
        assert given_away <= movable[i]
        if given_away and among.weights[i] > 0:
            assert load[i] >= moves.GIVE_TO * level * among.weights[i] * (1 - 1e-9) - 1e-6


@quick
@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans(), st.integers(0, 1)), max_size=60))
def test_nobody_is_moved_twice_within_the_rest_nor_with_a_bet_at_stake(steps):
    now_s, moved_s = 0.0, -inf
    for passed_s, between_rounds, unsettled in steps:
        now_s += passed_s
        if moves.may_move(now_s, moved_s, between_rounds, unsettled):
            assert between_rounds
            assert unsettled == 0
            assert now_s - moved_s >= moves.REST_S
            moved_s = now_s


def test_viewers_move_before_players_and_idle_ones_before_bettors():
    assert moves.move_rank(plays=False, bets_last_round=0) < moves.move_rank(plays=True, bets_last_round=0)
    assert moves.move_rank(plays=True, bets_last_round=0) < moves.move_rank(plays=True, bets_last_round=3)


@quick
@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=heat.BINS), st.integers(1, 4), st.floats(5.0, 90.0))
def test_learned_profile_foretells_a_round_that_repeats(work, rounds, cycle_s):
    work = (work * heat.BINS)[: heat.BINS]
    profile = [-1.0] * heat.BINS
    for _ in range(rounds):
        profile = [heat.heat_next(known, seen) for known, seen in zip(profile, work, strict=True)]
    assert profile == pytest.approx(work)
    for now in range(heat.BINS):
        ahead = [
            work[(now + step) % heat.BINS] for step in range(1 + min(heat.BINS - 1, int(10 / cycle_s * heat.BINS)))
        ]
        assert heat.coming_heat(profile, now, cycle_s) == pytest.approx(max(ahead))


@quick
@given(st.lists(st.tuples(st.integers(0, 5), LOADS, st.floats(0.0, 5.0), st.booleans()), max_size=30), wishes())
def test_real_decisions_replay_through_the_model(reports, wish):
    for name, policy in POLICIES.items():
        known = Fleet()
        now_s = 100.0
        for number, load, cost, closing in reports:
            now_s += 0.2
            known = fleet.hear(known, Heard(number, load, cost, cost, closing), now_s)
            known, decision = fleet.decide(
                known, policy, wish, what="edge", session=1, avoid=2, now_ns=int(now_s * 1e9)
            )
            if decision is None:
                assert all(place.closing for place in known.places if fleet.is_alive(place, now_s))
            else:
                assert replayed(decision) == decision.number, name
                assert decision.number != 2 or decision.numbers == (2,)


def heard(seconds, **loads):
    known = Fleet()
    for second in range(seconds):
        for name, load in loads.items():
            known = fleet.hear(
                known, Heard(int(name[1:]), load(second) if callable(load) else load, 1.0), float(second)
            )
    return known


def test_silent_place_is_trusted_less_and_then_left_out():
    known = heard(3, p0=100.0, p1=100.0)
    known = fleet.hear(known, Heard(1, 100.0, 1.0), 4.4)
    among = fleet.candidates(known, -1, 4.5)
    assert among.numbers == (0, 1)
    assert among.weights[0] < 0.5 < among.weights[1]
    assert fleet.candidates(known, -1, 5.0).numbers == (1,)


def test_liar_that_tells_no_load_is_not_flooded():
    known, placed = heard(5, p0=1_000.0, p1=1_000.0, p2=1_000.0), [0, 0, 0]
    true = [1_000.0] * 3
    for second in range(5, 15):
        for i in range(100):
            wish = Wish(0, 1, i * 0.61803 % 1, i * 0.41421 % 1)
            known, decision = fleet.decide(
                known, policy_of("forecast"), wish, what="gateway", session=i, now_ns=second * 10**9
            )
            placed[decision.number] += 1
            true[decision.number] += 1
        for number in range(3):
            told = 0.0 if number == 0 else true[number]
            known = fleet.hear(known, Heard(number, told, 1.0), second + 0.5)
    assert known.places[0].error > 0.3
    assert placed[0] < 1.3 * sum(placed) / 3


def test_slow_place_loses_weight_before_it_is_twice_as_slow():
    known = Fleet()
    for second in range(10):
        for number in range(4):
            cost = 1.0 + 0.08 * max(0, second - 4) if number == 0 else 1.0
            known = fleet.hear(known, Heard(number, 100.0, cost), float(second))
    assert 1.0 + 0.08 * 5 < 2.0
    assert fleet.weight_of(known.places[0], 9.0) < 0.75 < fleet.weight_of(known.places[1], 9.0)
    judged = fleet.judge(known, 9.0)
    assert [place.hot for place in judged.places] == [True, False, False, False]
    plan = fleet.shifts(judged, dict.fromkeys(range(4), 1_000), dict.fromkeys(range(4), 1_000), 9.0, 1.0)
    assert {move.giver for move in plan} == {0}
    assert 0 < sum(move.sessions for move in plan) <= 80
    assert max(move.sessions for move in plan) <= moves.CHUNK


def test_new_place_starts_slowly_and_those_of_the_beginning_do_not():
    known = heard(20, p0=500.0, p1=500.0)
    known = fleet.hear(known, Heard(2, 0.0, 1.0), 19.0)
    weights = fleet.candidates(known, -1, 19.0).weights
    assert weights[0] == pytest.approx(1.0)
    assert weights[2] == pytest.approx(signals.SLOW_START_MIN)


def test_closing_place_gets_nobody_and_gives_everybody():
    known = heard(5, p0=300.0, p1=300.0)
    known = fleet.judge(fleet.hear(known, Heard(0, 300.0, 1.0, closing=True), 5.0), 5.0)
    assert fleet.candidates(known, -1, 5.0).numbers == (1,)
    plan = fleet.shifts(known, {0: 300, 1: 300}, {0: 300, 1: 300}, 5.0, 150.0)
    assert sum(move.sessions for move in plan) == 300
