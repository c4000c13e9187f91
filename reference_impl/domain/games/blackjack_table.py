"""Blackjack as a table plays it: cards between windows, and an outcome that says what everybody's hand was.

A round's cards follow from its seed and from the heads at which its windows were closed, one window after the other:
nobody knows a window's card while it is open. A head of one byte stands between two windows and says what bets behind
did in the second (:data:`STOOD`, :data:`DREW`), so that the decision on record holds all that the outcome follows from.
Without decision windows (in the simulation, and where a device tells outcomes) all heads are of one window, and
everybody is played as an absent player is.

An outcome is the hand that all share with every card that was drawn to it, how many of them bets behind took, and the
dealer's total.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from math import perm, prod

import numpy as np

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_slips as slips
from reference_impl.domain.games.blackjack_strategy import advice as basic
from reference_impl.domain.games.cards import CARDS_A_RANK, SHOE_CARDS, Shoe, rank_of
from reference_impl.domain.games.game import Advice, Game, Int64s, OnTable, Spot, Stages, StandingBet
from reference_impl.domain.games.outcome import Draws

SPOTS = (Spot("seat", pays="1:1, blackjack 3:2"), Spot("behind", pays="1:1, blackjack 3:2"))

STOOD, DREW = b"\x00", b"\x01"
"""What bets behind did in a window, between the heads of the window before and its own."""

DEALER_TOTALS = (*range(bj.DEALER_STANDS, 22), bj.BUST, bj.BLACKJACK)
_PLAYER_TOTALS = (*range(bj.AUTO_STANDS_HARD, 22), bj.BLACKJACK, bj.CHARLIE)
_DIGITS = 11
_NAMES = {bj.BUST: "bust", bj.BLACKJACK: "blackjack"}

OUTCOMES_KEPT_MAX = 1024

Points = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to.

    Parameters
    ----------
    hand : tuple of int
        Points of the cards that all share.
    behind : int
        How many of those after the first two bets behind took.
    dealer : int
        The dealer's total.
    """

    hand: Points
    behind: int
    dealer: int

    @property
    def code(self) -> int:
        """The outcome as an integer below 2²⁶."""
        number = 0
        for card in (*self.hand, *[0] * (bj.CHARLIE_CARDS - len(self.hand))):
            number = number * _DIGITS + card
        number = number * (bj.DECISION_WINDOWS + 1) + self.behind
        return number * len(DEALER_TOTALS) + DEALER_TOTALS.index(self.dealer)


@lru_cache(OUTCOMES_KEPT_MAX)
def outcome_of(code: int) -> Outcome:
    """Return the outcome that an integer stands for, or raise ValueError if it stands for none."""
    rest, dealer = divmod(code, len(DEALER_TOTALS))
    rest, behind = divmod(rest, bj.DECISION_WINDOWS + 1)
    cards: list[int] = []
    for _ in range(bj.CHARLIE_CARDS):
        rest, card = divmod(rest, _DIGITS)
        cards.insert(0, card)
    hand = tuple(card for card in cards if card)
    found = Outcome(hand, behind, DEALER_TOTALS[dealer])
    if rest or found.code != code or not _can_be(found):
        raise ValueError(f"{code} is no outcome of blackjack")
    return found


def _can_be(outcome: Outcome) -> bool:
    hand = outcome.hand
    shared = len(hand) >= bj.FIRST_CARDS and all(
        bj.may_draw(hand[:cards]) for cards in range(bj.FIRST_CARDS, len(hand))
    )
    return shared and outcome.behind <= len(hand) - bj.FIRST_CARDS


@dataclass(frozen=True, slots=True)
class _Deal:
    """The cards so far, 0 to 51: the hand that all share, the dealer's two, and what bets behind took."""

    shoe: Shoe
    hand: tuple[int, ...]
    dealer: tuple[int, ...]
    behind: bj.Line

    @property
    def points(self) -> Points:
        return _points(self.hand)

    @property
    def is_live(self) -> bool:
        """Whether anybody may draw: the hand allows it, and the dealer has no blackjack."""
        return bj.may_draw(self.points) and bj.total(_points(self.dealer)) != bj.BLACKJACK

    def drawn(self, *, behind_draws: bool) -> "_Deal":
        """Return the deal after the next window, in which bets behind that are still in draw or stand."""
        follows = self.behind.still_in and behind_draws
        hand = (*self.hand, self.shoe.deal())
        behind = bj.Line(self.behind.taken + follows, follows)
        return replace(self, hand=hand, behind=behind)


