"""Blackjack with unlimited seats: one hand is dealt to everybody, and each player leaves it when she likes.

All seats hold the same cards. In each decision window everybody who is still in draws or stands; whoever draws gets
that window's card, so any number of players fit at a table, and all who are still in hold the same hand. A double is a
card and a second stake as large as all the first ones, in the first window only. Who decides nothing is played by
:func:`auto`, which never busts and puts up no money. A bet behind follows the seats: it draws when more of those that
are still in drew than stood, and is played by :func:`auto` when they are equally many or nobody decided.

Rules: eight decks, a fresh shoe a round; the dealer looks for blackjack before anybody decides, draws to 16 and stands
on all 17; blackjack pays three to two; double on any first two cards; no split, no surrender, no insurance. Six cards
that are no bust win at once (six-card Charlie).

A hand's cards are *points*: 1 (ace) to 10. What they return is computed in :mod:`.blackjack_return`.

References
----------
The rules are those of unlimited-seat tables in use, but for the split, which we leave out:
https://debitcardcasino.ca/blackjack/2019/11/06/rules-live-infinite-21/ (one hand for everybody, six-card Charlie) and
http://manual.xpg.live/manual/unlimited-blackjack/languageID=2057. How absent players and bets behind are played is our
choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

BUST = 22
"""Any total above 21."""

BLACKJACK = 23
"""Ace and ten as the first two cards: more than 21."""

CHARLIE = 24
"""A hand that has won by its number of cards."""

CHARLIE_CARDS = 6
DEALER_STANDS = 17
AUTO_STANDS_HARD = 12
AUTO_STANDS_SOFT = 18
ACE = 1
TEN = 10

PER = 2
"""Odds in halves of the stake: blackjack pays three of them."""

FIRST_CARDS = 2
DECISION_WINDOWS = CHARLIE_CARDS - FIRST_CARDS
"""As many cards as make a Charlie."""

DOUBLE_WINDOW = 1
"""The one window in which a hand may be doubled: the first after the stakes'."""


class Decision(IntEnum):
    """What a player does in a decision window."""

    STAND = 0
    HIT = 1
    DOUBLE = 2


@dataclass(frozen=True, slots=True)
class Line:
    """How a player went through the windows.

    Parameters
    ----------
    taken : int
        Cards drawn to the first two.
    still_in : bool
        Whether the hand that all share may still be drawn to, and the player has not left it.
    doubled : bool
        Whether the last card was that of a double.
    """

    taken: int = 0
    still_in: bool = True
    doubled: bool = False


def points(rank: int) -> int:
    """Return a rank's points: pictures count ten, the ace one until ten more fit."""
    return min(rank, TEN)


def value(cards: Sequence[int]) -> tuple[int, bool]:
    """Return a hand's total, :data:`BUST` above 21, and whether an ace counts eleven in it."""
    hard = sum(cards)
    if ACE in cards and hard + 10 <= 21:
        return hard + 10, True
    return min(hard, BUST), False


def total(cards: Sequence[int]) -> int:
    """Return what a hand is worth: 4 to 21, :data:`BUST`, :data:`BLACKJACK` or :data:`CHARLIE`."""
    if len(cards) == FIRST_CARDS and sorted(cards) == [ACE, TEN]:
        return BLACKJACK
    worth, _ = value(cards)
    return CHARLIE if len(cards) >= CHARLIE_CARDS and worth != BUST else worth


def may_draw(cards: Sequence[int]) -> bool:
    """Tell whether a hand may be drawn to: it is below 21, and no Charlie yet."""
    return total(cards) < 21


def auto(cards: Sequence[int]) -> Decision:
    """Return the decision for a player who takes none: a card while none can bust it, and no further stake."""
    worth, soft = value(cards)
    return Decision.HIT if worth < (AUTO_STANDS_SOFT if soft else AUTO_STANDS_HARD) else Decision.STAND


def line(cards: Sequence[int], decisions: Mapping[int, Decision], windows: int) -> Line:
    """Return how a player went through the first windows.

    Parameters
    ----------
    cards : sequence of int
        The hand that all share: the first two cards, and one for each window that was drawn for.
    decisions : mapping of window to Decision
        The player's, by window from 1; where there is none, :func:`auto` decides.
    windows : int
        How many windows are over.
    """
    taken = 0
    for window in range(1, windows + 1):
        hand = cards[: FIRST_CARDS + taken]
        if not may_draw(hand):
            return Line(taken, still_in=False)
        decision = decisions.get(window, auto(hand))
        if decision is Decision.STAND:
            return Line(taken, still_in=False)
        taken += 1
        if decision is Decision.DOUBLE:
            return Line(taken, still_in=False, doubled=True)
    return Line(taken, may_draw(cards[: FIRST_CARDS + taken]))


def dealer_draws(cards: Sequence[int]) -> bool:
    """Tell whether the dealer takes another card."""
    return value(cards)[0] < DEALER_STANDS


def dealer_total(cards: Sequence[int]) -> int:
    """Return what the dealer's hand is worth: 17 to 21, :data:`BUST` or :data:`BLACKJACK`; never a Charlie."""
    return total(cards) if len(cards) == FIRST_CARDS else value(cards)[0]


def play_dealer(cards: Sequence[int], card: Callable[[], int]) -> tuple[int, ...]:
    """Return the dealer's hand, completed with cards from the shoe."""
    hand = list(cards)
    while dealer_draws(hand):
        hand.append(card())
    return tuple(hand)


def gross(player: int, dealer: int) -> int:
    """Return the gross odds of a hand, in halves of the stake on it, by both totals."""
    if player == BUST:
        return 0
    if player == BLACKJACK:
        return PER if dealer == BLACKJACK else 2 * PER + 1
    if player == CHARLIE or dealer == BUST:
        return 2 * PER
    if player == dealer:
        return PER
    return 2 * PER if player > dealer else 0
