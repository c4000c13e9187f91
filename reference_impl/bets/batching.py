"""From many sockets to one writer: a gateway's bets for one shard, one batch outstanding.

What arrives while a batch is on its way, and while the sender rests after it, is the next batch. An answer that does
not come leaves the outcome unknown, so the same batch is sent again; the bets' ids decide.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from reference_impl.domain.pacing import PENDING_BETS_MAX, rest_ns
from reference_impl.domain.units import NS_PER_S
from reference_impl.domain.wallet_messages import BetAnswers, BetBatch

BATCH_BETS_MAX = 1000
ANSWER_S_MAX = 2.0
RETRY_S = 0.05

log = logging.getLogger(__name__)


class Bet(Protocol):
    """What a batch needs to know of a bet."""

    @property
    def row(self) -> tuple[bytes, int, int, int, int, int, bool]:
        """The bet as a row of :class:`reference_impl.domain.wallet_messages.BetBatch`."""


B = TypeVar("B", bound=Bet)
_row = attrgetter("row")


class Flight(NamedTuple):
    """When a batch left the gateway and came back, CLOCK_MONOTONIC ns."""

    sent_ns: int
    replied_ns: int


class ShardSender(Generic[B]):
    """Sends bets to one shard and hands out the answers.

    Parameters
    ----------
    shard : int
        The shard.
    bus : nats.aio.client.Client
        A connected NATS client.
    deliver : callable
        Called with each batch's bets, their answers, and the batch's flight.
    """

    def __init__(self, shard: int, bus: Client, deliver: Callable[[list[B], BetAnswers, Flight], None]) -> None:
        self.shard = shard
        self._bus = bus
        self._deliver = deliver
        self._pending: deque[B] = deque()
        self._work = asyncio.Event()
        self._added = 0
        self._answered = 0
        self._marks: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(BetAnswers).decode

    def __len__(self) -> int:
        return self._added - self._answered

    def add(self, bet: B) -> bool:
        """Queue a bet; False if too many wait, and then nothing happened."""
        if len(self) >= PENDING_BETS_MAX:
            return False
        self._pending.append(bet)
        self._added += 1
        self._work.set()
        return True

    async def flushed(self) -> None:
        """Wait until every bet that was added so far has its answer."""
        if self._answered < self._added:
            mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._marks.append((self._added, mark))
            await mark

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._work.wait()
            bets = [self._pending.popleft() for _ in range(min(len(self._pending), BATCH_BETS_MAX))]
            if not self._pending:
                self._work.clear()
            if not bets:
                continue
            sent_ns = time.monotonic_ns()
            columns: list[Any] = list(zip(*map(_row, bets), strict=True))
            answers = await self._ask(self._encode(BetBatch(*columns)))
            flight = Flight(sent_ns, time.monotonic_ns())
            self._deliver(bets, answers, flight)
            self._answered += len(bets)
            while self._marks and self._marks[0][0] <= self._answered:
                self._marks.popleft()[1].set_result(None)
            await asyncio.sleep(rest_ns(flight.replied_ns - flight.sent_ns) / NS_PER_S)

    async def _ask(self, request: bytes) -> BetAnswers:
        while True:
            try:
                msg = await self._bus.request(f"wallet.{self.shard}.bets", request, timeout=ANSWER_S_MAX)
            except nats.errors.Error as error:
                log.warning("shard %d: no answer to a batch of bets (%s), sending it again", self.shard, error)
            else:
                answers = self._decode(msg.data)
                if not answers.overloaded:
                    return answers
            await asyncio.sleep(RETRY_S)
