"""Players who decide after their stakes, and some who stay away."""

import pytest

from loadtest.clock import ServerClock
from loadtest.operations import Operation
from loadtest.users.bettor import PlayerScript
from loadtest.users.decider import ABSENT_SHARE, Decider
from reference_impl.domain.bets import Status
from reference_impl.domain.games.blackjack import Decision
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, Welcome
from reference_impl.domain.records import OpKind
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Arrival, Betting, Scenario

TEN, SIX, FIVE = 9, 5, 4
WINDOW_NS = 5 * NS_PER_S


def cards(*hand: int, window: int = 1, up: int = SIX, round_no: int = 1) -> TableEvent:
    return TableEvent(
        1,
        round_id(1, round_no),
        window,
        Phase.DECISIONS_OPEN,
        0,
        0,
        WINDOW_NS,
        game="blackjack",
        hand=hand,
        dealer=(up,),
    )


def seat(amount_minor: int, round_no: int = 1, selection: int = 0) -> Operation:
    op = Operation(bytes(16), OpKind.BET, 1, 1, 1, 0)
    op.round_id, op.selection, op.amount_minor = round_id(1, round_no), selection, amount_minor
    return op


@pytest.fixture
def present() -> Decider:
    """A player who decides in the first round."""
    for player in range(100):
        decider = Decider(3, player)
        decider.accepted(seat(100))
        if decider.plan(cards(TEN, FIVE, up=TEN)) is not None:
            fresh = Decider(3, player)
            fresh.accepted(seat(100))
            return fresh
    raise AssertionError


def test_a_player_draws_and_stands_as_the_game_advises_and_then_has_left(present: Decider) -> None:
    assert present.plan(cards(TEN, FIVE, up=TEN)).decision == Decision.HIT
    assert present.plan(cards(TEN, FIVE, 3, up=TEN, window=2)).decision == Decision.STAND
    assert present.plan(cards(TEN, FIVE, 3, 0, up=TEN, window=3)) is None


def test_a_double_costs_what_all_seats_cost(present: Decider) -> None:
    present.accepted(seat(50))
    present.accepted(seat(70, selection=1))  # behind
    planned = present.plan(cards(FIVE, SIX))
    assert (planned.decision, planned.amount_minor) == (Decision.DOUBLE, 150)
    assert 0 < planned.part < 1


def test_who_has_no_seat_decides_nothing(present: Decider) -> None:
    assert present.plan(cards(FIVE, SIX, round_no=2)) is None
    present.accepted(seat(70, round_no=2, selection=1))
    assert present.plan(cards(FIVE, SIX, round_no=2)) is None


def test_some_stay_away() -> None:
    away = 0
    for player in range(1000):
        decider = Decider(7, player)
        decider.accepted(seat(100))
        away += decider.plan(cards(FIVE, SIX)) is None
    assert away / 1000 == pytest.approx(ABSENT_SHARE, abs=0.04)


def test_a_bettor_sends_a_decision_in_its_window() -> None:
    scenario = Scenario(games=("blackjack",), betting=Betting(participation=1.0, bets_per_round_mean=6.0), load_s=60.0)
    for player in range(1, 30):
        script = PlayerScript(Arrival(player, 1, 0.0), scenario, 0xABCD, ServerClock(), 60 * NS_PER_S, 9.0, 15.0)
        script.connected(Welcome(player, 0, 100_000, 1, 978, 0, None), 0, 1, 0)
        script.table_event(TableEvent(1, round_id(1, 1), 0, Phase.BETS_OPEN, 0, 1, WINDOW_NS, game="blackjack"), 0)
        bets = script.take_due(WINDOW_NS - 1)
        for seq, bet in enumerate(bets, start=1):
            script.answered(BetAnswer(bet.ref.hex(), Status.ACCEPTED, 0, seq + 1, 0, seq), WINDOW_NS, 0)
        script.table_event(cards(TEN, FIVE), 0)
        if decided := script.take_due(WINDOW_NS - 1):
            (op,) = decided
            assert (op.window, op.selection, op.amount_minor) == (1, Decision.STAND, 0)
            return
    raise AssertionError
