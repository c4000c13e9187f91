"""The one writer of a shard: whatever moves money passes through here, in one order.

Bets that arrive while the database works are the next batch: there is no timer. Between two batches of bets the writer
takes one *step* of a control request, so that settling ten thousand bets does not keep other tables' bets waiting.

Every request is safe to repeat. After a lost connection nobody knows whether the last call was committed; so the same
call is sent again, and the ids decide.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from reference_impl.domain.wallet_messages import BetAnswers, BetBatch, ControlReply
from reference_impl.wallet.database import Database, connect

BATCH_BETS_MAX = 1000
QUEUED_BATCHES_MAX = 256
QUEUED_CONTROLS_MAX = 256
RECONNECT_S_MAX = 1.0

_PLACE = "SELECT status, balance, version, seq FROM place_bets($1, $2, $3, $4, $5, $6, $7, $8)"

SEND_AGAIN = (
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises when the same call is to be sent again: its outcome is unknown (the connection broke), or the
server is not up, is out of disk, or broke a deadlock."""

log = logging.getLogger(__name__)

Step: TypeAlias = Callable[[Database], Awaitable[ControlReply | None]]
"""One step of a control request: a reply, or None if there is more to do."""


class _Waiting(NamedTuple):
    batch: BetBatch
    received_ns: int
    answer: asyncio.Future[BetAnswers]


@dataclass
class Writer:
    """The writer of one shard.

    Parameters
    ----------
    dsn : str
        The shard's database.
    on_commit : callable
        Called after every commit: the relay is nudged.
    """

    dsn: str
    on_commit: Callable[[], None]

    def __post_init__(self) -> None:
        self._bets: deque[_Waiting] = deque()
        self._controls: deque[tuple[Step, asyncio.Future[ControlReply]]] = deque()
        self._work = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.bets_placed = 0

    @property
    def queued_bets(self) -> int:
        """Bets that wait."""
        return sum(len(waiting.batch.refs) for waiting in self._bets)

    def place(self, batch: BetBatch) -> asyncio.Future[BetAnswers]:
        """Queue a gateway's bets; the future is their durable answer, or `overloaded` at once."""
        answer: asyncio.Future[BetAnswers] = asyncio.get_running_loop().create_future()
        if len(self._bets) >= QUEUED_BATCHES_MAX:
            answer.set_result(BetAnswers([], [], [], [], overloaded=True))
            return answer
        self._bets.append(_Waiting(batch, time.monotonic_ns(), answer))
        self._work.set()
        return answer

    def control(self, step: Step) -> asyncio.Future[ControlReply]:
        """Queue a control request; raises through the future what its step raises.

        Raises
        ------
        asyncio.QueueFull
            If :data:`QUEUED_CONTROLS_MAX` requests wait already.
        """
        if len(self._controls) >= QUEUED_CONTROLS_MAX:
            raise asyncio.QueueFull(f"{len(self._controls)} control requests wait, limit {QUEUED_CONTROLS_MAX}")
        reply: asyncio.Future[ControlReply] = asyncio.get_running_loop().create_future()
        self._controls.append((step, reply))
        self._work.set()
        return reply

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                await self._work.wait()
                if self._bets:
                    await self._place_waiting()
                if self._controls:
                    await self._step_control()
                if not self._bets and not self._controls:
                    self._work.clear()
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def _place_waiting(self) -> None:
        taken = [self._bets.popleft()]
        n_bets = len(taken[0].batch.refs)
        while self._bets and n_bets + len(self._bets[0].batch.refs) <= BATCH_BETS_MAX:
            taken.append(self._bets.popleft())
            n_bets += len(taken[-1].batch.refs)
        queue_depth = n_bets + self.queued_bets
        columns = [
            list(chain.from_iterable(getattr(waiting.batch, name) for waiting in taken))
            for name in BetBatch.__struct_fields__
        ]
        started_ns = time.monotonic_ns()
        row = await self._until_known(lambda connection: connection.fetchrow(_PLACE, *columns, time.time_ns()))
        committed_ns = time.monotonic_ns()
        self.bets_placed += n_bets
        self.on_commit()
        start = 0
        for waiting in taken:
            end = start + len(waiting.batch.refs)
            answers = BetAnswers(
                status=row["status"][start:end],
                balance=row["balance"][start:end],
                version=row["version"][start:end],
                seq=row["seq"][start:end],
                received_ns=waiting.received_ns,
                started_ns=started_ns,
                committed_ns=committed_ns,
                batch_size=n_bets,
                queue_depth=queue_depth,
            )
            if not waiting.answer.done():
                waiting.answer.set_result(answers)
            start = end

    async def _step_control(self) -> None:
        step, reply = self._controls.popleft()
        try:
            result = await self._until_known(step)
        except asyncpg.PostgresError as error:
            if not reply.done():
                reply.set_exception(error)
            return
        self.on_commit()
        if result is None:
            self._controls.append((step, reply))
        elif not reply.done():
            reply.set_result(result)

    async def _until_known(self, call: Callable[[Database], Awaitable[Any]]) -> Any:
        """Repeat a call until its outcome is known: a result, or an error that the database itself raised."""
        wait_s = 0.02
        while True:
            try:
                if self._connection is None:
                    self._connection = await connect(self.dsn)
                    await self._connection.set_type_codec(
                        "uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary"
                    )
                return await call(self._connection)
            except SEND_AGAIN as error:
                log.warning("database lost (%s: %s), trying again", type(error).__name__, error)
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RECONNECT_S_MAX)
