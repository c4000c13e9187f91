"""What a player decides, told by hand what arrives and what time it is."""

import pytest
from msgspec import structs

from loadtest.clock import ServerClock
from loadtest.operations import Operation
from loadtest.users.bettor import OVERLOADED_TRIES_MAX, PlayerScript
from loadtest.users.player import BACKOFF_S_MAX, backoff_s
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, Paid, Welcome
from reference_impl.domain.records import Outcome
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.arrivals import CLICK_NS_MAX, planned_bets
from sim.people import late_s
from sim.scenario import Arrival, Betting, Clients, Kind, Pace, Scenario, Storm, StormKind

UNIX_NS = 1_700_000_000 * NS_PER_S  # the server's clock when ours shows 0
SCENARIO = Scenario(betting=Betting(participation=1.0, bets_per_round_mean=3.0), load_s=60.0)
WINDOW_NS = SCENARIO.timing.window_ms * NS_PER_MS
LOAD_END_NS = 60 * NS_PER_S
ROUND = round_id(1, 1)


def event(phase: Phase, round_no: int = 1, opens_ns: int = 0) -> TableEvent:
    at_ns = UNIX_NS + opens_ns
    return TableEvent(1, round_id(1, round_no), 0, phase, at_ns, at_ns, at_ns + WINDOW_NS)


def welcome(version: int = 1, state: TableEvent | None = None, now_ns: int = 0) -> Welcome:
    envelope = None if state is None else TableEnvelope(1, 1, 1, state)
    return Welcome(7, 0, 100_000, version, 978, UNIX_NS + now_ns, envelope)


def answer(op: Operation, status: Status, version: int, balance: int, seq: int = 5) -> BetAnswer:
    return BetAnswer(op.ref.hex(), status, balance, version, 0, seq)


@pytest.fixture
def script() -> PlayerScript:
    return PlayerScript(Arrival(7, 1, 0.0), SCENARIO, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)


@pytest.fixture
def betting(script: PlayerScript) -> PlayerScript:
    """A connected player that has just heard that bets are open."""
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    return script


def send_all(script: PlayerScript, now_ns: int = WINDOW_NS - 1) -> list[Operation]:
    return script.take_due(now_ns)


def test_bets_are_those_of_the_shared_plan_each_due_at_its_offset_after_opening(betting: PlayerScript) -> None:
    plan = planned_bets(SCENARIO, 7, 1)
    sent = send_all(betting)
    assert [(op.due_ns, op.selection, op.amount_minor) for op in sent] == [tuple(bet) for bet in plan]
    assert {(op.round_id, op.window, op.currency, op.attempt) for op in sent} == {(ROUND, 0, 978, 1)}
    assert len({op.ref for op in sent}) == len(plan)


def test_bet_is_sent_when_due_whatever_is_outstanding(betting: PlayerScript) -> None:
    first, second, _ = (bet.offset_ns for bet in planned_bets(SCENARIO, 7, 1))
    assert betting.take_due(first - 1) == []
    assert betting.wake_ns(first - 1) == first
    assert len(betting.take_due(first)) == 1
    assert len(betting.take_due(second)) == 1
    assert betting.outstanding == 2


def test_bet_due_before_the_opening_was_heard_is_due_when_it_is_heard(script: PlayerScript) -> None:
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), WINDOW_NS - 2)
    assert {op.due_ns for op in send_all(script)} == {WINDOW_NS - 2}


def test_window_that_closed_before_it_was_heard_of_is_not_bet_on(script: PlayerScript) -> None:
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), WINDOW_NS)
    assert script.take_due(WINDOW_NS) == []
    assert script.given_up == []


def test_player_who_joins_in_mid_window_places_only_the_bets_still_to_come(script: PlayerScript) -> None:
    offsets = [bet.offset_ns for bet in planned_bets(SCENARIO, 7, 1)]
    joined_ns = offsets[0] + 1
    script.connected(welcome(state=event(Phase.CLOSING_SOON), now_ns=joined_ns), 0, 1, joined_ns)
    assert [op.due_ns for op in send_all(script)] == offsets[1:]


def test_window_is_planned_once_however_often_it_is_announced(betting: PlayerScript) -> None:
    sent = send_all(betting)
    betting.table_event(event(Phase.CLOSING_SOON), WINDOW_NS - 1)
    assert len(sent) == 3
    assert send_all(betting) == []


