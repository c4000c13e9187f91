"""Carrying money from shard to shard: what left its sender arrives, or comes back, whatever dies in between.

A transfer is three entries, each one transaction of one shard and safe to repeat:

1. *out*, in the sender's shard: from the player to ``transit:<receiver>``; and a line in ``under_way``;
2. *in*, in the receiver's shard: from ``transit:<sender>`` to the player; or the refusal, on record for good;
3. *end*, in the sender's shard: it arrived, or it goes back. The two share one slot, and the line is struck.

The carrier of the sender's shard reads ``under_way`` at every start and whenever something is sent, and takes steps 2
and 3 until they are answered. No step is ever taken back, and no lock spans two shards.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import msgspec
import nats.errors
from nats.aio.client import Client

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import AccountKind, account_beside, account_number, shard_of
from reference_impl.wallet.database import connect
from reference_impl.wallet.writer import SEND_AGAIN

CARRIED_MAX = 500
ANSWER_S_MAX = 2.0
RESUME_S = 1.0
"""How soon it is tried again, and how long a transfer waits at most whose sender's wallet died after step 1."""

_UNDER_WAY = """
    SELECT j.seq, j.ref, j.account, j.counter, j.amount FROM under_way u
    JOIN journal j ON j.account = u.account AND j.ref = u.ref AND j.slot = 0
    WHERE j.seq > $1 ORDER BY j.seq LIMIT $2"""

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(m.ControlReply).decode


@dataclass
class Carrier:
    """What brings the transfers of one shard's players to their end.

    Parameters
    ----------
    shard, shards : int
        Its number, and how many there are.
    dsn : str
        Its database; the carrier only reads there.
    bus : nats.aio.client.Client
        A connected NATS client.
    end : callable
        Hands step 3 to the shard's writer; returns once it is durable.
    """

    shard: int
    shards: int
    dsn: str
    bus: Client
    end: Callable[[m.EndTransfers], Awaitable[None]]

    def __post_init__(self) -> None:
        self._sent = asyncio.Event()

    def hurry(self) -> None:
        """Something was sent."""
        self._sent.set()

    async def run(self) -> None:
        """Carry until cancelled."""
        while True:
            try:
                await self._follow()
            except (asyncio.QueueFull, *SEND_AGAIN, nats.errors.Error) as error:
                log.warning("transfers of shard %d wait (%s: %s)", self.shard, type(error).__name__, error)
                await asyncio.sleep(RESUME_S)

    async def _follow(self) -> None:
        connection = await connect(self.dsn)
        try:
            while True:
                self._sent.clear()
                after = 0
                while rows := await connection.fetch(_UNDER_WAY, after, CARRIED_MAX):
                    await self._carry(rows)
                    after = rows[-1]["seq"]
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._sent.wait(), RESUME_S)
        finally:
            connection.terminate()

    async def _carry(self, rows: list[asyncpg.Record]) -> None:
        by_shard = defaultdict(list)
        for row in rows:
            by_shard[shard_of(account_number(row["counter"]), self.shards)].append(row)
        for shard, mine in by_shard.items():
            ask = m.ReceiveMoney(
                [row["ref"].bytes for row in mine],
                [account_beside(row["account"], AccountKind.PLAYER, account_number(row["counter"])) for row in mine],
                [row["account"] for row in mine],
                [row["amount"] for row in mine],
            )
            try:
                answer = await self.bus.request(f"wallet.{shard}.control", _encode(ask), timeout=ANSWER_S_MAX)
            except nats.errors.Error as error:
                log.warning("shard %d does not take %d transfers yet: %s", shard, len(mine), type(error).__name__)
                continue
            reply = _decode(answer.data)
            if isinstance(reply, m.Answers):
                arrived = [status == Status.ACCEPTED for status in reply.status]
                await self.end(m.EndTransfers(ask.refs, ask.senders, arrived))
            else:
                log.error("shard %d takes no transfers: %s", shard, reply)
