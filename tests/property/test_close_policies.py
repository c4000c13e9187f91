"""What every close policy promises, for any link, any lie and any order of events."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain import cutoff
from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.game_round import Message, RoundState, step
from reference_impl.domain.phases import On, Phase
from reference_impl.domain.round_effects import Announce, CloseShards, Decide, Draw, OpenShards, WakeAt
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.round_trip import SAMPLES_MAX, RoundTrip
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

CLOSES_NS = 1_790_000_000 * NS_PER_S
trips = st.integers(0, 5 * NS_PER_S)
graces = st.integers(0, 1000)
policies = st.sampled_from(ClosePolicy)


def deadline_ns(policy: ClosePolicy, grace_ms: int, trip_ns: int) -> int:
    return cutoff.deadline_ns(CLOSES_NS, *cutoff.closing_of(policy, grace_ms), trip_ns)


@given(policies, graces, trips, trips)
def test_a_liar_gains_no_more_than_the_grace(policy: ClosePolicy, grace_ms: int, honest: int, claimed: int) -> None:
    gain_ns = deadline_ns(policy, grace_ms, honest + claimed) - deadline_ns(policy, grace_ms, honest)
    assert 0 <= gain_ns <= grace_ms * NS_PER_MS
    if policy is ClosePolicy.SERVER:
        assert gain_ns == 0


@given(policies, graces, st.integers(-NS_PER_S, 5 * NS_PER_S))
def test_every_deadline_lies_between_the_first_and_the_last_close(
    policy: ClosePolicy, grace_ms: int, trip: int
) -> None:
    early_ns, grace_ns = cutoff.closing_of(policy, grace_ms)
    first_ns = cutoff.first_close_ns(CLOSES_NS, early_ns)
    last_ns = cutoff.last_close_ns(CLOSES_NS, early_ns, grace_ns)
    assert first_ns <= deadline_ns(policy, grace_ms, trip) <= last_ns
    expected = {
        ClosePolicy.SERVER: (0, 0), ClosePolicy.GRACE: (0, grace_ms), ClosePolicy.EQUAL: (-grace_ms, 0),
    }[policy]  # fmt: skip
    assert (first_ns - CLOSES_NS, last_ns - CLOSES_NS) == tuple(ms * NS_PER_MS for ms in expected)


@given(graces, trips, trips, st.integers(2 * NS_PER_S, 60 * NS_PER_S))
def test_equal_gives_everybody_the_same_time_to_think(grace_ms: int, one: int, other: int, window_ns: int) -> None:
    def usable(trip_ns: int) -> int:
        after_close_ns = deadline_ns(ClosePolicy.EQUAL, grace_ms, trip_ns) - CLOSES_NS
        return cutoff.usable_ns(window_ns, after_close_ns, trip_ns // 2, trip_ns - trip_ns // 2)

    bounded = [min(trip, grace_ms * NS_PER_MS) for trip in (one, other)]
    assert usable(bounded[0]) == usable(bounded[1]) == window_ns - grace_ms * NS_PER_MS


@given(graces, trips, st.integers(2 * NS_PER_S, 60 * NS_PER_S))
def test_grace_gives_a_slow_link_what_a_fast_one_has(grace_ms: int, trip: int, window_ns: int) -> None:
    trip = min(trip, grace_ms * NS_PER_MS)
    after_close_ns = deadline_ns(ClosePolicy.GRACE, grace_ms, trip) - CLOSES_NS
    assert cutoff.usable_ns(window_ns, after_close_ns, trip // 2, trip - trip // 2) == window_ns
    assert cutoff.usable_ns(window_ns, 0, trip // 2, trip - trip // 2) == window_ns - trip  # what `server` leaves


OPENED = (Message(On.SHARD_OPENED, 0), Message(On.SHARD_OPENED, 1))
events = st.one_of(
    st.builds(Message, st.just(On.WATERMARK), st.sampled_from(["gateway-0", "gateway-1"])),
    st.builds(Message, st.just(On.SHARD_CLOSED), st.integers(0, 1), st.just(b"h")),
    st.just(Message(On.TICK)),
)


@given(
    policies, graces, st.integers(0, 200), trips,
    st.lists(st.tuples(events, st.integers(0, 400)), max_size=80), st.integers(-3000, 3000), st.integers(0, 3),
)  # fmt: skip
def test_no_bet_is_taken_after_the_first_informative_instant_less_a_margin(
    policy: ClosePolicy, grace_ms: int, margin_ms: int, trip: int, noise: list[tuple[Message, int]], sent_ms: int,
    decisions: int,
) -> None:  # fmt: skip
    """Joins the rules of gateway and dealer with any world: a bet that its gateway takes, however it lies about its
    link, came a margin before anything could depend on the outcome; and announced comes before closed. So it is in each
    window: of the stakes, and of decisions, each of which ends before the next card is drawn."""
    timing = Timing(close_policy=policy, grace_ms_max=grace_ms, margin_ms=margin_ms)
    state = RoundState(7, frozenset({0, 1}), frozenset({"gateway-0", "gateway-1"}), timing, decides=decisions > 0)
    now_ns = wake_ns = CLOSES_NS
    announced: dict[int, int] = {}
    closed: dict[int, int] = {}
    inbox = deque([Message(On.START), *OPENED])
    for message, pass_ms in [(None, 0), *noise, *[(Message(On.TICK), 0)] * 12 * (1 + decisions)]:
        now_ns += pass_ms * NS_PER_MS
        if message is not None:
            inbox.append(message)
            now_ns = max(now_ns, wake_ns) if message.on is On.TICK else now_ns
        while inbox:
            before = state
            state, effects = step(state, inbox.popleft(), now_ns)
            for effect in effects:
                if isinstance(effect, WakeAt):
                    wake_ns = effect.at_ns
                elif isinstance(effect, CloseShards):
                    closed[before.window] = now_ns
                elif isinstance(effect, Announce) and effect.phase in (Phase.NO_MORE_BETS, Phase.NO_MORE_DECISIONS):
                    announced[before.window] = now_ns
                elif isinstance(effect, OpenShards) and state.window:
                    inbox += OPENED
                elif isinstance(effect, Draw) or (isinstance(effect, Decide) and not effect.void and not decisions):
                    # from here on there is something to know
                    until_ns = cutoff.deadline_ns(before.closes_at_ns, *timing.closing, trip)
                    received_ns = before.closes_at_ns + sent_ms * NS_PER_MS
                    if cutoff.in_time(received_ns, before.opens_at_ns, until_ns):
                        assert received_ns < before.last_close_ns <= now_ns - margin_ms * NS_PER_MS
                    assert before.closes_at_ns <= announced[before.window] <= closed[before.window]
                    if isinstance(effect, Draw):
                        inbox.append(Message(On.DRAWN if before.window < decisions else On.DRAWN_LAST))
    assert announced.keys() >= closed.keys()


@given(st.lists(st.tuples(st.integers(1, 10**9), st.booleans()), max_size=40))
def test_a_round_trip_is_the_shortest_of_the_last_right_answers(rounds: list[tuple[int, bool]]) -> None:
    link, now_ns, right = RoundTrip(), 0, []
    for number, (trip_ns, honest) in enumerate(rounds):
        question = number.to_bytes(8)
        link.ask(question, now_ns)
        if not honest:
            link.answer(b"guessed", now_ns + 1)
            assert link.waiting
        link.answer(question, now_ns + trip_ns)
        right.append(trip_ns)
        now_ns += trip_ns
        assert not link.waiting
        assert link.ns == min(right[-SAMPLES_MAX:])


def test_a_question_that_waits_is_not_restarted() -> None:
    link = RoundTrip()
    link.ask(b"first", 0)
    link.ask(b"second", 900)
    link.answer(b"second", 901)
    assert link.ns == 0
    link.answer(b"first", 1000)
    assert link.ns == 1000
