"""Blackjack with unlimited seats: one hand is dealt to everybody, and each player decides alone.

All seats start with the same two cards and whoever draws in a decision window gets that window's card, so any number
of players fit at a table. Decisions belong to later windows of the round than the stakes; a double or a split puts
another stake of the first one's size up. Whoever makes no decision is played by :func:`auto`. A bet behind follows
somebody else's hand and shares its fate, without a further stake.

Rules: eight decks, a fresh shoe a round; the dealer looks for blackjack before anybody decides, draws to 16 and stands
on all 17; blackjack pays three to two; double on the first two cards, not after a split; split equal points once, split
aces get one card each, and no half of a pair is a blackjack; no surrender, no insurance. Six cards that are no bust win
at once (six-card Charlie).

A hand's cards are *points*: 1 (ace) to 10.

References
----------
The rules are those of the unlimited-seat tables in use: https://debitcardcasino.ca/blackjack/2019/11/06/rules-live-infinite-21/
(one hand for everybody, six-card Charlie) and http://manual.xpg.live/manual/unlimited-blackjack/languageID=2057.
How absent players are played is our choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

BUST = 22
"""Any total above 21."""

BLACKJACK = 23
"""Ace and ten as the first two cards: more than 21."""

CHARLIE_CARDS = 6
DEALER_STANDS = 17
AUTO_STANDS_HARD = 12
AUTO_STANDS_SOFT = 18
ACE = 1
TEN = 10

PER = 2
"""Odds in halves of the stake: blackjack pays three of them."""

DECISION_WINDOWS = 1 + CHARLIE_CARDS - 2
"""A split, and then as many cards as make a Charlie."""


class Decision(IntEnum):
    """What a player does with a hand in a decision window."""

    STAND = 0
    HIT = 1
    DOUBLE = 2
    SPLIT = 3


@dataclass(frozen=True, slots=True)
class Hand:
    """One hand of a player.

    Parameters
    ----------
    cards : tuple of int
        Points in the order in which they came.
    stakes : int
        First stakes on it: 1, or 2 if it was doubled.
    split : bool
        Whether it is half of a split pair.
    done : bool
        Whether it takes no more decisions.
    """

    cards: tuple[int, ...]
    stakes: int = 1
    split: bool = False
    done: bool = False

    @property
    def total(self) -> int:
        """What it is worth: 4 to 21, :data:`BUST`, or :data:`BLACKJACK`."""
        natural = len(self.cards) == 2 and not self.split and sorted(self.cards) == [ACE, TEN]
        return BLACKJACK if natural else value(self.cards)[0]


def points(rank: int) -> int:
    """Return a rank's points: pictures count ten, the ace one until ten more fit."""
    return min(rank, TEN)


def value(cards: Sequence[int]) -> tuple[int, bool]:
    """Return a hand's total, :data:`BUST` above 21, and whether an ace counts eleven in it."""
    hard = sum(cards)
    if ACE in cards and hard + 10 <= 21:
        return hard + 10, True
    return min(hard, BUST), False


def deal(cards: Sequence[int]) -> tuple[Hand, ...]:
    """Return the hand that everybody starts with."""
    hand = Hand(tuple(cards))
    return (replace(hand, done=hand.total == BLACKJACK),)


def allowed(hands: Sequence[Hand], which: int) -> frozenset[Decision]:
    """Return the decisions that a player may take for one of her hands; none if it is done."""
    hand = hands[which]
    if hand.done:
        return frozenset()
    decisions = {Decision.STAND, Decision.HIT}
    if len(hand.cards) == 2 and not hand.split:
        decisions.add(Decision.DOUBLE)
        if hand.cards[0] == hand.cards[1]:
            decisions.add(Decision.SPLIT)
    return frozenset(decisions)


def auto(hand: Hand) -> Decision:
    """Return the decision for a player who takes none: a card while none can bust it, and no further stake."""
    total, soft = value(hand.cards)
    return Decision.HIT if total < (AUTO_STANDS_SOFT if soft else AUTO_STANDS_HARD) else Decision.STAND


def decide(hands: Sequence[Hand], decisions: Sequence[Decision | None], common: Sequence[int]) -> tuple[Hand, ...]:
    """Play one decision window of one player.

    Parameters
    ----------
    hands : sequence of Hand
        The player's hands, one or two.
    decisions : sequence of Decision or None
        One a hand; None, and what is not allowed, is played by :func:`auto`.
    common : sequence of int, length 2
        The window's cards: everybody who draws to a first hand gets the first, to a second hand the second.
    """
    chosen = [
        decision if decision in allowed(hands, which) else auto(hands[which])
        for which, decision in enumerate(decisions)
    ]
    if chosen[0] is Decision.SPLIT:
        card = hands[0].cards[0]
        halves = (Hand((card, second), split=True, done=card == ACE) for second in common)
        return tuple(_settled(half) for half in halves)
    return tuple(_draw(hand, decision, card) for hand, decision, card in zip(hands, chosen, common, strict=False))


def complete(hands: Sequence[Hand], commons: Sequence[Sequence[int]]) -> tuple[Hand, ...]:
    """Play the rest of the windows for a player who is gone, with these windows' cards."""
    for common in commons:
        hands = decide(hands, [None] * len(hands), common)
    return tuple(hands)


def dealer_draws(cards: Sequence[int]) -> bool:
    """Tell whether the dealer takes another card."""
    return value(cards)[0] < DEALER_STANDS


def play_dealer(cards: Sequence[int], card: Callable[[], int]) -> Hand:
    """Return the dealer's hand, completed with cards from the shoe."""
    hand = list(cards)
    while dealer_draws(hand):
        hand.append(card())
    return Hand(tuple(hand))


def is_charlie(hand: Hand) -> bool:
    """Tell whether a hand has won by its number of cards alone."""
    return len(hand.cards) >= CHARLIE_CARDS and hand.total != BUST


def gross(player: int, dealer: int, *, charlie: bool = False) -> int:
    """Return the gross odds of a hand, in halves of the stake on it, by both totals."""
    if player == BUST:
        return 0
    if player == BLACKJACK:
        return PER if dealer == BLACKJACK else 2 * PER + 1
    if charlie or dealer == BUST:
        return 2 * PER
    if player == dealer:
        return PER
    return 2 * PER if player > dealer else 0


def payout_minor(stake_minor: int, hands: Sequence[Hand], dealer: Hand) -> int:
    """Return what a seat's hands pay, stakes included, rounded down a hand.

    Parameters
    ----------
    stake_minor : int
        The first stake; a doubled hand holds two of it, a split pair one each.
    hands : sequence of Hand
        The player's hands.
    dealer : Hand
        The dealer's.
    """
    odds = ((hand, gross(hand.total, dealer.total, charlie=is_charlie(hand))) for hand in hands)
    return sum(stake_minor * hand.stakes * halves // PER for hand, halves in odds)


def behind_minor(stake_minor: int, followed: Sequence[Hand], dealer: Hand) -> int:
    """Return what a bet behind a player pays: as her first hand, without doubles and splits."""
    first = replace(followed[0], stakes=1)
    return payout_minor(stake_minor, [first], dealer)


def _draw(hand: Hand, decision: Decision, card: int) -> Hand:
    if hand.done or decision is Decision.STAND:
        return replace(hand, done=True)
    doubled = decision is Decision.DOUBLE
    return _settled(replace(hand, cards=(*hand.cards, card), stakes=1 + doubled, done=doubled))


def _settled(hand: Hand) -> Hand:
    return replace(hand, done=hand.done or hand.total >= 21 or len(hand.cards) >= CHARLIE_CARDS)
