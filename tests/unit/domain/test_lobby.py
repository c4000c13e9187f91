"""The lobby tells no outcome that the pictures have not shown."""

from reference_impl.domain.lobby import RECENT_MAX, Lobby
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope, TableEvent


def play(lobby: Lobby, round_no: int, outcome: int) -> None:
    for seq, phase in enumerate((Phase.BETS_OPEN, Phase.RESULT, Phase.SETTLED), 10 * round_no):
        shown = outcome if phase > Phase.DEALING else -1
        lobby.enter(TableEnvelope(1, 1, seq, TableEvent(1, round_no, 0, int(phase), 0, outcome=shown)))


def test_outcome_is_held_back_until_the_next_round_is_over() -> None:
    lobby = Lobby()
    play(lobby, 1, 17)
    assert lobby.tables()[0].recent == []
    play(lobby, 2, 0)
    assert (lobby.tables()[0].recent, lobby.tables()[0].recent_rounds) == ([17], [1])


def test_recent_outcomes_are_newest_first_and_bounded() -> None:
    lobby = Lobby()
    for round_no in range(RECENT_MAX + 5):
        play(lobby, round_no, round_no)
    assert lobby.tables()[0].recent == list(range(RECENT_MAX + 3, 3, -1))


def test_table_shows_its_newest_phase() -> None:
    lobby = Lobby()
    play(lobby, 1, 5)
    assert (lobby.tables()[0].phase, lobby.tables()[0].round) == ("settled", 1)


def test_a_correction_replaces_what_the_lobby_shows_and_held_back() -> None:
    lobby = Lobby()
    for round_no, outcome in ((1, 17), (2, 20)):
        play(lobby, round_no, outcome)
    for seq, (round_no, outcome) in enumerate(((1, 3), (2, 4)), 25):
        event = TableEvent(1, round_no, 0, int(Phase.SETTLED), 0, outcome=outcome, result=str(outcome), corrected=True)
        lobby.enter(TableEnvelope(1, 1, seq, event))
    assert lobby.tables()[0].recent == [3]
    play(lobby, 3, 5)
    assert lobby.tables()[0].recent == [4, 3]


def test_what_was_heard_before_changes_nothing() -> None:
    lobby = Lobby()
    for round_no in (1, 2, 1, 2, 3):
        play(lobby, round_no, 10 * round_no)
    assert lobby.tables()[0].recent == [20, 10]
    assert lobby.number == 9
