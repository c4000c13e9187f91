"""Cards: a shoe of eight decks, dealt without replacement in an order that a stream of draws fixes.

A card is an integer in ``[0, 52)``; its rank is 1 (ace) to 13 (king). A fresh shoe is dealt from in every round: what
one round showed says nothing about the next, and each round can be verified from its own seed alone.
"""

from reference_impl.domain.games.outcome import Draws

DECKS = 8
SHOE_CARDS = 52 * DECKS
RANKS = 13
CARDS_A_RANK = 4 * DECKS
RANK_NAMES = ("", "A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")


class Shoe:
    """A fresh shoe of :data:`SHOE_CARDS` cards.

    Parameters
    ----------
    draws : Draws
        What fixes the order.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._left = [number % 52 for number in range(SHOE_CARDS)]

    def go_on(self, draws: Draws) -> None:
        """Let another stream fix the order of the cards that are left."""
        self._draws = draws

    def deal(self) -> int:
        """Return the next card."""
        place = self._draws.below(len(self._left))
        self._left[place], self._left[-1] = self._left[-1], self._left[place]
        return self._left.pop()


def rank_of(card: int) -> int:
    """Return a card's rank, 1 (ace) to 13 (king)."""
    return card % RANKS + 1
