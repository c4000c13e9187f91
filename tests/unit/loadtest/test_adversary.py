"""The late-betting adversary: what it tries, told by hand what arrives and what time it is."""

import numpy as np
import pytest
from msgspec import structs

from loadtest.clock import ServerClock
from loadtest.users.adversary import DEAF_AFTER_NS, DEAF_BEFORE_NS, SEARCH_NS, AdversaryScript
from reference_impl.domain.bets import Status
from reference_impl.domain.games.catalogue import GAMES, game_at
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer, Welcome
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim.scenario import Arrival, Kind, Scenario

UNIX_NS = 1_700_000_000 * NS_PER_S
SCENARIO = Scenario(load_s=600.0)
WINDOW_NS = SCENARIO.timing.window_ms * NS_PER_MS
ROUND_NS = 20 * NS_PER_S


def event(round_no: int, phase: Phase, outcome: int = -1) -> TableEvent:
    opens_ns = UNIX_NS + round_no * ROUND_NS
    return TableEvent(1, round_id(1, round_no), 0, phase, opens_ns, opens_ns, opens_ns + WINDOW_NS, outcome=outcome)


@pytest.fixture
def script() -> AdversaryScript:
    adversary = AdversaryScript(
        Arrival(7, 1, 0.0, Kind.ADVERSARY), SCENARIO, 0xABCD, ServerClock(), 600 * NS_PER_S, 9.0, 15.0
    )
    adversary.connected(Welcome(7, 0, 100_000, 1, 978, UNIX_NS, None), 0, 1, 0)
    return adversary


@pytest.mark.parametrize("true_limit_ns", [-37 * NS_PER_MS, 0, 111 * NS_PER_MS])
def test_probes_close_in_on_the_last_instant_at_which_bets_are_taken(
    script: AdversaryScript, true_limit_ns: int
) -> None:
    version, offsets = 1, []
    for round_no in range(1, 13):
        opens_ns = round_no * ROUND_NS
        script.table_event(event(round_no, Phase.BETS_OPEN), opens_ns)
        (probe,) = script.take_due(opens_ns + WINDOW_NS + NS_PER_S // 2)
        offsets.append(probe.due_ns - opens_ns - WINDOW_NS)
        accepted = offsets[-1] < true_limit_ns
        version += accepted
        status = Status.ACCEPTED if accepted else Status.WINDOW_CLOSED
        script.answered(BetAnswer(probe.ref.hex(), status, 100_000 - version, version, 0, version), probe.due_ns, 0)
    assert offsets[0] == sum(SEARCH_NS) // 2
    assert abs(offsets[-1] - true_limit_ns) < NS_PER_MS


def test_it_bets_when_told_that_the_window_is_closed_and_again_on_the_number_that_won(script: AdversaryScript) -> None:
    script.table_event(event(1, Phase.BETS_OPEN), ROUND_NS)
    closed_ns = ROUND_NS + WINDOW_NS
    script.take_due(closed_ns + NS_PER_S // 2)
    script.table_event(event(1, Phase.NO_MORE_BETS), closed_ns + 3)
    script.table_event(event(1, Phase.BETS_CLOSED), closed_ns + 9)
    (deaf,) = script.take_due(closed_ns + 10)
    script.table_event(event(1, Phase.RESULT, 17), closed_ns + 50)
    (seer,) = script.take_due(closed_ns + 50)
    assert (deaf.due_ns, seer.due_ns) == (closed_ns + 3, closed_ns + 50)
    assert (deaf.round_id, seer.round_id, seer.selection) == (round_id(1, 1), round_id(1, 1), 17)


@pytest.mark.parametrize("game", GAMES)
def test_it_knows_what_pays_most_in_every_game(game: str) -> None:
    scenario = structs.replace(SCENARIO, games=(game,))
    adversary = AdversaryScript(
        Arrival(7, 1, 0.0, Kind.ADVERSARY), scenario, 0xABCD, ServerClock(), 600 * NS_PER_S, 9.0, 15.0
    )
    adversary.connected(Welcome(7, 0, 100_000, 1, 978, UNIX_NS, None), 0, 1, 0)
    rules = game_at((game,), 1)
    outcome = next(drawn for drawn, _ in rules.chances() if rules.odds(drawn).any())
    adversary.table_event(event(1, Phase.RESULT, outcome), 5)
    (seer,) = adversary.take_due(5)
    assert rules.payouts_minor(np.array([seer.selection]), np.array([100]), outcome)[0] > 0


def test_it_leaves_unread_what_arrives_round_the_close_of_every_other_round(script: AdversaryScript) -> None:
    for round_no in (1, 2):
        closes_ns = round_no * ROUND_NS + WINDOW_NS
        script.table_event(event(round_no, Phase.BETS_OPEN), round_no * ROUND_NS)
        before_ns, within_ns = closes_ns - DEAF_BEFORE_NS - 1, closes_ns - DEAF_BEFORE_NS
        after_ns = closes_ns + DEAF_AFTER_NS
        assert script.deaf_until_ns(before_ns) == before_ns
        assert script.deaf_until_ns(within_ns) == (after_ns if round_no % 2 else within_ns)
        assert script.deaf_until_ns(after_ns) == after_ns
