"""Basic strategy: what to do with a hand against the dealer's card, if only its total is looked at.

It is what load users who decide play; :mod:`.blackjack_return` says what it is worth.

References
----------
Four to eight decks, the dealer stands on soft 17: https://wizardofodds.com/games/blackjack/strategy/4-decks/, without
its rows of splits; an equal pair is played as its total.
"""

from collections.abc import Sequence

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.blackjack import Decision

_HARD_DOUBLES = {9: range(3, 7), 10: range(2, 10), 11: range(2, 11)}
_SOFT_DOUBLES = {13: range(5, 7), 14: range(5, 7), 15: range(4, 7), 16: range(4, 7), 17: range(3, 7), 18: range(3, 7)}
_HARD_STANDS = {12: range(4, 7), 13: range(2, 7), 14: range(2, 7), 15: range(2, 7), 16: range(2, 7)}
_SOFT_18_STANDS = (2, 3, 4, 5, 6, 7, 8)
"""The dealer's cards (an ace is 1) against which a total is doubled, or stood on."""


def advice(hand: Sequence[int], up: int) -> Decision:
    """Return what basic strategy does.

    Parameters
    ----------
    hand : sequence of int
        Points of the player's cards.
    up : int
        Points of the dealer's first card.
    """
    total, soft = bj.value(hand)
    doubles = (_SOFT_DOUBLES if soft else _HARD_DOUBLES).get(total, ())
    if len(hand) == bj.FIRST_CARDS and up in doubles:
        return Decision.DOUBLE
    if soft:
        stands = total > 18 or (total == 18 and up in _SOFT_18_STANDS)
    else:
        stands = total >= 17 or up in _HARD_STANDS.get(total, ())
    return Decision.STAND if stands else Decision.HIT
