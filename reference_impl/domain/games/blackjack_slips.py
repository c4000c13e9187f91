"""What a round of blackjack pays each of a player's bets, given all that she staked and decided.

Decisions are bets of later windows: standing and drawing cost nothing, a double costs what all her seats together cost.
Of each window her first decision counts that is one; every other returns what was staked on it, so nobody loses money
by deciding twice, or what is not allowed. So the pay of a bet can depend on the player's other bets, and on nothing
else: a shard settles its players alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.cards import rank_of
from reference_impl.domain.games.game import StandingBet

SEAT, BEHIND = 0, 1

Decisions: TypeAlias = Mapping[int, int]
"""By window, the place of the decision that counts among a player's bets."""


def payouts_minor(bets: Sequence[StandingBet], hand: Sequence[int], behind: int, dealer: int) -> list[int]:
    """Return the gross payout of every bet, rounded down to the minor unit.

    Parameters
    ----------
    bets : sequence of StandingBet
        All accepted bets and decisions of the players in question that were not taken back, in journal order.
    hand : sequence of int
        Points of the cards that all share.
    behind : int
        How many of those after the first two bets behind took.
    dealer : int
        The dealer's total.
    """
    pays = [bet.stake_minor for bet in bets]
    for mine in _by_account(bets):
        counting = _decisions(bets, mine)
        line = bj.line(hand, _chosen(bets, counting), len(hand) - bj.FIRST_CARDS)
        seat = halves(hand, line.taken, dealer)
        for place in mine:
            bet = bets[place]
            if bet.window == 0:
                odds = seat if bet.selection == SEAT else halves(hand, behind, dealer)
                pays[place] = bet.stake_minor * odds // bj.PER
        if line.doubled:
            place = counting[bj.DOUBLE_WINDOW]
            pays[place] = bets[place].stake_minor * seat // bj.PER
    return pays


def votes(bets: Sequence[StandingBet], hand: Sequence[int], window: int) -> tuple[int, int]:
    """Return how many players drew and how many stood in a window, of those with a seat who were still in.

    Parameters
    ----------
    bets : sequence of StandingBet
        All accepted bets and decisions that were not taken back, in journal order.
    hand : sequence of int
        The cards, 0 to 51, that lay on the table while the window was open.
    window : int
        Which.
    """
    counts = [0, 0]
    cards = [bj.points(rank_of(card)) for card in hand]
    for mine in _by_account(bets):
        chosen = _chosen(bets, _decisions(bets, mine))
        if window in chosen and bj.line(cards, chosen, window - 1).still_in:
            counts[chosen[window] is bj.Decision.STAND] += 1
    return counts[0], counts[1]


def halves(hand: Sequence[int], taken: int, dealer: int) -> int:
    """Return the gross odds, in halves, of who took so many of the cards after the first two."""
    return bj.gross(bj.total(hand[: bj.FIRST_CARDS + taken]), dealer)


def _by_account(bets: Sequence[StandingBet]) -> Iterable[list[int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, bet in enumerate(bets):
        places[bet.account].append(place)
    return places.values()


def _decisions(bets: Sequence[StandingBet], mine: Sequence[int]) -> Decisions:
    """Return the decisions of one player that count; none, without a seat."""
    seats_minor = sum(bets[place].stake_minor for place in mine if bets[place][1:3] == (0, SEAT))
    counting: dict[int, int] = {}
    for place in mine if seats_minor else ():
        if bets[place].window and _is_decision(bets[place], seats_minor):
            counting.setdefault(bets[place].window, place)
    return counting


def _is_decision(bet: StandingBet, seats_minor: int) -> bool:
    if bet.selection == bj.Decision.DOUBLE:
        return bet.window == bj.DOUBLE_WINDOW and bet.stake_minor == seats_minor
    return bet.selection in (bj.Decision.STAND, bj.Decision.HIT) and bet.stake_minor == 0


def _chosen(bets: Sequence[StandingBet], counting: Decisions) -> dict[int, bj.Decision]:
    return {window: bj.Decision(bets[place].selection) for window, place in counting.items()}