def test_bet_that_was_clicked_in_time_is_sent_even_if_the_window_has_just_closed(betting: PlayerScript) -> None:
    last = planned_bets(SCENARIO, 7, 1)[-1].offset_ns
    assert betting.take_due(last + CLICK_NS_MAX - 1)[-1].due_ns == last
    assert betting.missed == 2


def test_bet_that_could_not_be_sent_long_after_its_click_and_its_window_is_given_up(betting: PlayerScript) -> None:
    assert betting.take_due(WINDOW_NS + CLICK_NS_MAX) == []
    assert len(betting.given_up) == 3
    assert betting.missed == 3


def test_bet_that_fell_due_without_a_connection_is_not_the_generators_fault(betting: PlayerScript) -> None:
    betting.disconnected()
    betting.take_due(WINDOW_NS)
    assert (len(betting.given_up), betting.missed) == (3, 0)


def late_player(late_ms_max: int = 1000) -> PlayerScript:
    scenario = structs.replace(SCENARIO, clients=Clients(late_share=1.0, late_ms_max=late_ms_max))
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    return script


def test_player_whose_device_is_behind_bets_as_much_later_and_after_the_close_too() -> None:
    script = late_player(10_000)
    late_ns = round(late_s(script.scenario, 7) * NS_PER_S)
    assert late_ns > NS_PER_S
    due = [op.due_ns for op in script.take_due(WINDOW_NS + late_ns - 1)]
    assert due == [bet.offset_ns + late_ns for bet in planned_bets(SCENARIO, 7, 1)]
    assert due[-1] > WINDOW_NS


def test_storm_breaks_the_connection_of_those_it_takes_once() -> None:
    scenario = structs.replace(SCENARIO, storms=(Storm(kind=StormKind.RECONNECT, at_s=2.0),))
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    assert script.wake_ns(NS_PER_S) == 2 * NS_PER_S
    assert [script.overdue(second * NS_PER_S) for second in (1, 2, 3)] == [False, True, False]
    assert script.lobby_looks(3 * NS_PER_S) == []


def test_storm_that_is_aimed_strikes_once_before_the_first_cut_off_after_its_time() -> None:
    storm = Storm(kind=StormKind.RECONNECT, at_s=2.0, before_close_ms=300)
    scenario = structs.replace(SCENARIO, storms=(storm,))
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN, 1, 2 * NS_PER_S - WINDOW_NS), 0)
    assert not script.overdue(2 * NS_PER_S), "that cut-off was too early"
    script.table_event(event(Phase.BETS_OPEN, 2, 3 * NS_PER_S), 3 * NS_PER_S)
    strikes_ns = 3 * NS_PER_S + WINDOW_NS - 300 * NS_PER_MS
    assert [script.overdue(strikes_ns + after_ns) for after_ns in (-1, 0, 1)] == [False, True, False]
    script.table_event(event(Phase.BETS_OPEN, 3, 30 * NS_PER_S), 30 * NS_PER_S)
    assert not script.overdue(30 * NS_PER_S + WINDOW_NS)


def test_storm_passes_those_by_who_have_no_connection_when_it_comes() -> None:
    scenario = structs.replace(SCENARIO, storms=(Storm(kind=StormKind.RECONNECT, at_s=2.0),))
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(now_ns=3 * NS_PER_S), 0, 1, 3 * NS_PER_S)
    assert not script.overdue(3 * NS_PER_S)


def test_player_who_exits_looks_round_the_lobby_and_plays_at_the_next_table() -> None:
    scenario = structs.replace(SCENARIO, storms=(Storm(kind=StormKind.EXIT_TO_LOBBY, at_s=2.0, table=1),))
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    sent = script.take_due(2 * NS_PER_S)
    assert script.overdue(2 * NS_PER_S)
    script.disconnected()
    assert script.lobby_looks(2 * NS_PER_S) == [2 * NS_PER_S, 3 * NS_PER_S, 4 * NS_PER_S]
    script.connected(welcome(now_ns=5 * NS_PER_S), 0, 2, 5 * NS_PER_S)
    assert [op.ref for op in script.take_due(5 * NS_PER_S)] == [op.ref for op in sent], "only what was lost"
    at_ns = UNIX_NS + 6 * NS_PER_S
    script.table_event(TableEvent(2, round_id(2, 9), 0, Phase.BETS_OPEN, at_ns, at_ns, at_ns + WINDOW_NS), 6 * NS_PER_S)
    assert {op.table for op in script.take_due(6 * NS_PER_S + WINDOW_NS - 1)} == {2}


