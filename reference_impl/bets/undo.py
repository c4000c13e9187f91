"""Taking bets back while their window is open.

An undo goes to the bet's shard after every bet that the gateway took before it, so a bet and its undo that follow each
other closely arrive in that order. The gateway judges its time as it does a bet's; a window's watermark waits for the
undos that were taken, too.
"""

import asyncio
import logging
from typing import NamedTuple, Protocol

from nats.aio.client import Client

from reference_impl.background import Background
from reference_impl.bus import ask_wallet_until_answered
from reference_impl.domain.bets import Status
from reference_impl.domain.protocol import Undone
from reference_impl.domain.wallet_messages import Answers, CancelBets

UNDER_WAY_MAX = 2_000

log = logging.getLogger(__name__)


class Undo(NamedTuple):
    """A bet to be taken back: its id, whose it is, its shard, and whether that came too late."""

    ref: bytes
    account: int
    shard: int
    late: bool


class Sender(Protocol):
    """Knows the bets that were taken before."""

    async def flushed(self) -> None:
        """Wait until every bet that was taken so far has its answer."""


class Undos:
    """A gateway's undos.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    senders : list of Sender
        The shards' senders of bets.
    beside : Background
        Runs what is under way.
    """

    def __init__(self, bus: Client, senders: "list[Sender]", beside: Background) -> None:
        self._bus = bus
        self._senders = senders
        self._beside = beside
        self._under_way: dict[asyncio.Future[Undone], int] = {}

    def take(self, undo: Undo, round_id: int) -> asyncio.Future[Undone]:
        """Return the coming answer; at once *overloaded*, and then nothing happened, if too many are under way."""
        answer: asyncio.Future[Undone] = asyncio.get_running_loop().create_future()
        if len(self._under_way) >= UNDER_WAY_MAX:
            answer.set_result(Undone(undo.ref.hex(), Status.OVERLOADED, 0, 0, undo.shard, 0))
            return answer
        self._under_way[answer] = round_id
        answer.add_done_callback(lambda done: self._under_way.pop(done, None))
        self._beside.spawn(self._carry_out(undo, answer))
        return answer

    async def settled(self, round_id: int | None = None) -> None:
        """Wait until every undo that was taken so far, of a round or of all, has its answer."""
        waiting = [answer for answer, round_of in self._under_way.items() if round_id in (None, round_of)]
        await asyncio.gather(*waiting)

    async def _carry_out(self, undo: Undo, answer: asyncio.Future[Undone]) -> None:
        await self._senders[undo.shard].flushed()
        request = CancelBets([undo.ref], [undo.account], [undo.late])
        reply = await ask_wallet_until_answered(self._bus, undo.shard, request, Answers)
        if isinstance(reply, Answers):
            said = reply.status[0], reply.balance[0], reply.version[0], undo.shard, reply.seq[0]
        else:
            log.error("undo of %s refused: %s", undo.ref.hex(), reply.reason)
            said = Status.OVERLOADED, 0, 0, undo.shard, 0
        answer.set_result(Undone(undo.ref.hex(), *said))
