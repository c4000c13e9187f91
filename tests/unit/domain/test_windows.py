"""When a gateway first hears of a window: its cut-off is acknowledged then, and only then."""

from reference_impl.domain.phases import Phase
from reference_impl.domain.windows import Told, opens_a_window


def told(phase: Phase, round_id: int = 7, window: int = 0) -> Told:
    return Told(phase, round_id, window)


def test_a_window_is_heard_of_once() -> None:
    opened, soon = told(Phase.BETS_OPEN), told(Phase.CLOSING_SOON)
    assert opens_a_window(None, opened)
    assert not opens_a_window(opened, soon)
    assert not opens_a_window(soon, told(Phase.NO_MORE_BETS))


def test_who_comes_in_mid_window_hears_of_it_when_it_is_about_to_end() -> None:
    assert opens_a_window(None, told(Phase.CLOSING_SOON))
    assert opens_a_window(told(Phase.SETTLED, round_id=6), told(Phase.CLOSING_SOON))
    assert opens_a_window(told(Phase.CLOSING_SOON, round_id=6), told(Phase.CLOSING_SOON))


def test_each_window_of_decisions_is_one_of_its_own() -> None:
    first, second = told(Phase.DECISIONS_OPEN, window=1), told(Phase.DECISIONS_OPEN, window=2)
    assert opens_a_window(told(Phase.NO_MORE_BETS), first)
    assert opens_a_window(first, second)
