"""What entries of a span of time come to."""

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.journal import DIRECTION
from reference_impl.domain.play import MOVES, Play, play_of

sums = st.dictionaries(st.sampled_from(MOVES), st.tuples(st.integers(1, 9), st.integers(0, 10**9)))


@given(sums=sums)
def test_net_and_cash_are_all_that_changes_the_balance(sums) -> None:
    play = play_of(sums)
    assert play.net_minor + play.cash_minor == sum(DIRECTION[kind] * amount for kind, (_, amount) in sums.items())


def test_stakes_winnings_and_cash_are_told_apart() -> None:
    told = play_of(
        {
            EntryKind.DEPOSIT: (1, 1000), EntryKind.BET: (4, 400), EntryKind.CANCEL: (1, 100), EntryKind.VOID: (1, 50),
            EntryKind.SETTLE: (2, 700), EntryKind.CORRECT: (1, 30), EntryKind.RECLAIM: (1, 10),
            EntryKind.WITHDRAW: (1, 200),
        }
    )  # fmt: skip
    assert told == Play(bets=4, staked_minor=400, returned_minor=150, won_minor=720, cash_minor=800)
    assert told.net_minor == 470


def test_no_entries_are_no_play() -> None:
    assert play_of({}) == Play()


def test_kinds_that_move_nothing_are_not_listed() -> None:
    assert all(DIRECTION[kind] for kind in MOVES)
