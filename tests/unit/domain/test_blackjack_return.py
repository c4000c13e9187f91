"""What blackjack returns: two ways of counting against each other, and against dealt rounds."""

import math

import numpy as np
import pytest

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_table as table
from reference_impl.domain.games.blackjack_return import return_of
from reference_impl.domain.games.blackjack_strategy import advice
from reference_impl.domain.games.cards import rank_of

BEST, BASIC, ABSENT = 0.991729, 0.991273, 0.939764


def test_induction_over_hands_and_enumeration_of_totals_agree() -> None:
    """They share the rules, and neither strategy nor way of counting."""
    exact = float(table.BLACKJACK.returns()[0])
    assert return_of(lambda hand, _up: bj.auto(hand)) == pytest.approx(exact, abs=1e-9)
    assert exact == pytest.approx(ABSENT, abs=1e-6)


@pytest.mark.soak
def test_basic_strategy_returns_what_the_documents_say() -> None:
    assert return_of(advice) == pytest.approx(BASIC, abs=1e-6)


@pytest.mark.soak
def test_the_best_play_returns_what_the_documents_say() -> None:
    best = return_of(None)
    assert best == pytest.approx(BEST, abs=1e-6)
    assert best > return_of(advice)


def test_dealt_rounds_return_what_basic_strategy_is_computed_to() -> None:
    """The table's own cards, decided on by basic strategy, settled by the table's own odds."""
    wins = np.array([played(k.to_bytes(32)) for k in range(3000)])
    assert abs(wins.mean() - (BASIC - 1)) < 4 * wins.std() / math.sqrt(len(wins))


def played(seed: bytes) -> float:
    """Return what one unit wins in a round."""
    heads, decisions = [b"h" * 32], {}
    while (now := table.on_table(seed, heads)).goes_on:
        hand, (up,) = ([bj.points(rank_of(card)) for card in cards] for cards in (now.hand, now.dealer))
        decisions[len(decisions) + 1] = advice(hand, up)
        heads += [table.DREW, b"h" * 32]
    outcome = table.outcome_of(table.draw(seed, heads))
    line = bj.line(outcome.hand, decisions, len(outcome.hand) - bj.FIRST_CARDS)
    gross = bj.gross(bj.total(outcome.hand[: bj.FIRST_CARDS + line.taken]), outcome.dealer) / bj.PER
    return (1 + line.doubled) * (gross - 1)
