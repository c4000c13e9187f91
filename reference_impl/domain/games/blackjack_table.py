"""Blackjack as a table of odds: a table without decision windows, where everybody is played as an absent player is.

It is :mod:`reference_impl.domain.games.blackjack` with every decision left to :func:`~.blackjack.auto`. So seat and bet
behind pay the same, and an outcome is two totals: the hand's that everybody has, and the dealer's. Which cards they
were follows from the seed and the heads: :func:`cards_of`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from math import perm, prod

import numpy as np

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.cards import CARDS_A_RANK, SHOE_CARDS, Shoe, rank_of
from reference_impl.domain.games.game import Game, Int64s, Spot
from reference_impl.domain.games.outcome import Draws

SPOTS = (Spot("seat"), Spot("behind"))

CHARLIE = 24
"""Stands for a hand that has won by its number of cards."""

PLAYER_TOTALS = (*range(bj.AUTO_STANDS_HARD, 22), bj.BLACKJACK, CHARLIE)
DEALER_TOTALS = (*range(bj.DEALER_STANDS, 22), bj.BUST, bj.BLACKJACK)
_BASE = 32
_NAMES = {bj.BUST: "bust", bj.BLACKJACK: "blackjack", CHARLIE: "six-card Charlie"}

Points = tuple[int, ...]


def outcome_of(player: int, dealer: int) -> int:
    """Return the outcome that stands for two totals."""
    return player * _BASE + dealer


def totals_of(outcome: int) -> tuple[int, int]:
    """Return the totals of an outcome, or raise ValueError if it is none."""
    player, dealer = divmod(outcome, _BASE)
    if player not in PLAYER_TOTALS or dealer not in DEALER_TOTALS:
        raise ValueError(f"{outcome} is no outcome of blackjack")
    return player, dealer


def cards_of(seed: bytes, heads: Sequence[bytes]) -> tuple[bj.Hand, bj.Hand]:
    """Deal a round: everybody's hand and the dealer's."""
    shoe = Shoe(Draws.of_round(seed, heads))

    def card() -> int:
        return bj.points(rank_of(shoe.deal()))

    first, up, second, hole = (card() for _ in range(4))
    hands = bj.deal((first, second))
    while not hands[0].done:
        common = [card()] if bj.auto(hands[0]) is bj.Decision.HIT else [0]
        hands = bj.decide(hands, [None], common)
    return hands[0], bj.play_dealer((up, hole), card)


def draw(seed: bytes, heads: Sequence[bytes]) -> int:
    """Deal a round and return its totals."""
    hand, dealer = cards_of(seed, heads)
    return outcome_of(_total(hand), dealer.total)


@cache
def odds(outcome: int) -> Int64s:
    """Return the gross odds of seat and bet behind, in halves of the stake."""
    player, dealer = totals_of(outcome)
    return np.full(len(SPOTS), bj.gross(player, dealer, charlie=player == CHARLIE), dtype=np.int64)


def describe(outcome: int) -> str:
    """Return both totals."""
    player, dealer = (_NAMES.get(total, str(total)) for total in totals_of(outcome))
    return f"players {player}, dealer {dealer}"


def chances() -> Iterator[tuple[int, Fraction]]:
    """Yield all outcomes with their exact probability in a fresh shoe."""
    for (player, dealer), chance in _joint().items():
        yield outcome_of(player, dealer), chance


def _total(hand: bj.Hand) -> int:
    return CHARLIE if bj.is_charlie(hand) else hand.total


@cache
def _joint() -> dict[tuple[int, int], Fraction]:
    """Return how likely each pair of totals is.

    The order in which cards come matters to who stops when, but not to how likely they are; so hands are counted as
    bags of cards, each with the number of orders that the rules allow.
    """
    left = [0, *[CARDS_A_RANK] * 9, 4 * CARDS_A_RANK]
    taken = [[perm(n, k) for k in range(CARDS_A_RANK)] for n in left]
    ways: Counter[tuple[int, int, int]] = Counter()
    dealers = _bags(dealer=True)
    for (total, bag), orders in _bags(dealer=False).items():
        for (dealer, other), more in dealers.items():
            counts = [a + b for a, b in zip(bag, other, strict=True)]
            ways[total, dealer, sum(counts)] += orders * more * prod(p[k] for p, k in zip(taken, counts, strict=True))
    joint: Counter[tuple[int, int]] = Counter()
    for (total, dealer, cards), number in ways.items():
        joint[total, dealer] += Fraction(number, perm(SHOE_CARDS, cards))  # type: ignore[assignment] # exact counts
    return dict(joint)  # type: ignore[arg-type]


def _bags(*, dealer: bool) -> Counter[tuple[int, Points]]:
    """Return the final hands as (total, how many cards of 0 to 10 points), and in how many orders they can come."""
    found: Counter[tuple[int, Points]] = Counter()

    def go_on(cards: Points) -> None:
        if len(cards) >= 2:
            hand = bj.Hand(cards)
            draws = bj.dealer_draws(cards) if dealer else bj.auto(hand) is bj.Decision.HIT and not bj.is_charlie(hand)
            if not draws:
                total = hand.total if dealer else _total(hand)
                found[total, tuple(cards.count(p) for p in range(11))] += 1
                return
        for card in range(bj.ACE, bj.TEN + 1):
            go_on((*cards, card))

    go_on(())
    return found


BLACKJACK = Game("blackjack", SPOTS, bj.PER, draw, odds, describe, chances)
