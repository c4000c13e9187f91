"""Bets for benches: players, windows, batches, and the two ways to offer them."""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from itertools import count

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.games.roulette import SPOTS
from reference_impl.domain.ids import round_id
from reference_impl.domain.money import Currency
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.ledgers import Ledgers

PLAYERS = 20_000
DEPOSIT_MINOR = 10**12
FAR_FUTURE_UNIX_NS = 4_000_000_000 * NS_PER_S
TICK_S = 0.001


@dataclass
class Crowd:
    """Players of every shard, and bets of theirs in batches.

    Parameters
    ----------
    ledgers : Ledgers
        Where they play.
    seed : int
        Of who bets what.
    """

    ledgers: Ledgers
    seed: int = 1
    _rounds: "count[int]" = field(default_factory=lambda: count(1))
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._nonce = os.urandom(8)

    async def open(self) -> None:
        """Open everybody's account, and take table 1."""
        for shard in range(self.ledgers.shards):
            for first in range(1, PLAYERS + 1, 1000):
                players = list(range(first, first + 1000))
                ask = m.OpenAccounts(self._refs(1000), players, [DEPOSIT_MINOR] * 1000, Currency.EUR)
                await self.ledgers.control(shard, ask)
            await self.ledgers.control(shard, m.TakeTable(1))

    async def open_round(self) -> int:
        """Open a window of the next round in every shard; return the round."""
        known = round_id(1, next(self._rounds))
        for shard in range(self.ledgers.shards):
            await self.ledgers.control(shard, m.OpenWindow(known, 0, 1, FAR_FUTURE_UNIX_NS))
        return known

    def batch(self, round_id: int, size: int) -> m.BetBatch:
        """Return new bets of random players."""
        draw = self._random
        return m.BetBatch(
            refs=self._refs(size),
            accounts=[draw.randint(1, PLAYERS) for _ in range(size)],
            rounds=[round_id] * size,
            windows=[0] * size,
            selections=[draw.randrange(len(SPOTS)) for _ in range(size)],
            amounts=[draw.choice((100, 200, 500, 1000)) for _ in range(size)],
            late=[False] * size,
        )

    def _refs(self, size: int) -> list[bytes]:
        return [self._nonce + next(self._numbers).to_bytes(8, "big") for _ in range(size)]


async def saturate(crowd: Crowd, round_id: int, batches: int, batch_bets: int, waiting: int = 2) -> float:
    """Keep `waiting` batches queued at every shard until each has placed `batches`; return durable bets a second."""
    ready = [[crowd.batch(round_id, batch_bets) for _ in range(batches)] for _ in range(crowd.ledgers.shards)]
    started_s = time.perf_counter()

    async def lane(shard: int) -> None:
        while ready[shard]:
            answers = await crowd.ledgers.place(shard, ready[shard].pop())
            assert min(answers.status) == max(answers.status) == 1, "a bet was refused"  # noqa: S101 - bench

    await asyncio.gather(*(lane(shard) for shard in range(crowd.ledgers.shards) for _ in range(waiting)))
    return batches * batch_bets * crowd.ledgers.shards / (time.perf_counter() - started_s)


class OpenLoop:
    """Offers bets at a rate whatever the answers do, as gateways with one outstanding request a shard.

    Parameters
    ----------
    crowd : Crowd
        Who bets.
    round_id : int
        Whose window is open.
    bets_per_s : float
        Offered over all shards.
    gateways : int
        What arrives at one while it waits for an answer is its next batch.
    """

    def __init__(self, crowd: Crowd, round_id: int, bets_per_s: float, gateways: int = 2) -> None:
        self._crowd = crowd
        self._round = round_id
        self._gap_s = crowd.ledgers.shards * gateways / bets_per_s
        self._gateways = gateways
        self.latencies_ms: list[float] = []

    async def run(self, seconds: float) -> None:
        """Offer for some time; latencies count from the instant at which a bet was due."""
        lanes = [
            self._lane(shard, seconds) for shard in range(self._crowd.ledgers.shards) for _ in range(self._gateways)
        ]
        await asyncio.gather(*lanes)

    async def _lane(self, shard: int, seconds: float) -> None:
        draw = random.Random(shard)
        started_s = time.perf_counter()
        due_s = started_s + draw.expovariate(1) * self._gap_s
        while due_s < started_s + seconds:
            now_s = time.perf_counter()
            due: list[float] = []
            while due_s <= now_s:
                due.append(due_s)
                due_s += draw.expovariate(1) * self._gap_s
            if not due:
                await asyncio.sleep(min(TICK_S, due_s - now_s))
                continue
            await self._crowd.ledgers.place(shard, self._crowd.batch(self._round, len(due)))
            answered_s = time.perf_counter()
            self.latencies_ms += [(answered_s - instant) * 1000 for instant in due]