def _points(cards: Sequence[int]) -> Points:
    return tuple(bj.points(rank_of(card)) for card in cards)


def _windows(heads: Sequence[bytes]) -> list[tuple[bytes, list[bytes]]]:
    """Return each window's heads, and before them what bets behind did in it (nothing, for the stakes')."""
    windows: list[tuple[bytes, list[bytes]]] = [(b"", [])]
    for head in heads:
        if head in (STOOD, DREW):
            windows.append((head, []))
        else:
            windows[-1][1].append(head)
    return windows


def _deal(seed: bytes, heads: Sequence[bytes]) -> _Deal:
    """Deal the cards of the windows that were closed at these heads."""
    (_, first), *later = _windows(heads)
    shoe = Shoe(Draws.of_round(seed, first))
    one, up, other, hole = (shoe.deal() for _ in range(4))
    deal = _Deal(shoe, (one, other), (up, hole), bj.Line())
    closed = list(first)
    for behind, more in later:
        closed += [behind, *more]
        shoe.go_on(Draws.of_round(seed, closed))
        deal = deal.drawn(behind_draws=behind == DREW)
    return deal


def _dealt_out(seed: bytes, heads: Sequence[bytes]) -> _Deal:
    """Deal a round to its end: cards that no window was opened for, and the dealer's."""
    deal = _deal(seed, heads)
    while deal.is_live:
        hand = deal.points
        deal = deal.drawn(behind_draws=bj.auto(hand) is bj.Decision.HIT)
    dealer = list(deal.dealer)
    while bj.dealer_draws(_points(dealer)):
        dealer.append(deal.shoe.deal())
    return replace(deal, dealer=tuple(dealer))


def draw(seed: bytes, heads: Sequence[bytes]) -> int:
    """Deal a round and return what it came to."""
    deal = _dealt_out(seed, heads)
    return Outcome(deal.points, deal.behind.taken, bj.dealer_total(_points(deal.dealer))).code


def on_table(seed: bytes, heads: Sequence[bytes]) -> OnTable:
    """Return what everybody sees once these windows are closed: the hand and the dealer's first card."""
    deal = _deal(seed, heads)
    return OnTable(deal.hand, deal.dealer[:1], deal.is_live)


def shown(seed: bytes, heads: Sequence[bytes]) -> OnTable:
    """Return what everybody sees with the result: all cards."""
    deal = _dealt_out(seed, heads)
    return OnTable(deal.hand, deal.dealer, goes_on=False)


def verdict(hand: Sequence[int], drew: int, stood: int) -> bytes:
    """Return what bets behind do in a window in which so many seats drew and stood on these cards."""
    if drew == stood:
        return DREW if bj.auto(_points(hand)) is bj.Decision.HIT else STOOD
    return DREW if drew > stood else STOOD


def advice(hand: Sequence[int], dealer: Sequence[int]) -> Advice:
    """Return what basic strategy decides on these cards, 0 to 51."""
    decision = basic(_points(hand), _points(dealer)[0])
    return Advice(int(decision), decision is bj.Decision.DOUBLE, decision is bj.Decision.HIT)


@lru_cache(OUTCOMES_KEPT_MAX)
def odds(code: int) -> Int64s:
    """Return the gross odds of an absent player's seat and of a bet behind, in halves of the stake."""
    outcome = outcome_of(code)
    absent = bj.line(outcome.hand, {}, len(outcome.hand) - bj.FIRST_CARDS).taken
    return np.array([slips.halves(outcome.hand, taken, outcome.dealer) for taken in (absent, outcome.behind)], np.int64)


def payouts(bets: Sequence[StandingBet], code: int) -> list[int]:
    """Return the gross payout of every bet of a round, in minor units: see :func:`.blackjack_slips.payouts_minor`."""
    outcome = outcome_of(code)
    return slips.payouts_minor(bets, outcome.hand, outcome.behind, outcome.dealer)


def describe(code: int) -> str:
    """Return the dealer's total and the cards that all share."""
    outcome = outcome_of(code)
    cards = " ".join("A" if card == bj.ACE else str(card) for card in outcome.hand)
    return f"dealer {_NAMES.get(outcome.dealer, outcome.dealer)}, players' cards {cards}"