def test_high_roller_bets_on_many_spots_with_large_stakes() -> None:
    roller = Arrival(7, 1, 0.0, Kind.HIGH_ROLLER)
    script = PlayerScript(roller, SCENARIO, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    sent = send_all(script)
    assert len(sent) == 20
    assert min(op.amount_minor for op in sent) >= 1_000
    assert len({op.selection for op in sent}) > 10


def test_in_a_closed_pace_the_next_bet_waits_for_the_answer_and_a_thought() -> None:
    betting = Betting(participation=1.0, bets_per_round_mean=3.0, pace=Pace.CLOSED, think_s_mean=0.01)
    scenario = structs.replace(SCENARIO, betting=betting)
    script = PlayerScript(Arrival(7, 1, 0.0), scenario, 0xABCD, ServerClock(), LOAD_END_NS, 9.0, 15.0)
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    first_ns = planned_bets(SCENARIO, 7, 1)[0].offset_ns
    (first,) = script.take_due(WINDOW_NS - 1)
    assert first.due_ns == first_ns
    assert script.take_due(WINDOW_NS - 1) == []
    script.answered(answer(first, Status.ACCEPTED, 2, 100_000 - first.amount_minor), first_ns + 5, 0)
    (second,) = script.take_due(WINDOW_NS - 1)
    assert second.due_ns > first_ns + 5
    script.answered(answer(second, Status.WINDOW_CLOSED, 2, 0), WINDOW_NS, 0)
    assert script.take_due(WINDOW_NS + NS_PER_S) == [], "nobody thinks on when the window has closed"


def test_no_bet_is_started_after_the_loads_end(script: PlayerScript) -> None:
    script.load_end_ns = 1
    script.connected(welcome(), 0, 1, 0)
    script.table_event(event(Phase.BETS_OPEN), 0)
    assert send_all(script) == []


@pytest.mark.parametrize("status", [Status.WINDOW_CLOSED, Status.INSUFFICIENT_FUNDS, Status.UNKNOWN_ROUND])
def test_final_rejection_ends_the_bet(betting: PlayerScript, status: Status) -> None:
    op = send_all(betting)[0]
    ended = betting.answered(answer(op, status, 1, 100_000), 99, 98)
    assert ended is not None
    assert (ended[1].outcome, ended[1].return_ns, ended[1].kernel_ns) == (Outcome.REJECTED, 99, 98)


def test_accepted_bet_ends_with_the_answers_fields(betting: PlayerScript) -> None:
    op = send_all(betting)[0]
    ended = betting.answered(answer(op, Status.ACCEPTED, 2, 100_000 - op.amount_minor), 99, 98)
    assert ended is not None
    assert (ended[1].outcome, ended[1].version, ended[1].seq) == (Outcome.OK, 2, 5)
    assert betting.complaints == []


def test_lost_bets_are_sent_again_over_the_next_connection_with_the_same_id(betting: PlayerScript) -> None:
    sent = send_all(betting)
    betting.disconnected()
    assert betting.take_due(WINDOW_NS + 1) == []
    betting.connected(welcome(now_ns=WINDOW_NS + 5), 1, 2, WINDOW_NS + 5)
    again = betting.take_due(WINDOW_NS + 5)
    assert [op.ref for op in again] == [op.ref for op in sent]
    assert {(op.attempt, op.gateway, op.connection) for op in again} == {(2, 1, 2)}


def test_answer_is_overdue_after_the_scenarios_patience(betting: PlayerScript) -> None:
    send_all(betting, WINDOW_NS - 1)
    patience_ns = round(SCENARIO.answer_s_max * NS_PER_S)
    assert not betting.overdue(WINDOW_NS - 2 + patience_ns)
    assert betting.overdue(WINDOW_NS - 1 + patience_ns)


def test_overloaded_bet_is_tried_again_after_a_pause_and_rejected_in_the_end(betting: PlayerScript) -> None:
    op, now_ns = send_all(betting)[0], WINDOW_NS
    for _ in range(OVERLOADED_TRIES_MAX - 1):
        assert betting.answered(answer(op, Status.OVERLOADED, 0, 0), now_ns, 0) is None
        assert betting.take_due(now_ns) == []
        now_ns += NS_PER_S
        assert betting.take_due(now_ns) == [op]
    ended = betting.answered(answer(op, Status.OVERLOADED, 0, 0), now_ns, 0)
    assert ended is not None
    assert ended[1].outcome is Outcome.REJECTED


def test_overloaded_never_ends_a_bet_of_which_an_attempt_was_lost(betting: PlayerScript) -> None:
    op = send_all(betting)[0]
    betting.disconnected()
    betting.connected(welcome(now_ns=WINDOW_NS), 1, 2, WINDOW_NS)
    now_ns = WINDOW_NS
    for _ in range(2 * OVERLOADED_TRIES_MAX):
        betting.take_due(now_ns)
        assert betting.answered(answer(op, Status.OVERLOADED, 0, 0), now_ns, 0) is None
        now_ns += NS_PER_S
    assert op in betting.unanswered


@pytest.mark.parametrize(
    ("version", "less", "complaint"),
    [(1, 0, "version 1 after version 1"), (2, 1, "expected")],
)
def test_answer_that_contradicts_the_last_one_is_complained_about(
    betting: PlayerScript, version: int, less: int, complaint: str
) -> None:
    op = send_all(betting)[0]
    betting.answered(answer(op, Status.ACCEPTED, version, 100_000 - op.amount_minor - less), 99, 0)
    assert complaint in betting.complaints[0]


def test_second_answer_must_equal_the_first(betting: PlayerScript) -> None:
    op = send_all(betting)[0]
    first = answer(op, Status.ACCEPTED, 2, 100_000 - op.amount_minor)
    betting.answered(first, 99, 0)
    betting.answered(first, 100, 0)
    assert betting.complaints == []
    betting.answered(answer(op, Status.ACCEPTED, 2, 100_000 - op.amount_minor, seq=6), 101, 0)
    assert "seq 5, then" in betting.complaints[0]


def test_answer_to_an_id_never_sent_is_complained_about(betting: PlayerScript) -> None:
    betting.answered(BetAnswer("00" * 16, Status.ACCEPTED, 1, 1, 0, 1), 1, 0)
    assert "unknown bet" in betting.complaints[0]


def test_player_stays_for_answers_and_payments_and_then_leaves(betting: PlayerScript) -> None:
    op, *others = send_all(betting)
    assert not betting.finished(LOAD_END_NS - 1)
    assert not betting.finished(LOAD_END_NS)
    for other in others:
        betting.answered(answer(other, Status.WINDOW_CLOSED, 1, 100_000), 1, 0)
    betting.answered(answer(op, Status.ACCEPTED, 2, 100_000 - op.amount_minor), 1, 0)
    assert not betting.finished(LOAD_END_NS), "the payment is still to come"
    betting.paid(Paid(ROUND, [op.ref.hex()], [0], 100, 3))
    assert betting.finished(LOAD_END_NS)


def test_payment_that_never_comes_is_waited_for_a_moment_after_the_round_ended(betting: PlayerScript) -> None:
    op, *others = send_all(betting)
    for other in others:
        betting.answered(answer(other, Status.WINDOW_CLOSED, 1, 100_000), 1, 0)
    betting.answered(answer(op, Status.ACCEPTED, 2, 100_000 - op.amount_minor), 1, 0)
    betting.table_event(event(Phase.SETTLED), LOAD_END_NS)
    assert not betting.finished(LOAD_END_NS + NS_PER_S - 1)
    assert betting.finished(LOAD_END_NS + NS_PER_S)


def test_player_whose_bets_stay_unanswered_leaves_in_the_end(betting: PlayerScript) -> None:
    send_all(betting)
    assert not betting.finished(LOAD_END_NS + 9 * NS_PER_S - 1)
    assert betting.finished(LOAD_END_NS + 9 * NS_PER_S)
    assert len(betting.unanswered) == 3


def test_wake_lies_always_in_the_future(betting: PlayerScript) -> None:
    send_all(betting)
    for now_ns in (0, WINDOW_NS, LOAD_END_NS, LOAD_END_NS + 100 * NS_PER_S):
        assert betting.wake_ns(now_ns) > now_ns


def test_backoff_doubles_up_to_its_ceiling() -> None:
    assert [backoff_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 5, 60)] == [0.1, 0.2, 0.4, 0.8, BACKOFF_S_MAX, 1.0]


def test_server_clock_keeps_the_offset_of_the_least_delayed_message() -> None:
    clock = ServerClock()
    for delay_ns in (900, 20, 300):
        clock.saw(UNIX_NS + 5_000, 5_000 + delay_ns)
    assert clock.to_monotonic(UNIX_NS) == 20
