"""What the operator orders at a table: void the running round, give a settled one another outcome, stop and go on.

* A round can be voided until its decision is recorded; that is never taken back. What comes later is a correction.
* A correction is recorded once and carried out in every shard, also when a shard is away or the dealer dies meanwhile.
  The table plays on.
* A stopped table finishes its round and starts no other, also after a restart of the dealer.

Each order is announced with its reason as a table event, and so stands in the audit trail.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from reference_impl.domain import game_round as gr
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.ids import table_of
from reference_impl.domain.phases import TERMINAL, On, Phase
from reference_impl.domain.table_messages import CorrectOrder, StopOrder, TableOrder, VoidOrder

if TYPE_CHECKING:
    from reference_impl.bets.dealer_table import Table

log = logging.getLogger(__name__)


class Orders:
    """Carries out orders at one table.

    Parameters
    ----------
    table : Table
        The table.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table
        self.stopped = ""
        """Why the table starts no new round; empty if it may."""
        self.void_reason = ""
        """Why the running round is void; empty if it is not, or for a reason of its own."""
        self._may_go = asyncio.Event()

    async def carry_out(self, order: TableOrder) -> m.Done | m.Refused:
        """Carry an order out; say what was refused and why."""
        if isinstance(order, VoidOrder):
            return await self._void(order)
        if isinstance(order, CorrectOrder):
            return await self._correct(order)
        return await self._stop(order)

    async def until_it_may_go_on(self) -> None:
        """Wait as long as the table is stopped or drained."""
        if self.stopped and not self._table.draining:
            self._may_go.clear()
            self._table.announce(Phase.IDLE, self._table.state, reason=self.stopped)
            await self._may_go.wait()

    def wake(self) -> None:
        """Look again whether the table may go on."""
        self._may_go.set()

    def resume(self, corrections: list[tuple[int, int, str]]) -> None:
        """Carry out what an earlier dealer recorded and did not finish."""
        for known, outcome, game in corrections:
            log.warning("table %d: the correction of round %d is carried on", self._table.number, known)
            self._table.spawn(self._carry_correction_out(known, outcome, game, "resumed"))

    async def _void(self, order: VoidOrder) -> m.Done | m.Refused:
        table = self._table
        if (state := table.state) is None or state.round_id != order.round_id:
            return m.Refused(f"round {order.round_id} is not being played at table {table.number}")
        if state.phase < Phase.BETS_OPEN:
            return m.Refused(f"round {order.round_id} is in phase {state.phase.name}: try again when bets are open")
        self.void_reason = order.reason
        # The record decides: whichever is written first, this void or the round's own decision, stands.
        void = m.RecordDecision(order.round_id, table.epoch, True, -1, b"", [], table.game.name, order.reason)
        decision = await table.ask(table.home, void, m.Decision)
        if not decision.void:
            return m.Refused(f"round {order.round_id} has its outcome: correct it once it is settled")
        table.post(gr.Message(On.VOID_ORDERED), order.round_id)
        return m.Done(1)

    async def _correct(self, order: CorrectOrder) -> m.Done | m.Refused:
        table, known = self._table, order.round_id
        if table_of(known) != table.number or not table.game.is_outcome(order.outcome):
            return m.Refused(f"{order.outcome} is no outcome of {table.game.name}, or round {known} not of this table")
        if table.state is not None and table.state.round_id == known and table.state.phase not in TERMINAL:
            return m.Refused(f"round {known} is in phase {table.state.phase.name}: correct it once it is settled")
        record = m.RecordCorrection(known, table.epoch, order.outcome, order.reason)
        recorded = await table.try_to(table.home, record, m.Decision)
        if isinstance(recorded, m.Refused):
            return recorded
        if recorded.outcome != order.outcome:
            return m.Refused(f"round {known} was corrected to {recorded.outcome} before; that stands")
        table.spawn(self._carry_correction_out(known, recorded.outcome, recorded.game, order.reason))
        return m.Done(1)

    async def _carry_correction_out(self, known: int, outcome: int, game: str, reason: str) -> None:
        table = self._table
        await asyncio.gather(*(self._correct_shard(shard, known, outcome, game) for shard in range(table.shards)))
        await table.ask(table.home, m.FinishCorrection(known, table.epoch), m.Done)
        table.announce_correction(known, outcome, reason)

    async def _correct_shard(self, shard: int, known: int, outcome: int, game: str) -> None:
        while owed := self._table.owed(shard):
            await asyncio.wait(owed)
        await self._table.ask(shard, m.CorrectRound(known, self._table.epoch, outcome, game), m.Done)

    async def _stop(self, order: StopOrder) -> m.Done | m.Refused:
        table = self._table
        reason = (order.reason or "stopped") if order.stopped else ""
        await table.ask(table.home, m.StopTable(table.number, table.epoch, reason), m.Done)
        self.stopped = reason
        if not order.stopped:
            table.announce(Phase.IDLE, table.state, reason=f"goes on: {order.reason}")
            self.wake()
        return m.Done(1)
