"""What a statement says of each entry."""

import pytest

from reference_impl.api.statement import WORDS, explained
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.ids import TABLE_ID_MAX, round_id
from reference_impl.domain.journal import DIRECTION
from reference_impl.domain.play import MOVES
from reference_impl.domain.wallet_messages import EntryRow

RED = ROULETTE.spot("red")


def row(kind: EntryKind, amount: int = 100, known: int = round_id(1, 7), selection: int = RED) -> EntryRow:
    return EntryRow(3, 1_700_000_000_000_000_000, b"\xab" * 16, kind, amount, 5_000, known, selection)


def test_every_kind_that_moves_money_has_words() -> None:
    assert set(WORDS) == set(MOVES)


@pytest.mark.parametrize("kind", MOVES)
def test_an_amount_has_the_sign_that_it_has_in_the_ledger(kind: EntryKind) -> None:
    assert explained(("roulette",), row(kind)).amount_minor == DIRECTION[kind] * 100


def test_an_entry_names_its_spot_table_and_round() -> None:
    told = explained(("roulette",), row(EntryKind.BET))
    assert (told.what, told.game, told.table, told.round, told.id) == ("Bet on red", "roulette", 1, 7, "ab" * 16)


def test_a_bet_that_is_paid_nothing_is_lost() -> None:
    assert explained(("roulette",), row(EntryKind.SETTLE, 0)).what == "Lost: red"
    assert explained(("roulette",), row(EntryKind.SETTLE, 1)).what == "Won: red"


def test_what_is_of_no_table_here_is_told_without_one() -> None:
    told = explained(("roulette",), row(EntryKind.BET, known=round_id(TABLE_ID_MAX, 1), selection=0))
    assert (told.what, told.table, told.round) == ("Bet on a provider's game", 0, 0)
    cash = explained(("roulette",), row(EntryKind.DEPOSIT, known=0, selection=0))
    assert (cash.what, cash.game, cash.table) == ("Deposit", "", 0)


def test_a_spot_that_the_game_no_longer_has_is_told_as_a_spot() -> None:
    assert explained(("money_wheel",), row(EntryKind.BET, selection=150)).what == "Bet on a spot"
