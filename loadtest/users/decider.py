"""What a player decides after the stakes, at tables of games that ask for it.

A player who is there decides in each window as the game advises, until she has left the hand; now and then one stays
away from a round, and is played by the game's own rule. The simulation has no such windows (docs/GAMES.md).
"""

from dataclasses import dataclass

from loadtest.operations import Operation
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.ids import round_no_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEvent
from sim.arrivals import DRAWS_PER_ROUND
from sim.random_streams import Stream, uniform

ABSENT_SHARE = 0.15
"""Probability that a player with a seat decides nothing in a round. An assumption."""

THINKING = (0.1, 0.8)
"""Decisions come uniformly within this part of their window. An assumption."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A decision: when, as a part of its window, what, and what it costs."""

    part: float
    decision: int
    amount_minor: int


class Decider:
    """One player's decisions.

    Parameters
    ----------
    seed, player : int
        What her chances follow from.
    """

    def __init__(self, seed: int, player: int) -> None:
        self._seed = seed
        self._player = player
        self._round = 0
        self._seats_minor = 0
        self._left = False

    def accepted(self, op: Operation) -> None:
        """Note a bet or decision that was accepted."""
        if op.round_id != self._round:
            self._round, self._seats_minor, self._left = op.round_id, 0, False
        if not op.window and op.selection == 0:
            self._seats_minor += op.amount_minor

    def plan(self, event: TableEvent) -> Planned | None:
        """Return what the player decides in a window that opens; None if nothing."""
        stages = game_named(event.game).stages
        if event.phase != Phase.DECISIONS_OPEN or stages is None or event.round != self._round or self._left:
            return None
        k = round_no_of(event.round) * DRAWS_PER_ROUND
        if not self._seats_minor or uniform(self._seed, int(Stream.STAY_AWAY), self._player, k) < ABSENT_SHARE:
            return None
        advice = stages.advice(event.hand, event.dealer)
        self._left = not advice.stays_in
        early, late = THINKING
        part = early + (late - early) * uniform(self._seed, int(Stream.STAY_AWAY), self._player, k + event.window)
        return Planned(part, advice.decision, self._seats_minor if advice.costs_a_stake else 0)