def chances() -> Iterator[tuple[int, Fraction]]:
    """Yield outcomes with their exact probability in a fresh shoe, if nobody decides: one for each pair of totals."""
    for (player, dealer), chance in _joint().items():
        hand = _hand_worth(player)
        yield Outcome(hand, len(hand) - bj.FIRST_CARDS, dealer).code, chance


def _hand_worth(player: int) -> Points:
    """Return a hand at which :func:`.blackjack.auto` stands with this total."""
    if player == bj.CHARLIE:
        return (2,) * 5 + (bj.ACE,)
    if player == bj.BLACKJACK:
        return (bj.ACE, bj.TEN)
    return (player - bj.TEN, bj.TEN) if player < 21 else (5, 6, bj.TEN)


@cache
def _joint() -> dict[tuple[int, int], Fraction]:
    """Return how likely each pair of totals is.

    The order in which cards come matters to who stops when, but not to how likely they are; so hands are counted as
    bags of cards, each with the number of orders that the rules allow. A dealer's bag comes in less than 2⁶⁰ ways; what
    is more than 2⁶³ is counted in Python's integers.
    """
    fresh = [0, *[CARDS_A_RANK] * 9, 4 * CARDS_A_RANK]
    dealers = {end: orders for end, orders in bags(dealer=True).items() if end[0] != bj.BLACKJACK}
    others = np.array([bag for _, bag in dealers])
    most = others.max(axis=0)
    rows: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row, (dealer, bag) in enumerate(dealers):
        rows[dealer, sum(bag)].append(row)
    ways: Counter[tuple[int, int, int]] = Counter()
    for (total, bag), orders in bags(dealer=False).items():
        more = np.array(list(dealers.values()), np.int64)
        for card in range(bj.ACE, bj.TEN + 1):
            left = fresh[card] - bag[card]
            more *= np.array([perm(left, k) for k in range(most[card] + 1)], np.int64)[others[:, card]]
        number = orders * prod(map(perm, fresh, bag))
        for (dealer, cards), those in rows.items():
            ways[total, dealer, sum(bag) + cards] += number * sum(more[those].tolist())
    joint: dict[tuple[int, int], Fraction] = {}
    for (total, dealer, cards), number in ways.items():
        joint[total, dealer] = joint.get((total, dealer), Fraction(0)) + Fraction(number, perm(SHOE_CARDS, cards))
    # Nobody draws against the dealer's blackjack: two cards that are none lose, whatever they are.
    naturals = Fraction(2 * CARDS_A_RANK * 4 * CARDS_A_RANK, perm(SHOE_CARDS, 2))
    both = naturals * Fraction(2 * (CARDS_A_RANK - 1) * (4 * CARDS_A_RANK - 1), perm(SHOE_CARDS - 2, 2))
    return joint | {(bj.BLACKJACK, bj.BLACKJACK): both, (bj.AUTO_STANDS_HARD, bj.BLACKJACK): naturals - both}


def bags(*, dealer: bool, first: Points = ()) -> Counter[tuple[int, Points]]:
    """Return the final hands of the dealer, or of an absent player, and in how many orders they can come.

    Parameters
    ----------
    dealer : bool
        Whose.
    first : tuple of int
        Cards that are there already; they are not counted among the cards of the bag.

    Returns
    -------
    Counter of (int, tuple of int)
        By total, and by how many cards of 0 to 10 points came.
    """
    found: Counter[tuple[int, Points]] = Counter()

    def go_on(cards: Points) -> None:
        if len(cards) >= bj.FIRST_CARDS:
            draws = bj.dealer_draws(cards) if dealer else bj.may_draw(cards) and bj.auto(cards) is bj.Decision.HIT
            if not draws:
                came = cards[len(first) :]
                found[(bj.dealer_total if dealer else bj.total)(cards), tuple(map(came.count, range(11)))] += 1
                return
        for card in range(bj.ACE, bj.TEN + 1):
            go_on((*cards, card))

    go_on(first)
    return found


BLACKJACK = Game(
    "blackjack", SPOTS, bj.PER, draw, odds, describe, chances,
    Stages(
        tuple(decision.name.lower() for decision in bj.Decision), bj.DECISION_WINDOWS, on_table, shown,
        slips.votes, verdict, advice, payouts,
    ),
)  # fmt: skip
