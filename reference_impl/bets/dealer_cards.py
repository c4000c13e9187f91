"""The cards of the round that a table plays, in a game in which players decide after their stakes.

Cards follow from the seed and from the heads at which windows were closed, so they are computed only then, and whoever
knows seed and heads computes the same. Between two windows' heads stands what bets behind did, which follows the votes
of the seats in every shard.
"""

import asyncio
from typing import TYPE_CHECKING

from reference_impl.domain import game_round as gr
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.games.game import OnTable
from reference_impl.domain.phases import Phase

if TYPE_CHECKING:
    from reference_impl.bets.dealer_table import Table

_HIDDEN = OnTable((), (), goes_on=False)


class Cards:
    """Draws cards at one table.

    Parameters
    ----------
    table : Table
        The table.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table
        self.chain: list[bytes] = []
        """What the cards follow from, beside the seed: the windows' heads, and what bets behind did."""
        self._drawn = self._seen = _HIDDEN
        self._votes: tuple[int, ...] = ()

    def start_round(self) -> None:
        """Clear the table."""
        self.chain, self._votes = [], ()
        self._drawn = self._seen = _HIDDEN

    async def draw(self, state: gr.RoundState, heads: tuple[tuple[int, bytes], ...]) -> bool:
        """Draw what follows from a window that was closed at these heads; tell whether players decide on it."""
        table, stages = self._table, self._table.game.stages
        if stages is None:
            raise ValueError(f"table {table.number}: nobody decides anything in {table.game.name}")
        if state.window:
            ask = m.CountVotes(state.round_id, state.window, table.game.name, self._drawn.hand)
            votes = await asyncio.gather(*(table.ask(shard, ask, m.Votes) for shard in sorted(state.shards)))
            drew, stood = sum(vote.drew for vote in votes), sum(vote.stood for vote in votes)
            self._votes = drew, stood
            self.chain.append(stages.verdict(self._drawn.hand, drew, stood))
        self.chain += [head for _, head in heads]
        self._drawn = stages.on_table(table.source.seed, self.chain)
        return self._drawn.goes_on

    def public(self, phase: Phase) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return what may be told in a phase: the players' cards, the dealer's, and the last window's votes.

        A card that was drawn is told with the window that is open on it, or with the result, and not before.
        """
        stages = self._table.game.stages
        if stages is None or not self.chain or phase in (Phase.VOIDING, Phase.VOIDED):
            return (), (), ()
        if phase in (Phase.RESULT, Phase.SETTLED):
            self._seen = stages.shown(self._table.source.seed, self.chain)
        elif phase is Phase.DECISIONS_OPEN:
            self._seen = self._drawn
        return self._seen.hand, self._seen.dealer, self._votes
