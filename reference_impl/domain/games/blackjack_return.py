"""What blackjack returns to a player who decides as well as can be.

Computed by backward induction over totals, with cards drawn as if the shoe were endless: with eight decks that moves
the figure by a few hundredths of a percent, and makes every total a state. The rules are those of
:mod:`reference_impl.domain.games.blackjack`.

References
----------
Tables with these rules are published with a return of 99.47 %; Griffin, *The Theory of Blackjack*, for the method.
"""

from collections import Counter
from functools import cache

from reference_impl.domain.games import blackjack as bj

CARDS = range(bj.ACE, bj.TEN + 1)
SHARE = {card: (4 if card == bj.TEN else 1) / 13 for card in CARDS}


@cache
def dealer_totals(up: int) -> dict[int, float]:
    """Return how likely each total of the dealer is behind an up card, once it is known that it is no blackjack."""
    found: Counter[int] = Counter()

    def go_on(cards: tuple[int, ...], chance: float) -> None:
        if len(cards) >= 2 and not bj.dealer_draws(cards):
            found[bj.Hand(cards).total] += chance  # type: ignore[assignment] # a Counter of chances
            return
        for card in CARDS:
            go_on((*cards, card), chance * SHARE[card])

    go_on((up,), 1.0)
    natural = found.pop(bj.BLACKJACK, 0)
    return {total: chance / (1 - natural) for total, chance in found.items()}


def best_return() -> float:
    """Return the expected gross return per first stake, counting further stakes as lost or won on top of it."""
    total = 0.0
    for up in CARDS:
        natural = SHARE[bj.TEN if up == bj.ACE else bj.ACE] if up in (bj.ACE, bj.TEN) else 0.0
        for first in CARDS:
            for second in CARDS:
                chance = SHARE[up] * SHARE[first] * SHARE[second]
                hand = bj.Hand((first, second))
                beaten = bj.gross(hand.total, bj.BLACKJACK) / bj.PER - 1
                total += chance * (natural * beaten + (1 - natural) * _best(hand, up))
    return 1 + total


def _best(hand: bj.Hand, up: int) -> float:
    if hand.total == bj.BLACKJACK:
        return _stand(bj.BLACKJACK, up)
    first, second = hand.cards
    ways = [_play(bj.value(hand.cards), 2, up), _double(hand.cards, up)]
    if first == second:
        ways.append(2 * _half(first, up))
    return max(ways)


def _half(card: int, up: int) -> float:
    """Return what one half of a split pair wins."""
    if card == bj.ACE:
        return sum(SHARE[second] * _stand(bj.value((card, second))[0], up) for second in CARDS)
    return sum(SHARE[second] * _play(bj.value((card, second)), 2, up) for second in CARDS)


def _double(cards: tuple[int, ...], up: int) -> float:
    return 2 * sum(SHARE[card] * _stand(bj.value((*cards, card))[0], up) for card in CARDS)


@cache
def _stand(total: int, up: int) -> float:
    return sum(chance * (bj.gross(total, dealer) / bj.PER - 1) for dealer, chance in dealer_totals(up).items())


@cache
def _play(worth: tuple[int, bool], cards: int, up: int) -> float:
    """Return what a hand of so many cards wins by standing or drawing, whichever is better."""
    total, soft = worth
    if total == bj.BUST:
        return -1.0
    if cards == bj.CHARLIE_CARDS:
        return 1.0
    drawn = 0.0
    for card in CARDS:
        hard = total - 10 if soft else total
        now = hard + card
        eleven = (soft or card == bj.ACE) and now + 10 <= 21
        drawn += SHARE[card] * _play((min(now + 10 * eleven, bj.BUST), eleven), cards + 1, up)
    return max(_stand(total, up), drawn)
