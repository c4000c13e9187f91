"""What every game is to the rest of the system: names of spots, a draw, and a table of odds.

The dealer draws an outcome, the gateway asks which spots there are, the wallet and the checks ask what a bet is paid,
the simulation does all of it. None of them knows which game it is.

An *outcome* is one integer that fits 32 bits, so that it can be a column of the journal; each game says how it is
coded. A *spot* is what can be bet on; a bet's selection is an index into the game's spots.

Payouts are gross (the stake is included) and integer: ``stake * odds // per``. The one rounding rule of the lab is this
floor: what a table of odds does not divide stays with the house, always less than one minor unit a bet.

A game may ask players for decisions after their stakes (:class:`Stages`). A *decision* is a bet of a later window of
the round; its selection is the decision's code and its stake what it costs, or nothing. What a bet then pays depends on
the player's other bets of the round, and on nobody else's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]

OUTCOME_MAX = (1 << 31) - 1
"""The largest outcome that the journal's column holds."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the layout.

    Parameters
    ----------
    name : str
        What a bet on it is called.
    numbers : tuple of int
        Outcomes that win, where outcomes are few and plain (roulette); otherwise empty.
    gross : int
        Gross return per unit staked if those come; 0 where it depends on the outcome.
    pays : str
        What is won on the stake, as a layout says it: ``8:1``; with what multiplies it left out.
    """

    name: str
    numbers: tuple[int, ...] = ()
    gross: int = 0
    pays: str = ""


class StandingBet(NamedTuple):
    """An accepted bet, or decision, of a round that was not taken back."""

    account: int
    window: int
    selection: int
    stake_minor: int


class OnTable(NamedTuple):
    """The cards that everybody sees, 0 to 51: the players' and the dealer's; and whether players decide on them."""

    hand: tuple[int, ...]
    dealer: tuple[int, ...]
    goes_on: bool


class Advice(NamedTuple):
    """A good decision: its code, whether it costs a second stake, and whether there may be another after it."""

    decision: int
    costs_a_stake: bool
    stays_in: bool


def is_verdict(head: bytes) -> bool:
    """Tell whether what stands among a decision's heads is what bets behind did, and no shard's journal head."""
    return len(head) == 1


@dataclass(frozen=True, slots=True)
class Stages:
    """What a game asks of players who have staked.

    Parameters
    ----------
    decisions : tuple of str
        Names of what can be decided; a decision's selection is an index into them.
    windows_max : int
        How many windows for decisions a round has at the most.
    on_table : callable
        ``on_table(seed, heads)``: what everybody sees once windows were closed at these heads.
    shown : callable
        ``shown(seed, heads)``: what everybody sees with the result.
    votes : callable
        ``votes(bets, hand, window)``: how many players drew and how many stood in a window.
    verdict : callable
        ``verdict(hand, drew, stood)``: the head, of one byte, that says so and stands before the window's own.
    advice : callable
        ``advice(hand, dealer)``: what a good player decides on these cards.
    payouts : callable
        ``payouts(bets, outcome)``: the gross payouts, in minor units, of all bets of the players in question.
    """

    decisions: tuple[str, ...]
    windows_max: int
    on_table: Callable[[bytes, Sequence[bytes]], OnTable]
    shown: Callable[[bytes, Sequence[bytes]], OnTable]
    votes: Callable[[Sequence[StandingBet], Sequence[int], int], tuple[int, int]]
    verdict: Callable[[Sequence[int], int, int], bytes]
    advice: Callable[[Sequence[int], Sequence[int]], Advice]
    payouts: Callable[[Sequence[StandingBet], int], list[int]]


@dataclass(frozen=True, slots=True)
class Game:
    """A game as a pure table.

    Parameters
    ----------
    name : str
        As configurations, records and the lobby call it.
    spots : tuple of Spot
        What can be bet on.
    per : int
        Odds are multiples of ``1 / per`` of the stake.
    draw : callable
        ``draw(seed, heads)``: the outcome of a round with this secret seed, closed at these journal heads.
    odds : callable
        ``odds(outcome)``: gross odds of every spot, in units of ``1 / per``; int64, shape ``(len(spots),)``.
        Raises ValueError for what is no outcome.
    describe : callable
        ``describe(outcome)``: the outcome in a few words.
    chances : callable
        Yields ``(outcome, probability)``: enough outcomes to compute any spot's return exactly, one representative for
        those that pay the same. In a game that has stages: if nobody decides.
    stages : Stages or None
        What players decide after their stakes.
    """

    name: str
    spots: tuple[Spot, ...]
    per: int
    draw: Callable[[bytes, Sequence[bytes]], int]
    odds: Callable[[int], Int64s]
    describe: Callable[[int], str]
    chances: Callable[[], Iterator[tuple[int, Fraction]]]
    stages: Stages | None = None

    def is_outcome(self, outcome: int) -> bool:
        """Tell whether an integer is an outcome of this game."""
        try:
            self.odds(outcome)
        except ValueError:
            return False
        return True

    def payouts_minor(self, selections: Int64s, stakes_minor: Int64s, outcome: int) -> Int64s:
        """Return the gross payout of each bet of a round in which nobody decided anything.

        Parameters
        ----------
        selections, stakes_minor : array of int64, shape (n,)
            Spots and stakes in minor units.
        outcome : int
            What was drawn.

        Returns
        -------
        array of int64, shape (n,)
            Payouts in minor units, stake included; 0 for losing bets; rounded down to the minor unit.

        Raises
        ------
        ValueError
            If a selection is no spot or the outcome none of this game.
        """
        if len(selections) and not 0 <= selections.min() <= selections.max() < len(self.spots):
            raise ValueError(
                f"{self.name} has spots 0 to {len(self.spots) - 1}, got {selections.min()} to {selections.max()}"
            )
        paid: Int64s = self.odds(outcome)[selections] * stakes_minor // self.per
        return paid

    def spot(self, name: str) -> int:
        """Return the selection of a spot by its name, or raise KeyError."""
        for selection, spot in enumerate(self.spots):
            if spot.name == name:
                return selection
        raise KeyError(f"{self.name} has no spot {name!r}")

    def returns(self) -> list[Fraction]:
        """Return the return to player of every spot: the exact expected gross return per unit staked."""
        total = [Fraction(0)] * len(self.spots)
        for outcome, chance in self.chances():
            for selection, odds in enumerate(self.odds(outcome).tolist()):
                total[selection] += chance * odds / self.per
        return total
