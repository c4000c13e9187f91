"""Rounds in which players decided: what they hold there, how they voted, and what each of their bets is paid.

A round's standing bets are read once for a settlement or a correction, since any of them may depend on a decision that
came much later; the entries are then written a chunk at a time, as in other games.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.games.game import Stages, StandingBet
from reference_impl.wallet.database import Database

_STANDING = "SELECT ref, account, win, selection, amount FROM standing($1)"


class RoundPayouts:
    """What each bet of a closed round is paid in a game that has stages.

    Parameters
    ----------
    stages : Stages
        The game's.
    round_id, outcome : int
        The round and what it came to.
    """

    def __init__(self, stages: Stages, round_id: int, outcome: int) -> None:
        self._stages = stages
        self._round_id = round_id
        self._outcome = outcome
        self._pays: dict[tuple[int, UUID], int] | None = None

    async def of(self, db: Database, bets: Sequence[asyncpg.Record]) -> list[int]:
        """Return the gross payouts, in minor units, of some of the round's bets."""
        if self._pays is None:
            rows = await db.fetch(_STANDING, self._round_id)
            pays = self._stages.payouts(_bets(rows), self._outcome)
            self._pays = {(row["account"], row["ref"]): pay for row, pay in zip(rows, pays, strict=True)}
        return [self._pays[bet["account"], bet["ref"]] for bet in bets]


async def count_votes(db: Database, ask: m.CountVotes) -> m.ControlReply:
    """Count what the players of this shard decided in a window that was closed here."""
    stages = game_named(ask.game).stages
    if stages is None:
        return m.Refused(f"nobody decides anything in {ask.game}")
    rows = await db.fetch(_STANDING, ask.round_id)
    return m.Votes(*stages.votes(_bets(rows), ask.hand, ask.window))


def _bets(rows: Sequence[asyncpg.Record]) -> list[StandingBet]:
    return [StandingBet(row["account"], row["win"], row["selection"], row["amount"]) for row in rows]
