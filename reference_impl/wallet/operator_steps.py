"""What the wallet does when the operator stops a table or gives a settled round another outcome.

A correction is recorded once in the table's home shard and carried out in every shard, a chunk of bets at a time; both
may be asked for as often as it takes. Only bets that are owed another amount get an entry.
"""

import numpy as np

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.ids import table_of
from reference_impl.wallet.database import Database, one_row
from reference_impl.wallet.standing import RoundPayouts

CHUNK_BETS = 500


async def record_correction(db: Database, ask: m.RecordCorrection) -> m.ControlReply:
    """Record a round's other outcome, unless there is one already; return the one that is on record."""
    row = await one_row(
        db,
        "SELECT outcome, game FROM record_correction($1, $2, $3, $4, $5)",
        ask.round_id, table_of(ask.round_id), ask.epoch, ask.outcome, ask.reason,
    )  # fmt: skip
    return m.Decision(False, row["outcome"], row["game"])


async def finish_correction(db: Database, ask: m.FinishCorrection) -> m.ControlReply:
    """Note that every shard has carried a correction out."""
    await db.execute("SELECT finish_correction($1, $2, $3)", ask.round_id, table_of(ask.round_id), ask.epoch)
    return m.Done(1)


async def stop_table(db: Database, ask: m.StopTable) -> m.ControlReply:
    """Keep why a table starts no new round, or that it may again."""
    await db.execute("SELECT stop_table($1, $2, $3)", ask.table_id, ask.epoch, ask.reason)
    return m.Done(1)


class Correction:
    """A round's correction, a chunk of bets at a time.

    After an unknown outcome the same chunk is taken again: the place in the journal moves only after a commit.
    """

    def __init__(self, ask: m.CorrectRound) -> None:
        self._ask = ask
        self._game = game_named(ask.game)
        stages = self._game.stages
        self._payouts = RoundPayouts(stages, ask.round_id, ask.outcome) if stages else None
        self._after_seq = 0
        self._corrected = 0

    async def __call__(self, db: Database) -> m.ControlReply | None:
        """Take one chunk; return a reply when there is no more."""
        known = self._ask.round_id
        if await db.fetchval("SELECT count(*) FROM betting_window WHERE round = $1 AND NOT finished", known):
            return m.Refused(f"round {known} cannot be corrected: it is not settled yet")
        bets = await db.fetch("SELECT * FROM correctable($1, $2, $3)", known, CHUNK_BETS, self._after_seq)
        if not bets:
            return m.Done(self._corrected)
        if self._payouts:
            payouts = await self._payouts.of(db, bets)
        else:
            selections = np.array([bet["selection"] for bet in bets], dtype=np.int64)
            stakes = np.array([bet["stake"] for bet in bets], dtype=np.int64)
            payouts = self._game.payouts_minor(selections, stakes, self._ask.outcome).tolist()
        wrong = [(bet, payout) for bet, payout in zip(bets, payouts, strict=True) if payout != bet["paid"]]
        if wrong:
            refs, accounts = [bet["ref"] for bet, _ in wrong], [bet["account"] for bet, _ in wrong]
            await db.execute("SELECT correct($1, $2, $3, $4)", known, refs, accounts, [payout for _, payout in wrong])
        self._after_seq = bets[-1]["seq"]
        self._corrected += len(wrong)
        return None
