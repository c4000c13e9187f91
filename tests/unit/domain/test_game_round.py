"""The round as a table of transitions."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.game_round import Message, RoundState, step
from reference_impl.domain.phases import TERMINAL, TRANSITIONS, On, Phase, diagram
from reference_impl.domain.round_effects import (
    Announce,
    CloseShards,
    Decide,
    Draw,
    OpenShards,
    SettleShards,
    VoidShards,
    WakeAt,
)
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_MS

START_NS = 1_000_000_000_000
FRESH = RoundState(7, frozenset({0, 1}), frozenset({"gateway-0", "gateway-1"}), Timing())


def drive(state: RoundState, *messages: tuple[Message, int]) -> tuple[RoundState, list[object]]:
    effects: list[object] = []
    for message, at_ms in messages:
        state, new = step(state, message, START_NS + at_ms * NS_PER_MS)
        effects += new
    return state, effects


OPENED = ((Message(On.START), 0), (Message(On.SHARD_OPENED, 0), 1), (Message(On.SHARD_OPENED, 1), 2))
TICK = Message(On.TICK)


def test_bets_open_once_every_shard_is_open() -> None:
    state, effects = drive(FRESH, *OPENED)
    assert state.phase is Phase.BETS_OPEN
    assert state.closes_at_ns - state.opens_at_ns == Timing().window_ms * NS_PER_MS
    assert Announce(Phase.BETS_OPEN) in effects


def test_a_shard_that_does_not_open_is_left_out() -> None:
    state, _ = drive(FRESH, *OPENED[:2], (TICK, Timing().open_wait_ms_max))
    assert state.phase is Phase.BETS_OPEN
    assert state.shards == {0}


def test_a_round_that_no_shard_opens_is_void() -> None:
    state, effects = drive(FRESH, OPENED[0], (TICK, Timing().open_wait_ms_max))
    assert state.phase is Phase.VOIDED
    assert Announce(Phase.VOIDED) in effects


def at_cut_off() -> RoundState:
    state, _ = drive(FRESH, *OPENED, (TICK, 4002), (TICK, 7002))
    assert state.phase is Phase.NO_MORE_BETS
    return state


def test_shards_are_closed_only_when_every_gateway_has_flushed() -> None:
    state, effects = drive(at_cut_off(), (Message(On.WATERMARK, "gateway-0"), 7003))
    assert not effects
    state, effects = drive(state, (Message(On.WATERMARK, "gateway-1"), 7004))
    assert state.phase is Phase.CLOSING
    assert CloseShards(frozenset({0, 1})) in effects


def test_gateways_that_flushed_at_once_are_heard_as_one_after_the_other() -> None:
    both = Message(On.WATERMARK, frozenset({"gateway-0", "gateway-1"}))
    for before in (at_cut_off(), drive(FRESH, *OPENED, (TICK, 4002))[0]):
        single = drive(before, *((Message(On.WATERMARK, f"gateway-{n}"), 7003) for n in (0, 1)))
        assert drive(before, (both, 7003)) == single


def test_a_silent_gateway_is_waited_for_no_longer_than_the_limit() -> None:
    state, _ = drive(at_cut_off(), (TICK, 7002 + Timing().flush_ms_max - 1))
    assert state.phase is Phase.NO_MORE_BETS
    state, effects = drive(state, (TICK, 7002 + Timing().flush_ms_max))
    assert CloseShards(frozenset({0, 1})) in effects


def test_gateways_that_flushed_before_our_clock_said_so_are_not_waited_for() -> None:
    early = tuple((Message(On.WATERMARK, f"gateway-{n}"), 7001) for n in (0, 1))
    state, effects = drive(FRESH, *OPENED, (TICK, 4002), *early, (TICK, 7002))
    assert state.phase is Phase.CLOSING
    assert effects.index(Announce(Phase.NO_MORE_BETS)) < effects.index(CloseShards(frozenset({0, 1})))


def test_a_gateway_that_reports_first_while_bets_are_open_is_waited_for() -> None:
    opened, _ = drive(FRESH, *OPENED)
    state, _ = drive(opened.joined_by(frozenset({"gateway-2"})), (TICK, 4002), (TICK, 7002))
    assert state.pending == {"gateway-0", "gateway-1", "gateway-2"}
    assert at_cut_off().joined_by(frozenset({"gateway-2"})).pending == {"gateway-0", "gateway-1"}


def test_an_unclosable_shard_voids_the_round() -> None:
    state, _ = drive(at_cut_off(), (TICK, 7600), (Message(On.SHARD_CLOSED, 0, b"h"), 7700))
    state, effects = drive(state, (TICK, 7600 + Timing().close_wait_ms_max))
    assert Decide(void=True, heads=((0, b"h"),)) in effects
    state, effects = drive(state, (Message(On.DECIDED_VOID), 9200))
    assert state.phase is Phase.VOIDING
    assert VoidShards(frozenset({0, 1})) in effects


def test_the_recorded_decision_and_not_the_wish_selects_the_path() -> None:
    state, _ = drive(at_cut_off(), (TICK, 7600), (TICK, 7600 + Timing().close_wait_ms_max))
    state, effects = drive(state, (Message(On.DECIDED_OUTCOME, outcome=17), 9200))
    assert state.phase is Phase.DEALING
    assert not any(isinstance(effect, VoidShards) for effect in effects)


def test_nothing_that_depends_on_the_outcome_is_said_before_the_result() -> None:
    closes = tuple((Message(On.SHARD_CLOSED, shard, b"h"), 7700) for shard in (0, 1))
    state, effects = drive(at_cut_off(), (TICK, 7600), *closes, (Message(On.DECIDED_OUTCOME, outcome=17), 7710))
    assert state.phase is Phase.DEALING
    assert all(effect.outcome is None for effect in effects if isinstance(effect, Announce))
    state, effects = drive(state, (TICK, 7710 + Timing().dealing_ms))
    assert Announce(Phase.RESULT, 17) in effects
    assert SettleShards(frozenset({0, 1}), 17) in effects


@pytest.mark.parametrize("ordered_ms", [3000, 5000, 7003])
def test_a_void_that_is_ordered_ends_betting_at_once(ordered_ms: int) -> None:
    clock = tuple((TICK, at_ms) for at_ms in (4002, 7002) if at_ms < ordered_ms)
    state, effects = drive(FRESH, *OPENED, *clock, (Message(On.VOID_ORDERED), ordered_ms))
    assert state.phase is Phase.CLOSING
    assert effects.count(Announce(Phase.NO_MORE_BETS)) == 1
    assert CloseShards(frozenset({0, 1})) in effects
    closes = tuple((Message(On.SHARD_CLOSED, shard, b"h"), ordered_ms + 1) for shard in (0, 1))
    state, effects = drive(state, *closes)
    assert Decide(void=True, heads=((0, b"h"), (1, b"h"))) in effects


def test_a_void_that_is_ordered_while_shards_close_decides_when_they_have() -> None:
    state, _ = drive(
        at_cut_off(), (TICK, 7600), (Message(On.SHARD_CLOSED, 0, b"h"), 7601), (Message(On.VOID_ORDERED), 7602)
    )
    assert state.phase is Phase.CLOSING
    _, effects = drive(state, (Message(On.SHARD_CLOSED, 1, b"h"), 7603))
    assert Decide(void=True, heads=((0, b"h"), (1, b"h"))) in effects


def test_a_void_that_comes_after_the_decision_means_nothing() -> None:
    closes = tuple((Message(On.SHARD_CLOSED, shard, b"h"), 7700) for shard in (0, 1))
    state, _ = drive(at_cut_off(), (TICK, 7600), *closes)
    assert state.phase is Phase.BETS_CLOSED
    assert step(state, Message(On.VOID_ORDERED), START_NS) == (state, ())


def test_the_outcome_waits_for_the_margin_after_the_last_bet() -> None:
    timing = Timing(margin_ms=500)
    state, _ = drive(replace(FRESH, timing=timing), *OPENED, (TICK, 4002), (TICK, 7002))
    marks = tuple((Message(On.WATERMARK, f"gateway-{n}"), 7010) for n in (0, 1))
    closes = tuple((Message(On.SHARD_CLOSED, shard, b"h"), 7020) for shard in (0, 1))
    state, effects = drive(state, *marks, *closes)
    assert state.phase is Phase.CLOSING
    assert effects[-1] == WakeAt(START_NS + 7502 * NS_PER_MS)
    state, effects = drive(state, (TICK, 7502))
    assert Decide(void=False, heads=((0, b"h"), (1, b"h"))) in effects


def test_announced_is_not_closed_where_slow_links_have_grace() -> None:
    timing = Timing(close_policy=ClosePolicy.GRACE, grace_ms_max=300)
    state, effects = drive(replace(FRESH, timing=timing), *OPENED, (TICK, 4002), (TICK, 7002))
    assert state.phase is Phase.NO_MORE_BETS
    state, _ = drive(state, (TICK, 7002 + timing.flush_ms_max + 299))
    assert state.phase is Phase.NO_MORE_BETS
    state, effects = drive(state, (TICK, 7002 + timing.flush_ms_max + 300))
    assert CloseShards(frozenset({0, 1})) in effects


def test_an_illegal_message_is_refused() -> None:
    with pytest.raises(ValueError, match="round 7: 'decided: outcome' is illegal in IDLE"):
        step(FRESH, Message(On.DECIDED_OUTCOME, outcome=1), START_NS)


def test_a_late_answer_means_nothing() -> None:
    state, _ = drive(FRESH, *OPENED)
    assert step(state, Message(On.SHARD_DONE, 0), START_NS) == (state, ())


CLOSES = tuple(Message(On.SHARD_CLOSED, shard, b"h") for shard in (0, 1))
OPENS = tuple(Message(On.SHARD_OPENED, shard) for shard in (0, 1))
MARKS = tuple(Message(On.WATERMARK, f"gateway-{n}") for n in (0, 1))


def at(at_ms: int, *messages: Message) -> tuple[tuple[Message, int], ...]:
    return tuple((message, at_ms) for message in messages)


def drawing() -> tuple[RoundState, list[object]]:
    state, _ = drive(replace(FRESH, decides=True), *OPENED, (TICK, 4002), (TICK, 7002))
    return drive(state, *at(7010, *MARKS), *at(7050, *CLOSES))


def test_cards_are_drawn_when_stakes_are_closed_in_every_shard() -> None:
    state, effects = drawing()
    assert state.phase is Phase.DRAWING
    assert Draw(((0, b"h"), (1, b"h"))) in effects
    assert effects.index(Announce(Phase.BETS_CLOSED)) < effects.index(Announce(Phase.DRAWING))
    assert not any(isinstance(effect, Decide) for effect in effects)


def deciding() -> tuple[RoundState, list[object]]:
    return drive(drawing()[0], *at(7060, Message(On.DRAWN)), *at(7070, *OPENS))


def test_decisions_have_a_window_of_their_own_in_every_shard() -> None:
    state, effects = deciding()
    assert (state.phase, state.window, state.heads) == (Phase.DECISIONS_OPEN, 1, ())
    assert state.closes_at_ns - state.opens_at_ns == Timing().decision_ms * NS_PER_MS
    (opening,) = (effect for effect in effects if isinstance(effect, OpenShards))
    assert opening.shards == {0, 1}
    assert opening.accept_until_ns > state.last_close_ns + Timing().flush_ms_max * NS_PER_MS


def test_a_window_of_decisions_is_flushed_and_closed_as_that_of_the_stakes() -> None:
    state, effects = drive(deciding()[0], (TICK, 12_070))
    assert state.phase is Phase.NO_MORE_DECISIONS
    assert Announce(Phase.NO_MORE_DECISIONS) in effects
    state, effects = drive(state, (MARKS[0], 12_075))
    assert not effects
    state, effects = drive(state, (MARKS[1], 12_080))
    assert CloseShards(frozenset({0, 1})) in effects
    state, effects = drive(state, *at(12_100, *CLOSES))
    assert state.phase is Phase.DRAWING
    assert Announce(Phase.BETS_CLOSED) not in effects
    state, effects = drive(state, *at(12_110, Message(On.DRAWN_LAST)))
    assert effects == [Decide(void=False, heads=((0, b"h"), (1, b"h")))]


def test_watermarks_of_the_window_before_are_forgotten() -> None:
    state, _ = drive(deciding()[0], (MARKS[0], 12_069), (TICK, 12_070))
    assert state.pending == {"gateway-1"}  # the other one is early for this window
    assert deciding()[0].early == frozenset()


def test_a_shard_in_which_decisions_cannot_be_opened_voids_the_round() -> None:
    state, _ = drive(drawing()[0], *at(7060, Message(On.DRAWN)), (OPENS[0], 7070))
    assert state.phase is Phase.REOPENING
    state, effects = drive(state, (TICK, 7060 + Timing().open_wait_ms_max))
    assert Decide(void=True, heads=()) in effects


def test_cards_that_do_not_come_void_the_round() -> None:
    state, effects = drive(drawing()[0], (TICK, 7050 + Timing().close_wait_ms_max))
    assert Decide(void=True, heads=((0, b"h"), (1, b"h"))) in effects
    assert step(state, Message(On.DRAWN), START_NS) == (state, ())


@pytest.mark.parametrize("phase", [Phase.DRAWING, Phase.REOPENING, Phase.DECISIONS_OPEN, Phase.NO_MORE_DECISIONS])
def test_a_void_can_be_ordered_while_players_decide(phase: Phase) -> None:
    state = {
        Phase.DRAWING: drawing()[0],
        Phase.REOPENING: drive(drawing()[0], *at(7060, Message(On.DRAWN)))[0],
        Phase.DECISIONS_OPEN: deciding()[0],
        Phase.NO_MORE_DECISIONS: drive(deciding()[0], (TICK, 12_070))[0],
    }[phase]
    assert state.phase is phase
    state, effects = drive(state, (Message(On.VOID_ORDERED), 12_071), *at(12_072, *CLOSES))
    (decide,) = (effect for effect in effects if isinstance(effect, Decide))
    assert decide.void


messages = st.one_of(
    st.builds(Message, st.sampled_from([On.SHARD_OPENED, On.SHARD_DONE]), st.integers(0, 1)),
    st.builds(Message, st.sampled_from([On.DRAWN, On.DRAWN_LAST])),
    st.builds(Message, st.just(On.SHARD_CLOSED), st.integers(0, 1), st.just(b"h")),
    st.builds(Message, st.just(On.WATERMARK), st.sampled_from(["gateway-0", "gateway-1"])),
    st.just(TICK),
    st.just(Message(On.VOID_ORDERED)),
)


@given(st.lists(st.tuples(messages, st.integers(0, 3000)), max_size=60), st.booleans(), st.booleans())
def test_whatever_happens_effects_come_in_the_order_that_keeps_money_safe(
    noise: list[tuple[Message, int]], void_on_record: bool, decides: bool
) -> None:
    """Joins the machine with an adversarial world: close, then decide, then one end and never both."""
    state, now_ns = replace(FRESH, decides=decides), START_NS
    seen: list[object] = []
    inbox = deque([Message(On.START)])
    for message, pass_ms in [(None, 0), *noise, *[(None, 10_000)] * 20]:
        now_ns += pass_ms * NS_PER_MS
        inbox.append(message or TICK)
        while inbox:
            state, effects = step(state, inbox.popleft(), now_ns)
            seen += effects
            for effect in effects:
                if isinstance(effect, Decide):
                    void = effect.void or void_on_record
                    inbox.append(Message(On.DECIDED_VOID) if void else Message(On.DECIDED_OUTCOME, outcome=3))
    assert state.phase in TERMINAL
    kinds = [type(effect) for effect in seen]
    assert kinds.count(Decide) <= 1
    assert not (SettleShards in kinds and VoidShards in kinds)
    order = [OpenShards, CloseShards, Decide, SettleShards if SettleShards in kinds else VoidShards]
    places = [kinds.index(kind) for kind in order if kind in kinds]
    assert places == sorted(places)
    steps = [kind for kind in kinds if kind in (OpenShards, CloseShards, Draw)]
    if decides and Draw in steps:
        # Whatever comes after the stakes' window: drawn only on closed windows, and each window opened only after it.
        last = max(place for place, kind in enumerate(steps) if kind is Draw)
        assert steps[: last + 1] == [OpenShards, CloseShards, Draw] * (len(steps[: last + 1]) // 3)
    if Decide in kinds and not seen[kinds.index(Decide)].void:
        assert {shard for shard, _ in seen[kinds.index(Decide)].heads} == state.shards


def test_every_wake_up_lies_in_the_future_or_now() -> None:
    _, effects = drive(FRESH, *OPENED, (TICK, 4002))
    assert all(effect.at_ns >= START_NS for effect in effects if isinstance(effect, WakeAt))


def test_the_diagram_in_the_documents_is_drawn_from_the_table() -> None:
    document = Path("docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    assert diagram().strip() in document
    assert all(phase.name in diagram() for phase, _ in TRANSITIONS)
